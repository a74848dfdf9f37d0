//! Raft's log and vote, durable in `log.redb`.
//!
//! What Raft asks for is answered from memory where it is new and from the
//! database where it is old (`view`); what changes goes through the one writer
//! (`writer`). Guards that nothing is purged which the state
//! machine could still lose (see [`Checkpointed`]), and that a log with holes
//! or damaged entries is never served.

mod open;
mod rows;
mod view;
mod writer;

use std::{
    fmt::Debug,
    io,
    ops::{Bound, Range, RangeBounds},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use coffee_common::limits::APPEND_BYTES_MAX;
use openraft::{
    OptionalSend,
    storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage},
};
use redb::{Database, ReadableDatabase};
use tokio::sync::oneshot;

pub use self::open::LogError;
use self::{
    view::View,
    writer::{Change, Queue},
};
use super::{
    checkpointed::Checkpointed,
    poison::Poison,
    record::{LogIdRecord, VoteRecord},
};
use crate::types::{LogEntry, LogId, TypeConfig, Vote};

/// Raft's log. Clones share it.
#[derive(Debug, Clone)]
pub struct LogStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Names the file in messages.
    name: String,
    database: Arc<Database>,
    view: Arc<Mutex<View>>,
    queue: Mutex<Option<Queue>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    poison: Poison,
    checkpointed: Checkpointed,
}

impl LogStore {
    /// Waits until everything queued is on disk, then closes the log.
    ///
    /// # Errors
    /// The storage has failed before, or fails now.
    pub async fn close(&self) -> io::Result<()> {
        let (done, flushed) = oneshot::channel();
        let result = match self.push(Change::Flush(done)) {
            Ok(()) => flushed.await.unwrap_or_else(|_| Err(closed())),
            Err(error) => Err(error),
        };
        lock(&self.shared.queue).take();
        let thread = lock(&self.shared.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            return Err(io::Error::other("the log writer panicked"));
        }
        result
    }

    fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.shared.view)
    }

    fn push(&self, change: Change) -> io::Result<()> {
        self.shared.poison.check()?;
        match &*lock(&self.shared.queue) {
            Some(queue) => queue.push(change),
            None => Err(closed()),
        }
    }

    /// Entries of `range` in order, stopping behind `bytes_max`, the first one excepted.
    fn read(&self, range: Range<u64>, bytes_max: usize) -> io::Result<Vec<LogEntry>> {
        self.shared.poison.check()?;
        let (stored, tail) = self.view().read(range, bytes_max);
        if stored.is_empty() {
            return Ok(tail);
        }
        let wanted = (stored.end - stored.start) as usize;
        let (mut entries, left) = self.read_stored(stored, bytes_max)?;
        if entries.len() == wanted && left > 0 {
            let mut left = left;
            entries.extend(tail.into_iter().take_while(|entry| {
                let fits = view::bytes(entry) <= left;
                left = left.saturating_sub(view::bytes(entry));
                fits
            }));
        }
        Ok(entries)
    }

    fn read_stored(&self, range: Range<u64>, bytes_max: usize) -> io::Result<(Vec<LogEntry>, usize)> {
        let damaged = |index: u64, what: &dyn std::fmt::Display| {
            self.shared.poison.set(LogError::damaged(&self.shared.name, index, what))
        };
        let mut left = bytes_max;
        let mut entries = Vec::new();
        let transaction = self.shared.database.begin_read().map_err(io::Error::other)?;
        let table = transaction.open_table(rows::ENTRIES).map_err(io::Error::other)?;
        let rows = table.range(range.clone()).map_err(io::Error::other)?;
        for (expected, row) in range.zip(rows) {
            let (index, row) = row.map_err(io::Error::other)?;
            let entry = match rows::open_entry(index.value(), row.value()) {
                Ok(entry) if index.value() == expected => entry,
                Ok(_) => return Err(damaged(expected, &"it is missing")),
                Err(error) => return Err(damaged(index.value(), &error)),
            };
            if !entries.is_empty() && view::bytes(&entry) > left {
                return Ok((entries, 0));
            }
            left = left.saturating_sub(view::bytes(&entry));
            entries.push(entry);
        }
        Ok((entries, left))
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<LogEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.read(to_range(&range), usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<LogEntry>> {
        self.read(start..end, APPEND_BYTES_MAX)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.view().vote)
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
        let row = rows::seal_meta(rows::VOTE, &VoteRecord::from(vote)).map_err(io::Error::other)?;
        let (done, written) = oneshot::channel();
        self.push(Change::Vote { row, done })?;
        written.await.unwrap_or_else(|_| Err(closed()))?;
        self.view().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(committed) = committed else { return Ok(()) };
        let row =
            rows::seal_meta(rows::COMMITTED, &LogIdRecord::from(&committed)).map_err(io::Error::other)?;
        self.view().committed = Some(committed);
        self.push(Change::Committed(row))
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        // A note that rode along with a batch may be ahead of a log that lost
        // its unsynced end: never claim more than is there.
        let view = self.view();
        Ok(view.committed.filter(|committed| Some(committed.index) <= view.last().map(|last| last.index)))
    }

    async fn append<I>(&mut self, entries: I, done: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut sealed = Vec::new();
        let mut taken = Vec::new();
        for entry in entries {
            sealed.push((entry.log_id.index, rows::seal_entry(&entry).map_err(io::Error::other)?));
            taken.push(entry);
        }
        let Some(last) = taken.last().map(|entry| entry.log_id) else {
            done.io_completed(Ok(()));
            return Ok(());
        };
        {
            let mut view = self.view();
            for entry in taken {
                let found = entry.log_id.index;
                view.push(entry).map_err(|expected| {
                    self.shared.poison.set(format!("entry {found} would leave a hole: {expected} is next"))
                })?;
            }
        }
        self.push(Change::Append { rows: sealed, last, done })
    }

    /// Waits for the disk. What follows may be applied before it is durable
    /// here, and a checkpoint of the state may then be ahead of the log: entries
    /// that were given up must not turn up behind it after a crash.
    async fn truncate_after(&mut self, keep: Option<LogId>) -> io::Result<()> {
        let from = keep.map_or(0, |keep| keep.index + 1);
        self.view().truncate(keep);
        let (done, gone) = oneshot::channel();
        self.push(Change::Truncate { from, done })?;
        gone.await.unwrap_or_else(|_| Err(closed()))
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        if !self.shared.checkpointed.covers(upto.index) {
            let durable = self.shared.checkpointed.last();
            return Err(self.shared.poison.set(format!(
                "refusing to purge the log up to {}: the state is durable up to {durable:?} only",
                upto.index
            )));
        }
        let row = rows::seal_meta(rows::PURGED, &LogIdRecord::from(&upto)).map_err(io::Error::other)?;
        self.view().purge(upto);
        self.push(Change::Purge { upto: upto.index, row })
    }
}

fn to_range(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(&index) => index,
        Bound::Excluded(&index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&index) => index.saturating_add(1),
        Bound::Excluded(&index) => index,
        Bound::Unbounded => u64::MAX,
    };
    start..end
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
