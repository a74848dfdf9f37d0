//! Raft's log and vote, durable in the file `log.wal`.
//!
//! New entries are read from memory, old ones from the file (`view`, `read`). All
//! changes go through one writer (`writer`), which appends them to the file
//! (`wal`, `records`). Guards that no entry is purged that the state machine
//! could still lose (see [`DurableIndex`]), and that a log with gaps or damaged
//! entries is never served.

mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
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

use coffee_common::{
    command::Command,
    feature_level::{FeatureLevel, LEVEL_MAX},
};
use openraft::{
    OptionalSend,
    storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage},
};
use tokio::sync::oneshot;

pub use self::{error::LogError, writer::DiskReady};
use self::{
    view::LogView,
    wal::{EntryLocations, LogFile},
    writer::{EncodedEntries, LogChange, Queue},
};
use super::{
    disk::LevelMark,
    durable_index::DurableIndex,
    poison::{FailureKind, Poison},
    record::{LogIdRecord, VoteRecord},
};
use crate::{
    metrics::LogMetrics,
    raft_types::{LogEntry, LogId, Payload, TypeConfig, Vote},
};

/// An append of more bytes gives way to other tasks of the thread in between.
const ENCODED_AT_ONCE: usize = 512 << 10;

/// Raft's log. Clones share it.
#[derive(Debug, Clone)]
pub struct LogStore {
    shared: Arc<SharedLog>,
    level_mark: LevelMark,
}

#[derive(Debug)]
struct SharedLog {
    /// The name of the file in messages.
    name: String,
    /// `None` once the log is closed.
    file: Mutex<Option<Arc<LogFile>>>,
    locations: Arc<Mutex<EntryLocations>>,
    view: Arc<Mutex<LogView>>,
    queue: Mutex<Option<Queue>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    poison: Poison,
    durable_index: DurableIndex,
}

impl LogStore {
    /// Notes with `mark` each feature level that an entry raises, before the entry is written.
    pub fn with_level_mark(self, level_mark: LevelMark) -> Self {
        Self { level_mark, ..self }
    }

    /// Waits until all queued changes are durable, then closes the log. The file
    /// may be opened again, even while clones of this exist.
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
        // The queue is gone, so the thread ends at once.
        let writer = thread.map_or(Ok(()), JoinHandle::join);
        let file = lock(&self.shared.file).take();
        let closed = file.map_or(Ok(()), |file| file.close());
        flushed?;
        writer.map_err(|_| io::Error::other("the log writer panicked"))?;
        closed
    }

    /// Waits until all queued changes are durable and the disk has answered one
    /// more sync. Hangs if the writer or the disk hangs.
    ///
    /// # Errors
    /// The storage has failed before, or fails now, or the log is closed.
    pub async fn probe(&self) -> io::Result<()> {
        let (done, answered) = oneshot::channel();
        self.push(LogChange::Probe(done))?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Reads the writer's metrics; `None` if the log is closed.
    pub fn metrics<T>(&self, read: impl FnOnce(&LogMetrics) -> T) -> Option<T> {
        let file = lock(&self.shared.file).clone()?;
        Some(read(&file.metrics))
    }

    /// The bytes of all entries.
    pub fn entry_bytes(&self) -> u64 {
        lock(&self.shared.locations).bytes()
    }

    /// The index of the last entry to purge so that the rest takes at most
    /// `keep_bytes`; `None` if all entries do.
    pub fn excess(&self, keep_bytes: u64) -> Option<u64> {
        lock(&self.shared.locations).excess(keep_bytes)
    }

    /// The last purged entry.
    pub fn purged(&self) -> Option<LogId> {
        self.view().purged
    }

    /// Checks that this can be the log of a node that has applied up to
    /// `applied`. The last entry may be an earlier one: entries are applied once
    /// a quorum has them, and a snapshot is ahead of the log. The vote may not.
    ///
    /// # Errors
    /// The log is an old copy, or has lost its vote.
    pub fn check_vote(&self, applied: Option<LogId>) -> Result<(), LogError> {
        let term = self.view().vote.map_or(0, |vote| vote.leader_id().term);
        match applied.filter(|applied| applied.leader_id.term > term) {
            None => Ok(()),
            Some(applied) => Err(LogError::Damaged {
                file: self.shared.name.clone(),
                what: format!("the vote is for term {term}, but entries up to {applied} are applied"),
            }),
        }
    }

    /// Discards the log where it does not lead to `applied`, the last applied
    /// entry: where it ends before that entry, or has another one in its place.
    /// Durable when this returns.
    ///
    /// A node that lost power after it had installed a snapshot and before it had
    /// purged its log has such a log. Its end may be of a *later* term than the
    /// snapshot, so openraft, which compares log ids at start, would keep it and
    /// append after a gap.
    ///
    /// # Errors
    /// The log failed.
    pub async fn fit_to(&mut self, applied: Option<LogId>) -> Result<(), LogError> {
        self.discard_before(applied).await.map_err(|error| LogError::fault(&self.shared.name, error))
    }

    async fn discard_before(&mut self, applied: Option<LogId>) -> io::Result<()> {
        let (purged, next) = {
            let view = self.view();
            (view.purged, view.next_index())
        };
        let Some(applied) = applied.filter(|applied| Some(applied.index) > purged.map(|id| id.index)) else {
            return Ok(());
        };
        if applied.index < next {
            let found = self.try_get_log_entries(applied.index..applied.index + 1).await?;
            if found.iter().any(|entry| entry.log_id == applied) {
                return Ok(());
            }
            self.truncate_after(purged).await?;
        }
        tracing::info!(%applied, "the log does not lead to the applied state, purging it");
        self.purge(applied).await?;
        self.probe().await
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

    /// Does not wait for the disk: the index is written with the next batch.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.shared.poison.check()?;
        self.view().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        // The index may have been written before the last entries that it covers: never claim
        // more than is there.
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
        let mut encoded = 0;
        for entry in entries {
            if encoded >= ENCODED_AT_ONCE {
                tokio::task::yield_now().await;
                encoded = 0;
            }
            let bytes = records::add_entry(&mut appended.bytes, &entry).map_err(io::Error::other)?;
            encoded += bytes;
            let raised = raised_level(&entry).filter(|level| appended.level < Some(*level));
            appended.level = raised.or(appended.level);
            appended.entries.push((LogIdRecord::from(&entry.log_id), bytes));
            taken.push(entry);
        }
        if let Some(level) = appended.level.filter(|level| *level > LEVEL_MAX) {
            let cause = format!(
                "the leader runs a newer version of coffeed (it raises the level to {level}; this build knows {LEVEL_MAX})"
            );
            return Err(self.shared.poison.set_as(FailureKind::Newer, cause));
        }
        let last = taken.last().map(|entry| entry.log_id);
        {
            let mut view = self.view();
            for entry in taken {
                let found = entry.log_id.index;
                view.push(entry).map_err(|expected| {
                    self.shared.poison.set(format!("entry {found} would leave a gap: {expected} is next"))
                })?;
            }
        }
        let level_mark = self.level_mark.clone();
        self.push(LogChange::Append { appended, level_mark, last, done })
    }

    /// Waits for the disk. The entries that follow may be applied before they are
    /// durable here, and a checkpoint of the state may then be ahead of the log:
    /// truncated entries must not reappear after it in a crash.
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

/// The feature level to which an entry raises the cluster.
fn raised_level(entry: &LogEntry) -> Option<FeatureLevel> {
    match &entry.payload {
        Payload::Normal(proposal) => match proposal.command {
            Command::RaiseLevel(level) => Some(level),
            _ => None,
        },
        Payload::Blank | Payload::Membership(_) => None,
    }
}

fn closed() -> io::Error {
    io::Error::other("the log is closed")
}

/// Only a bug could panic while one of these locks is held; then the poisoned
/// storage reports it, not the poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests;
