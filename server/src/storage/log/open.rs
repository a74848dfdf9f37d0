//! Opens the log: what the state still needs is read and checked before any of it
//! is served, older entries when they are read.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
};

use redb::StorageBackend;

use super::{
    LogError, LogStore, SharedLog,
    records::LogSummary,
    view::LogView,
    wal::{CHUNK_BYTES, RealFile, Wal},
    writer::{DiskReady, LogWriter, Queue},
};
use crate::storage::{
    disk::LevelMark, durable_index::DurableIndex, poison::Poison, unchanged_file::UnchangedFile,
};

impl LogStore {
    /// Opens the log in the file at `path`, which is created if it does not
    /// exist. Reads what comes after the durable index, and blocks on the disk.
    ///
    /// # Errors
    /// The file is damaged, in use, or cannot be read or written.
    pub fn open(path: &Path, durable_index: DurableIndex, poison: Poison) -> Result<Self, LogError> {
        let name = path.display().to_string();
        let fill = |aside| Wal::create(Box::new(aside), CHUNK_BYTES);
        let file = RealFile::open_or_create(path, fill).map_err(|error| LogError::fault(&name, error))?;
        Self::start(name, Box::new(file), durable_index, poison, Writing::Thread)
    }

    /// Opens the log in the file at `path` as it is: changes stay in memory.
    ///
    /// # Errors
    /// The file is missing, damaged, in use, or cannot be read.
    pub fn open_unchanged(
        path: &Path,
        durable_index: DurableIndex,
        poison: Poison,
    ) -> Result<Self, LogError> {
        let name = path.display().to_string();
        let file = UnchangedFile::open(path).map_err(|error| LogError::fault(&name, error))?;
        Self::start(name, Box::new(file), durable_index, poison, Writing::Inline)
    }

    /// Creates an empty log on a storage backend, durably. Each entry must fit
    /// into a chunk of `chunk_bytes`.
    ///
    /// # Errors
    /// The backend failed.
    pub fn create_on(backend: impl StorageBackend, chunk_bytes: u32) -> io::Result<()> {
        Wal::create(Box::new(backend), chunk_bytes)
    }

    /// Opens the log on a storage backend. Changes are written inline by the task
    /// that appends, without a thread: for simulation.
    ///
    /// # Errors
    /// The log is damaged, or the backend failed.
    pub fn open_inline(
        backend: Box<dyn StorageBackend>,
        durable_index: DurableIndex,
        poison: Poison,
    ) -> Result<Self, LogError> {
        Self::start("log".to_owned(), backend, durable_index, poison, Writing::Inline)
    }

    /// As [`LogStore::open_inline`], with a task that writes once `ready` has returned. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// As [`LogStore::open_inline`].
    pub fn open_in_task(
        backend: Box<dyn StorageBackend>,
        durable_index: DurableIndex,
        poison: Poison,
        ready: DiskReady,
    ) -> Result<Self, LogError> {
        Self::start("log".to_owned(), backend, durable_index, poison, Writing::Task(ready))
    }

    /// As [`LogStore::open_inline`], with the writer thread.
    #[cfg(test)]
    pub(crate) fn open_threaded(
        backend: Box<dyn StorageBackend>,
        durable_index: DurableIndex,
        poison: Poison,
    ) -> Result<Self, LogError> {
        Self::start("log".to_owned(), backend, durable_index, poison, Writing::Thread)
    }

    fn start(
        name: String,
        backend: Box<dyn StorageBackend>,
        durable_index: DurableIndex,
        poison: Poison,
        writing: Writing,
    ) -> Result<Self, LogError> {
        let wal = Wal::open(backend, durable_index.last()).map_err(|fault| LogError::fault(&name, fault))?;
        let (file, locations) = (Arc::clone(wal.file()), Arc::clone(wal.locations()));
        let view = Arc::new(Mutex::new(view(wal.summary())));
        let writer = LogWriter::new(name.clone(), wal, Arc::clone(&view), poison.clone());
        let (queue, thread) = match writing {
            Writing::Inline => (Queue::Inline(Arc::new(Mutex::new(writer))), None),
            Writing::Task(ready) => (writer.spawn_task(ready), None),
            Writing::Thread => {
                let (queue, thread) = writer.spawn().map_err(LogError::Thread)?;
                (queue, Some(thread))
            }
        };
        let shared = SharedLog {
            name,
            file: Mutex::new(Some(file)),
            locations,
            view,
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(thread),
            poison,
            durable_index,
        };
        Ok(Self { shared: Arc::new(shared), level_mark: LevelMark::default() })
    }
}

/// Where changes are written.
enum Writing {
    Task(DiskReady),
    Thread,
    Inline,
}

fn view(summary: &LogSummary) -> LogView {
    let LogSummary { vote, committed, purged, last, truncated_from: _ } = summary.clone();
    LogView::opened(
        vote.map(Into::into),
        committed.map(Into::into),
        purged.map(Into::into),
        last.map(Into::into),
    )
}
