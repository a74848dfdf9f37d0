//! Raft's log and vote, durable in the file `log.wal`.
//!
//! What Raft asks for is answered from memory where it is new and from the
//! file where it is old (`view`, `read`); what changes goes through the one
//! writer (`writer`), which appends it to the file (`wal`, `records`). Guards that nothing is purged which the state
//! machine could still lose (see [`DurableIndex`]), and that a log with holes
//! or damaged entries is never served.

mod error;
mod open;
mod read;
mod records;
mod view;
mod wal;
mod writer;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use openraft::{
    OptionalSend,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use tokio::sync::oneshot;

pub use self::error::LogError;
use self::{
    view::LogView,
    wal::{EntryLocations, LogFile},
    writer::{EncodedEntries, LogChange, Queue},
};
use super::{
    durable_index::DurableIndex,
    poison::Poison,
    record::{LogIdRecord, VoteRecord},
};
use crate::{
    metrics::LogMetrics,
    raft_types::{LogEntry, LogId, TypeConfig, Vote},
};

/// Raft's log. Clones share it.
#[derive(Debug, Clone)]
pub struct LogStore {
    shared: Arc<SharedLog>,
}

#[derive(Debug)]
struct SharedLog {
    /// Names the file in messages.
    name: String,
    /// `None` once it is closed.
    file: Mutex<Option<Arc<LogFile>>>,
    locations: Arc<Mutex<EntryLocations>>,
    view: Arc<Mutex<LogView>>,
    queue: Mutex<Option<Queue>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    poison: Poison,
    durable_index: DurableIndex,
}

impl LogStore {
    /// Waits until everything queued is on disk, then closes the log: its file
    /// may be opened again, even while clones of this are left.
    ///
    /// # Errors
    /// The storage has failed before, or fails now.
    pub async fn close(&self) -> io::Result<()> {
        let (done, flushed) = oneshot::channel();
        let flushed = match self.push(LogChange::Close(done)) {
            Ok(()) => flushed.await.unwrap_or_else(|_| Err(closed())),
            Err(error) => Err(error),
        };
        lock(&self.shared.queue).take();
        let thread = lock(&self.shared.thread).take();
        // Nothing is queued any more: it ends at once.
        let writer = thread.map_or(Ok(()), JoinHandle::join);
        let file = lock(&self.shared.file).take();
        let closed = file.map_or(Ok(()), |file| file.close());
        flushed?;
        writer.map_err(|_| io::Error::other("the log writer panicked"))?;
        closed
    }

    /// Waits until all that is queued is on disk, and the disk has answered to
    /// one sync more. Where the writer or the disk hangs, so does this.
    ///
    /// # Errors
    /// The storage has failed before, or fails now, or is closed.
    pub async fn probe(&self) -> io::Result<()> {
        let (done, answered) = oneshot::channel();
        self.push(LogChange::Probe(done))?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Has what its writer counts read, unless it is closed.
    pub fn metrics<T>(&self, read: impl FnOnce(&LogMetrics) -> T) -> Option<T> {
        let file = lock(&self.shared.file).clone()?;
        Some(read(&file.metrics))
    }

    /// The last entry that the log no longer holds.
    pub fn purged(&self) -> Option<LogId> {
        self.view().purged
    }

    /// Whether this may be the log of a node that has applied up to `applied`.
    /// Its last entry may be an earlier one: entries are applied once a quorum
    /// has them, and a snapshot goes before the log. Its vote may not.
    ///
    /// # Errors
    /// The log is an earlier one, or has lost what it held.
    pub fn check_vote(&self, applied: Option<LogId>) -> Result<(), LogError> {
        let term = self.view().vote.map_or(0, |vote| vote.leader_id().term);
        match applied.filter(|applied| applied.leader_id.term > term) {
            None => Ok(()),
            Some(applied) => Err(LogError::Damaged {
                file: self.shared.name.clone(),
                what: format!("the vote is for term {term}, but what is applied goes up to {applied}"),
            }),
        }
    }

    fn view(&self) -> MutexGuard<'_, LogView> {
        lock(&self.shared.view)
    }

    fn push(&self, change: LogChange) -> io::Result<()> {
        self.shared.poison.check()?;
        match &*lock(&self.shared.queue) {
            Some(queue) => queue.push(change),
            None => Err(closed()),
        }
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let view = self.view();
        Ok(LogState { last_purged_log_id: view.purged, last_log_id: view.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        self.push(LogChange::Vote { vote: VoteRecord::from(vote), done })?;
        written.await.unwrap_or_else(|_| Err(closed()))?;
        self.view().vote = Some(*vote);
        Ok(())
    }

    /// Does not wait for the disk: the note is written with what is written next.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.shared.poison.check()?;
        self.view().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        // The note may have been written before the last of the entries that
        // it speaks of: never claim more than is there.
        let view = self.view();
        Ok(view.committed.filter(|committed| Some(committed.index) <= view.last().map(|last| last.index)))
    }

    async fn append<I>(&mut self, entries: I, done: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut appended = EncodedEntries::default();
        let mut taken = Vec::new();
        for entry in entries {
            let bytes = records::add_entry(&mut appended.bytes, &entry).map_err(io::Error::other)?;
            appended.entries.push((LogIdRecord::from(&entry.log_id), bytes));
            taken.push(entry);
        }
        let last = taken.last().map(|entry| entry.log_id);
        {
            let mut view = self.view();
            for entry in taken {
                let found = entry.log_id.index;
                view.push(entry).map_err(|expected| {
                    self.shared.poison.set(format!("entry {found} would leave a hole: {expected} is next"))
                })?;
            }
        }
        self.push(LogChange::Append { appended, last, done })
    }

    /// Waits for the disk. What follows may be applied before it is durable
    /// here, and a checkpoint of the state may then be ahead of the log: entries
    /// that were given up must not turn up behind it after a crash.
    async fn truncate_after(&mut self, keep: Option<LogId>) -> io::Result<()> {
        self.view().truncate(keep);
        let (done, gone) = oneshot::channel();
        self.push(LogChange::Truncate { keep: keep.as_ref().map(LogIdRecord::from), done })?;
        gone.await.unwrap_or_else(|_| Err(closed()))
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        if !self.shared.durable_index.covers(upto.index) {
            let durable = self.shared.durable_index.last();
            return Err(self.shared.poison.set(format!(
                "refusing to purge the log up to {}: the state is durable up to {durable:?} only",
                upto.index
            )));
        }
        self.view().purge(upto);
        self.push(LogChange::Purge { upto: LogIdRecord::from(&upto) })
    }
}

fn closed() -> io::Error {
    io::Error::other("the log is closed")
}

/// Nothing panics while it holds one of these locks, short of a bug; then the
/// poisoned storage speaks, not the poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
