//! Transactions, sums and reads of the past, each with what it must have read.

use coffee_client::{Consistency, Entry, Error, OutcomeKind, Relation, StepResult, Txn, TxnResult, TxnStep};
use coffee_tests::sim::linearizable::{Action, Register};
use tokio::time::Duration;

use super::{KEYS, SHARED_COUNTER, TRIES, WorkloadClient, key, name, register, set};

fn entry(result: &StepResult) -> Option<Option<&Entry>> {
    match result {
        StepResult::Entry(entry) => Some(entry.as_ref()),
        _ => None,
    }
}

impl WorkloadClient {
    fn wrong(&self, what: String) {
        self.history.found_wrong(what);
    }

    /// Replaces a key if it is as it was last seen, and reads it before and after; else reads it.
    pub(super) async fn transact(&mut self, at: u64) {
        let (value, other) = (self.history.value(), (at + 1) % KEYS);
        let (txn, from) = match self.seen.get(&at) {
            Some((revision, Some(from))) => {
                (Txn::new().when_revision(name(at), Relation::Equal, *revision), Some(*from))
            }
            Some((_, None)) | None => (Txn::new().when_absent(name(at)), None),
        };
        let coffee_client::Operation::Set(_, text) = set(at, value) else { return };
        let txn = txn
            .then(TxnStep::get(name(at)))
            .then(TxnStep::get(name(other)))
            .then(TxnStep::set(name(at), text.as_bytes().clone()))
            .then(TxnStep::get(name(at)))
            .otherwise(TxnStep::get(name(at)));
        let called = self.now();
        match self.settle_txn(txn).await {
            Ok(done) if done.succeeded => self.transacted(called, (at, other), (from, value), &done),
            Ok(done) => {
                self.seen.remove(&at);
                match entry(&done.results[0]) {
                    Some(found) => self.done(called, [(at, Action::Read(register(found)))]),
                    None => self.done(called, [(at, Action::IsNot(from))]),
                }
            }
            Err(error) if error.outcome() == OutcomeKind::NotApplied => {
                self.history.with(|recorded| recorded.refused += 1);
            }
            Err(_) => {
                self.history.with(|recorded| recorded.in_doubt += 1);
                self.history.add(at, called, None, Action::Swap { from, to: Some(value) });
            }
        }
    }

    fn transacted(
        &mut self,
        called: u64,
        (at, other): (u64, u64),
        (from, value): (Register, u64),
        done: &TxnResult,
    ) {
        let [before, beside, StepResult::Changed(_), after] = &done.results[..] else {
            return self.wrong(format!("a transaction has other results: {done:?}"));
        };
        for (what, found, expected) in [("before", before, from), ("after", after, Some(value))] {
            if let Some(found) = entry(found).map(register)
                && found != expected
            {
                let at = done.revision;
                self.wrong(format!(
                    "a transaction has read {found:?} {what} its change at {at}, not {expected:?}"
                ));
            }
        }
        self.history.with(|recorded| {
            recorded.written += 1;
            recorded.changes.insert((done.revision.0, at), Some(value));
        });
        self.seen.insert(at, (done.revision, Some(value)));
        let beside = entry(beside).map(|found| (other, Action::Read(register(found))));
        let actions = [(at, Action::Swap { from, to: Some(value) })].into_iter().chain(beside);
        self.done(called, actions.collect::<Vec<_>>());
    }

    /// Adds to the counter of all clients.
    pub(super) async fn add(&mut self) {
        let called = self.now();
        self.history.with(|recorded| recorded.sums_in_doubt += 1);
        let result = self.settle_txn(Txn::new().then(TxnStep::add(SHARED_COUNTER, 1))).await;
        self.trace.note("add", called);
        match result.map(|done| done.results) {
            Ok(results) => match results[..] {
                [StepResult::Added(sum)] => self.history.with(|recorded| {
                    recorded.sums.push(sum);
                    recorded.written += 1;
                    recorded.sums_in_doubt -= 1;
                }),
                _ => self.wrong(format!("an addition has other results: {results:?}")),
            },
            Err(error) if error.outcome() == OutcomeKind::NotApplied => self.history.with(|recorded| {
                recorded.refused += 1;
                recorded.sums_in_doubt -= 1;
            }),
            Err(_) => {}
        }
    }

    /// Reads a key at the revision at which it was last seen, or written.
    pub(super) async fn look_back(&mut self, at: u64) {
        let Some((revision, known)) = self.seen.get(&at).copied() else { return };
        match self.client.get_at(name(at), revision, self.consistency).await {
            Ok(found) => {
                let found = register(found.entry.as_ref());
                if found != known {
                    let key = key(at);
                    self.wrong(format!("{key} was something else at {revision}: {found:?}, not {known:?}"));
                }
                self.trace.note("look back", self.now());
            }
            Err(Error::Invalid(why)) if self.consistency == Consistency::Linearizable => {
                self.wrong(format!("{revision} was acknowledged before it was reached: {why}"));
            }
            Err(_) => self.history.with(|recorded| recorded.refused += 1),
        }
    }

    /// Carries out a transaction, and retries it under the same request id while in doubt.
    async fn settle_txn(&mut self, txn: Txn) -> Result<TxnResult, Error> {
        let mut result = self.client.txn(txn.clone()).await;
        for _ in 0..TRIES {
            let Err(Error::Unknown { request: Some(request), .. }) = &result else { break };
            let request = *request;
            tokio::time::sleep(Duration::from_millis(50 + self.rng.below(300))).await;
            result = match self.client.txn_again(request, txn.clone()).await {
                Err(error) if error.outcome() == OutcomeKind::NotApplied => {
                    Err(Error::Unknown { reason: error.to_string(), request: Some(request) })
                }
                settled => settled,
            };
        }
        result
    }
}
