//! Compares the log with a model, with a power cut at any step of the disk.
//!
//! Wherever the disk stops, the log found afterwards is the result of some prefix
//! of the changes, and that prefix includes all acknowledged ones. This is what
//! I/O ordering is about: no entry without the vote before it, and no truncation
//! out of order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum LogStep {
    Vote,
    Append(u64),
    Truncate(u64),
    Purge(u64),
    Commit,
}

/// The content of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct LogModel {
    term: u64,
    purged: Option<LogId>,
    entries: Vec<LogId>,
}

impl LogModel {
    fn last(&self) -> Option<LogId> {
        self.entries.last().copied().or(self.purged)
    }

    fn next_index(&self) -> u64 {
        self.last().map_or(0, |last| last.index + 1)
    }

    /// The entry that is `back` entries before the last one, if it is not purged.
    fn back(&self, back: u64) -> Option<LogId> {
        self.entries.len().checked_sub(back as usize + 1).map(|at| self.entries[at])
    }
}

/// The log, and its expected content after each change that was started.
struct LogRun {
    log: LogStore,
    now: LogModel,
    history: Vec<LogModel>,
    /// The prefix of the history that is acknowledged once this is answered.
    waiting: Vec<(usize, oneshot::Receiver<Result<(), io::Error>>)>,
    acknowledged: usize,
}

impl LogRun {
    fn new(log: LogStore) -> Self {
        let now = LogModel::default();
        Self { log, history: vec![now.clone()], now, waiting: Vec::new(), acknowledged: 0 }
    }

    /// Runs a step; returns `false` once the disk has failed.
    async fn step(&mut self, step: LogStep) -> bool {
        let started = self.history.len();
        let result = match step {
            LogStep::Vote => {
                self.now.term += 1;
                self.history.push(self.now.clone());
                self.log.save_vote(&vote(self.now.term)).await
            }
            LogStep::Append(count) => {
                let next = self.now.next_index();
                let entries = entries(self.now.term, next..next + count);
                // A power cut may leave the first of these entries.
                for entry in &entries {
                    self.now.entries.push(entry.log_id);
                    self.history.push(self.now.clone());
                }
                let started = self.history.len() - 1;
                let (done, flushed) = TypeConfig::oneshot();
                self.waiting.push((started, flushed));
                return self.log.append(entries, IOFlushed::signal(done)).await.is_ok();
            }
            LogStep::Truncate(count) => {
                let keep = self.now.back(count).or(self.now.purged);
                self.now.entries.retain(|entry| Some(entry.index) <= keep.map(|keep| keep.index));
                self.history.push(self.now.clone());
                self.log.truncate_after(keep).await
            }
            LogStep::Purge(left) => {
                let Some(upto) = self.now.back(left) else { return true };
                self.now.purged = Some(upto);
                self.now.entries.retain(|entry| entry.index > upto.index);
                self.history.push(self.now.clone());
                // A purge is not acknowledged.
                return self.log.purge(upto).await.is_ok();
            }
            LogStep::Commit => return self.log.save_committed(self.now.last()).await.is_ok(),
        };
        if result.is_ok() {
            self.acknowledged = started;
        }
        result.is_ok()
    }

    /// The contents that are possible after a power cut.
    async fn end(mut self) -> Vec<LogModel> {
        for (started, flushed) in self.waiting {
            if matches!(flushed.await, Ok(Ok(()))) {
                self.acknowledged = self.acknowledged.max(started);
            }
        }
        self.history.split_off(self.acknowledged)
    }
}

async fn found(log: &mut LogStore) -> LogModel {
    let state = log.get_log_state().await.expect("whole");
    let entries = ids(log).await;
    assert_eq!(entries.last().copied().or(state.last_purged_log_id), state.last_log_id);
    let committed = log.read_committed().await.expect("whole");
    assert!(committed.map(|committed| committed.index) <= state.last_log_id.map(|last| last.index));
    let term = log.read_vote().await.expect("whole").map_or(0, |vote| vote.leader_id().term);
    LogModel { term, purged: state.last_purged_log_id, entries }
}

fn any_step() -> impl Strategy<Value = LogStep> {
    prop_oneof![
        1 => Just(LogStep::Vote),
        5 => (1u64..20).prop_map(LogStep::Append),
        1 => (0u64..15).prop_map(LogStep::Truncate),
        1 => (0u64..30).prop_map(LogStep::Purge),
        1 => Just(LogStep::Commit),
    ]
}

fn open_as(disk: &LogDisk, inline: bool, durable_index: DurableIndex) -> LogStore {
    let poison = Poison::new();
    if disk.is_empty() {
        // Small, so the log often continues in another chunk.
        LogStore::create_on(disk.clone(), 4 << 10).expect("made");
    }
    let file = Box::new(disk.clone());
    if inline {
        LogStore::open_inline(file, durable_index, poison).expect("opens")
    } else {
        LogStore::open_threaded(file, durable_index, poison).expect("opens")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_power_cut_leaves_what_was_acknowledged_and_nothing_out_of_order(
        steps in prop::collection::vec(any_step(), 1..40),
        fails_after in 0u64..300,
        applied in 0u64..300,
        inline: bool,
        seed: u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let disk = LogDisk::default();
            let mut run = LogRun::new(open_as(&disk, inline, durable_state()));
            disk.fail_after(Some(fails_after));
            for step in steps {
                if !run.step(step).await {
                    break;
                }
            }
            let possible = run.end().await;
            for cut in [LogPowerCut::LosesAll, LogPowerCut::LosesSome(seed | 1)] {
                let durable_index = DurableIndex::new();
                durable_index.advance_to(applied);
                let mut log = open_as(&disk.power_cut(cut), inline, durable_index);
                let found = found(&mut log).await;
                assert!(possible.contains(&found), "{cut:?} left {found:?}, expected one of {possible:?}");
                log.save_vote(&vote(100)).await.expect("continues");
                append(&mut log, entries(100, found.next_index()..found.next_index() + 1)).await;
            }
        });
    }
}
