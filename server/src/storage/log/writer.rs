//! The one writer of the log: many changes, one write, one fsync.
//!
//! Vote, append, truncate and purge go through one queue and reach the disk in
//! its order. Raft's safety depends on that: a term must be durable before the
//! entries of that term. The next batch gathers while one is synced; there is no
//! timer.
//!
//! The most dangerous line of the project is here: a change is reported as
//! durable only after its write has returned from fsync. After the first failure
//! nothing is reported as durable.

use std::{
    io,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use coffee_common::feature_level::FeatureLevel;
use futures_util::future::BoxFuture;
use openraft::storage::IOFlushed;
use tokio::sync::oneshot;

use super::{LogError, lock, records::LogRecord, view::LogView, wal::Wal};
use crate::{
    raft_types::{LogId, TypeConfig},
    storage::{
        disk::LevelMark,
        poison::Poison,
        record::{LogIdRecord, VoteRecord},
    },
};

/// The size from which a batch takes no more changes, in bytes of entries.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// Entries in their encoded form.
#[derive(Debug, Default)]
pub(super) struct EncodedEntries {
    /// The id of each entry, and the bytes that it takes in `bytes`.
    pub(super) entries: Vec<(LogIdRecord, usize)>,
    pub(super) bytes: Vec<u8>,
    /// The highest feature level that an entry raises the cluster to, if one does.
    pub(super) level: Option<FeatureLevel>,
}

/// A change of the log.
pub(super) enum LogChange {
    /// Appends entries.
    Append {
        appended: EncodedEntries,
        /// Where the level of the entries is noted before they are written.
        level_mark: LevelMark,
        /// The last of these entries, if there are any.
        last: Option<LogId>,
        /// Called once they are durable.
        done: IOFlushed<TypeConfig>,
    },
    /// Saves a vote.
    Vote {
        vote: VoteRecord,
        /// Answered once it is durable.
        done: oneshot::Sender<io::Result<()>>,
    },
    /// Removes entries at the end.
    Truncate {
        /// The last entry to keep.
        keep: Option<LogIdRecord>,
        /// Answered once they are durably gone.
        done: oneshot::Sender<io::Result<()>>,
    },
    /// Purges the entries up to this one.
    Purge { upto: LogIdRecord },
    /// Changes nothing. Answered once the disk has synced it and all changes
    /// before it.
    Probe(oneshot::Sender<io::Result<()>>),
    /// The last change. Answered once all changes before it are durable.
    Close(oneshot::Sender<io::Result<()>>),
}

impl LogChange {
    fn bytes(&self) -> usize {
        match self {
            Self::Append { appended, .. } => appended.bytes.len(),
            _ => 0,
        }
    }
}

/// The queue of changes.
#[derive(Debug, Clone)]
pub(super) enum Queue {
    /// A thread writes them.
    Thread(mpsc::Sender<LogChange>),
    /// A task writes them, once the disk is ready: everything in one thread, for simulation.
    Task(tokio::sync::mpsc::UnboundedSender<LogChange>),
    /// The caller writes each one when it queues it.
    Inline(Arc<Mutex<LogWriter>>),
}

impl Queue {
    /// Queues a change. If the writer has stopped, the change's answer is dropped
    /// or is an error.
    pub(super) fn push(&self, change: LogChange) -> io::Result<()> {
        match self {
            Self::Thread(sender) => sender.send(change).map_err(|_| super::closed()),
            Self::Task(sender) => sender.send(change).map_err(|_| super::closed()),
            Self::Inline(writer) => {
                let mut writer = lock(writer);
                let committed = writer.committed();
                writer.write(vec![change], committed);
                Ok(())
            }
        }
    }
}

/// Waits until a simulated disk accepts a write.
pub type DiskReady = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Writes batches of changes.
pub(super) struct LogWriter {
    /// The name of the file in messages.
    name: String,
    wal: Wal,
    /// Told after each write what is on disk.
    view: Arc<Mutex<LogView>>,
    poison: Poison,
}

impl std::fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogWriter").finish_non_exhaustive()
    }
}

impl LogWriter {
    pub(super) fn new(name: String, wal: Wal, view: Arc<Mutex<LogView>>, poison: Poison) -> Self {
        Self { name, wal, view, poison }
    }

    /// Starts the writer thread. It ends when the last queue is dropped.
    pub(super) fn spawn(self) -> io::Result<(Queue, thread::JoinHandle<()>)> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name("coffeed-log".into()).spawn(move || self.run(&receiver))?;
        Ok((Queue::Thread(sender), thread))
    }

    /// Starts a task in place of the thread. It waits for `ready` before each batch.
    pub(super) fn spawn_task(mut self, ready: DiskReady) -> Queue {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(first) = receiver.recv().await {
                ready().await;
                self.write_batch(first, || receiver.try_recv().ok());
            }
        });
        Queue::Task(sender)
    }

    fn run(mut self, queue: &mpsc::Receiver<LogChange>) {
        while let Ok(first) = queue.recv() {
            self.write_batch(first, || queue.try_recv().ok());
        }
    }

    /// Writes a change together with those that are queued already.
    fn write_batch(&mut self, first: LogChange, mut next: impl FnMut() -> Option<LogChange>) {
        // Read before the batch is gathered: the entries that it covers are queued already.
        let committed = self.committed();
        let mut bytes = first.bytes();
        let mut batch = vec![first];
        while bytes < BATCH_BYTES_MAX
            && let Some(change) = next()
        {
            bytes += change.bytes();
            batch.push(change);
        }
        self.write(batch, committed);
    }

    /// The last committed entry, if the file does not have it yet. It is
    /// piggybacked on the next batch instead of waking the writer: losing it in a
    /// crash loses no entry.
    fn committed(&self) -> Option<LogIdRecord> {
        let committed = lock(&self.view).committed.as_ref().map(LogIdRecord::from);
        committed.filter(|committed| self.wal.summary().committed != Some(*committed))
    }

    /// Writes a batch, then answers each of its changes.
    fn write(&mut self, batch: Vec<LogChange>, committed: Option<LogIdRecord>) {
        let result = self.write_or_poison(&batch, committed);
        let metrics = &self.wal.file().metrics;
        metrics.batch_changes.observe(batch.len() as u64);
        metrics.batch_bytes.observe(batch.iter().map(LogChange::bytes).sum::<usize>() as u64);
        let result = if planted!("callback-too-early") { Ok(()) } else { result };
        for change in batch {
            self.answer(change, &result);
        }
    }

    fn answer(&self, change: LogChange, result: &io::Result<()>) {
        let result = match result {
            Ok(()) => Ok(()),
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        match change {
            LogChange::Append { last, done, .. } => {
                if let (Ok(()), Some(last)) = (&result, last) {
                    lock(&self.view).wrote(last);
                }
                done.io_completed(result);
            }
            LogChange::Vote { done, .. }
            | LogChange::Truncate { done, .. }
            | LogChange::Probe(done)
            | LogChange::Close(done) => {
                let _ = done.send(result);
            }
            LogChange::Purge { .. } => {}
        }
    }

    fn write_or_poison(&mut self, batch: &[LogChange], committed: Option<LogIdRecord>) -> io::Result<()> {
        self.poison.check()?;
        self.write_durably(batch, committed).map_err(|error| {
            let error = LogError::fault(&self.name, error);
            self.poison.set(format!("the log cannot be written: {error}; {}", error.hint()))
        })
    }

    /// One write, one fsync. Returns only once the disk has it.
    fn write_durably(&mut self, batch: &[LogChange], committed: Option<LogIdRecord>) -> io::Result<()> {
        for change in batch {
            match change {
                LogChange::Append { appended, level_mark, .. } => {
                    appended.level.map_or(Ok(()), |level| level_mark.raise(level))?;
                    self.wal.add_entries(&appended.entries, &appended.bytes)?
                }
                LogChange::Vote { .. } if planted!("vote-not-persisted") => {}
                LogChange::Vote { vote, .. } => self.wal.add(&LogRecord::Vote(*vote))?,
                LogChange::Truncate { keep, .. } => self.wal.add(&LogRecord::Truncate(*keep))?,
                LogChange::Purge { upto } => self.wal.add(&LogRecord::Purge(*upto))?,
                // A probe needs the sync below only.
                LogChange::Probe(_) => {}
                LogChange::Close(_) => self.wal.add(&LogRecord::Closed)?,
            }
        }
        if let Some(committed) = committed {
            self.wal.add(&LogRecord::Committed(committed))?;
        }
        self.wal.sync()
    }
}
