//! The clients' work: writes, reads, conditions, deletes, batches and ranges on a few
//! keys, through any node; and the recorded history.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use coffee_client::{
    Batch, Client, Condition, Consistency, Entry, Error, GetResult, Key, KeyRange, Operation as Change,
    OutcomeKind, PageOptions, Revision, Value, Written,
};
use coffee_tests::sim::linearizable::{Action, RecordedOperation, Register};
use tokio::time::Instant;

use crate::{entropy::SimRng, trace::Trace};

mod transactions;

/// Number of keys.
pub(crate) const KEYS: u64 = 4;

/// How many times a write in doubt is retried under its request id.
const TRIES: usize = 4;

/// Every operation on each key, by all clients.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    operations: BTreeMap<u64, Vec<RecordedOperation>>,
    acknowledged: u64,
    /// Acknowledged writes.
    written: u64,
    in_doubt: u64,
    refused: u64,
    next_value: u64,
    /// Reads with an entry newer than the revision that they reported.
    mislabelled: u64,
    /// Acknowledged writes to each client's counter, and those in doubt.
    counters: BTreeMap<u64, (u64, u64)>,
    /// Violations in transactions and reads of the past.
    wrong: Vec<String>,
    /// The sums that additions to the shared counter returned, and how many are in doubt.
    sums: Vec<i64>,
    sums_in_doubt: i64,
    /// The acknowledged changes: the value of each key at the revision.
    changes: BTreeMap<(u64, u64), Register>,
    /// The changes that each watch was told.
    watches: Vec<WatchRecord>,
}

/// The changes that a watch was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct WatchRecord {
    /// The revision after which it began.
    pub(crate) began: u64,
    /// All changes up to this revision were told.
    pub(crate) upto: u64,
    /// Changes: the revision, the key, and the value.
    pub(crate) told: Vec<(u64, u64, Register)>,
}

impl Recorded {
    fn counted(&mut self, worker: u64) -> &mut (u64, u64) {
        self.counters.entry(worker).or_default()
    }
}

impl History {
    fn with<T>(&self, work: impl FnOnce(&mut Recorded) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the operations on each key.
    pub(crate) fn operations(&self) -> BTreeMap<u64, Vec<RecordedOperation>> {
        self.with(|recorded| recorded.operations.clone())
    }

    /// Numbers of operations acknowledged, in doubt, and rejected.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        self.with(|recorded| (recorded.acknowledged, recorded.in_doubt, recorded.refused))
    }

    /// Number of reads with an entry newer than the revision that they reported.
    pub(crate) fn mislabelled(&self) -> u64 {
        self.with(|recorded| recorded.mislabelled)
    }

    /// Minimum and maximum number of writes to each client's counter.
    pub(crate) fn counters(&self) -> BTreeMap<u64, RangeInclusive<u64>> {
        let bounds = |(worker, (done, doubt)): (&u64, &(u64, u64))| (*worker, *done..=done + doubt);
        self.with(|recorded| recorded.counters.iter().map(bounds).collect())
    }

    /// Number of acknowledged writes.
    pub(crate) fn written(&self) -> u64 {
        self.with(|recorded| recorded.written)
    }

    /// Violations that operations found by themselves.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.with(|recorded| recorded.wrong.clone())
    }

    /// Records a violation.
    pub(crate) fn found_wrong(&self, what: String) {
        self.with(|recorded| recorded.wrong.push(what));
    }

    /// The sums of the shared counter, and how many additions are in doubt.
    pub(crate) fn sums(&self) -> (Vec<i64>, i64) {
        self.with(|recorded| (recorded.sums.clone(), recorded.sums_in_doubt))
    }

    /// The acknowledged changes of keys by revision and key.
    pub(crate) fn changes(&self) -> BTreeMap<(u64, u64), Register> {
        self.with(|recorded| recorded.changes.clone())
    }

    /// The changes that the watches were told.
    pub(crate) fn watches(&self) -> Vec<WatchRecord> {
        self.with(|recorded| recorded.watches.clone())
    }

    /// Records the changes that a watch was told.
    pub(crate) fn watched(&self, watch: WatchRecord) {
        self.with(|recorded| recorded.watches.push(watch));
    }

    fn value(&self) -> u64 {
        self.with(|recorded| {
            recorded.next_value += 1;
            recorded.next_value
        })
    }

    fn add(&self, key: u64, called: u64, returned: Option<u64>, action: Action) {
        let operation = RecordedOperation { called, returned, action };
        self.with(|recorded| recorded.operations.entry(key).or_default().push(operation));
    }
}

/// A client that performs one operation at a time.
pub(crate) struct WorkloadClient {
    pub(crate) number: u64,
    pub(crate) client: Client,
    pub(crate) rng: SimRng,
    pub(crate) history: History,
    pub(crate) trace: Trace,
    /// When the simulation began.
    pub(crate) began: Instant,
    pub(crate) consistency: Consistency,
    /// Whether it reads only: a write in doubt does not keep it from asking its node.
    pub(crate) reads_only: bool,
    /// The last read of each key.
    pub(crate) seen: BTreeMap<u64, (Revision, Register)>,
}

/// The key that only this client writes, and never deletes.
pub(crate) fn counter(worker: u64) -> Key {
    Key::new(format!("n/{worker}")).expect("legal")
}

/// The counter that all clients add to.
pub(crate) const SHARED_COUNTER: &str = "sum";

fn name(key: u64) -> String {
    format!("k/{key}")
}

pub(crate) fn key(key: u64) -> Key {
    Key::new(name(key)).expect("legal")
}

pub(crate) fn register(entry: Option<&Entry>) -> Register {
    let text = entry.map(|entry| String::from_utf8_lossy(entry.value.as_bytes()).into_owned());
    text.map(|text| text.trim_end().parse().unwrap_or(u64::MAX))
}

fn set(at: u64, value: u64) -> Change {
    // Half of the values span several disk sectors and several packets.
    let width = if value.is_multiple_of(2) { 3000 } else { 1 };
    Change::Set(key(at), Value::new(format!("{value:<width$}")).expect("short"))
}

impl WorkloadClient {
    /// Runs operations until `end`.
    pub(crate) async fn work(mut self, end: Instant) {
        while Instant::now() < end {
            let at = self.rng.below(KEYS);
            match self.rng.below(if self.reads_only { 4 } else { 18 }) {
                0..=3 => self.read(at).await,
                4..=6 => self.write(at).await,
                7 | 8 => self.swap(at).await,
                9 => self.delete(at).await,
                10 => self.write_two(at).await,
                11 => self.list().await,
                12 | 13 => self.count().await,
                14 | 15 => self.transact(at).await,
                16 => self.add().await,
                _ => self.look_back(at).await,
            }
            let pause_max = if self.reads_only { 150 } else { 30 };
            tokio::time::sleep(Duration::from_millis(1 + self.rng.below(pause_max))).await;
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    async fn read(&mut self, at: u64) {
        let called = self.now();
        match self.client.get_with(name(at), self.consistency).await {
            Ok(GetResult { entry, at: revision }) => {
                self.not_newer(revision, entry.as_ref());
                let seen = register(entry.as_ref());
                if let Some(entry) = entry {
                    self.seen.insert(at, (entry.modified, seen));
                }
                self.done(called, [(at, Action::Read(seen))]);
            }
            Err(_) => self.history.with(|recorded| recorded.refused += 1),
        }
    }

    /// Checks that no entry of a read is newer than the revision that the read reports:
    /// a client that watches from there would see its change twice.
    fn not_newer<'a>(&self, at: Revision, entries: impl IntoIterator<Item = &'a Entry>) {
        let newest = entries.into_iter().map(|entry| entry.modified).max();
        if newest > Some(at) {
            self.history.with(|recorded| recorded.mislabelled += 1);
        }
    }

    async fn list(&mut self) {
        let called = self.now();
        let page = self
            .client
            .range(
                KeyRange::prefix("k/"),
                PageOptions { consistency: self.consistency, ..PageOptions::default() },
            )
            .await;
        let Ok(page) = page else { return self.history.with(|recorded| recorded.refused += 1) };
        self.not_newer(page.at, page.entries.iter().map(|(_, entry)| entry));
        let seen = |at: u64| page.entries.iter().find(|(found, _)| *found == key(at)).map(|(_, entry)| entry);
        let actions: Vec<(u64, Action)> =
            (0..KEYS).map(|at| (at, Action::Read(register(seen(at))))).collect();
        self.done(called, actions);
    }

    async fn write(&mut self, at: u64) {
        let value = self.history.value();
        self.change(Batch::of(set(at, value)), &[(at, Some(value))], None).await;
    }

    async fn delete(&mut self, at: u64) {
        self.change(Batch::of(Change::Delete(key(at))), &[(at, None)], None).await;
    }

    async fn write_two(&mut self, at: u64) {
        let other = (at + 1) % KEYS;
        let (one, two) = (self.history.value(), self.history.value());
        let batch = Batch { conditions: Vec::new(), operations: vec![set(at, one), set(other, two)] };
        self.change(batch, &[(at, Some(one)), (other, Some(two))], None).await;
    }

    async fn swap(&mut self, at: u64) {
        let value = self.history.value();
        let (condition, from) = match self.seen.get(&at) {
            Some((revision, Some(from))) => (Condition::RevisionIs(key(at), *revision), Some(*from)),
            // A deleted key has no revision.
            Some((_, None)) | None => (Condition::Absent(key(at)), None),
        };
        let batch = Batch::of(set(at, value)).when(condition);
        self.change(batch, &[(at, Some(value))], Some(from)).await;
    }

    async fn change(&mut self, batch: Batch, to: &[(u64, Register)], from: Option<Register>) {
        let called = self.now();
        let action = |to: Register| from.map_or(Action::Write(to), |from| Action::Swap { from, to });
        match self.settle(batch).await {
            Ok(written) => {
                self.history.with(|recorded| {
                    recorded.written += 1;
                    for ((at, to), effect) in to.iter().zip(&written.effects) {
                        // To delete what is not there changes nothing.
                        if to.is_some() || effect.previous.is_some() {
                            recorded.changes.insert((written.revision.0, *at), *to);
                        }
                    }
                });
                for (at, to) in to {
                    self.seen.insert(*at, (written.revision, *to));
                }
                self.done(called, to.iter().map(|(at, to)| (*at, action(*to))));
            }
            Err(Error::ConditionFalse { .. }) => {
                let (at, from) = (to[0].0, from.expect("only a swap has a condition"));
                self.seen.remove(&at);
                self.done(called, [(at, Action::IsNot(from))]);
            }
            Err(error) if error.outcome() == OutcomeKind::NotApplied => {
                self.history.with(|recorded| recorded.refused += 1);
            }
            Err(_) => {
                self.history.with(|recorded| recorded.in_doubt += 1);
                for (at, to) in to {
                    self.history.add(*at, called, None, action(*to));
                }
            }
        }
    }

    /// Writes, and retries under the same request id while in doubt.
    async fn settle(&mut self, batch: Batch) -> Result<Written, Error> {
        let mut result = self.client.batch(batch.clone()).await;
        for _ in 0..TRIES {
            let Err(Error::Unknown { request: Some(request), .. }) = &result else { break };
            let request = *request;
            tokio::time::sleep(Duration::from_millis(50 + self.rng.below(300))).await;
            result = match self.client.write(request, batch.clone()).await {
                // A write in doubt stays in doubt until its own outcome is known.
                Err(error) if error.outcome() == OutcomeKind::NotApplied && !is_outcome(&error) => {
                    Err(Error::Unknown { reason: error.to_string(), request: Some(request) })
                }
                settled => settled,
            };
        }
        result
    }

    /// Writes to its own counter.
    async fn count(&mut self) {
        let key = counter(self.number);
        let value = Value::new(self.history.value().to_string()).expect("short");
        let number = self.number;
        // Counts as in doubt until settled, for concurrent observers.
        self.history.with(|recorded| recorded.counted(number).1 += 1);
        let result = self.settle(Batch::of(Change::Set(key, value))).await;
        self.trace.note("count", self.now());
        let known = |recorded: &mut Recorded, times: u64| {
            let (done, doubt) = recorded.counted(number);
            (*done, *doubt) = (*done + times, *doubt - 1);
        };
        self.history.with(|recorded| match result {
            Ok(_) => {
                recorded.written += 1;
                known(recorded, 1);
            }
            Err(error) if error.outcome() == OutcomeKind::NotApplied => {
                recorded.refused += 1;
                known(recorded, 0);
            }
            Err(_) => {}
        });
    }

    fn done(&self, called: u64, actions: impl IntoIterator<Item = (u64, Action)>) {
        let returned = self.now();
        self.trace.note("done", returned);
        self.history.with(|recorded| recorded.acknowledged += 1);
        for (at, action) in actions {
            self.history.add(at, called, Some(returned), action);
        }
    }
}

/// Whether the error is the outcome of the request itself.
fn is_outcome(error: &Error) -> bool {
    matches!(error, Error::ConditionFalse { .. })
}
