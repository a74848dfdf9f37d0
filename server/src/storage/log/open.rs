//! Opening the log: everything is read once and checked before any of it is served.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use redb::{Database, Durability, ReadableDatabase, ReadableTable, StorageBackend};
use serde::de::DeserializeOwned;

use super::{
    LogStore, Shared, lock, rows,
    view::View,
    writer::{Queue, Writer},
};
use crate::{
    storage::{
        checkpointed::Checkpointed,
        poison::Poison,
        record::{LogIdRecord, VoteRecord},
    },
    types::LogId,
};

/// Pages of the log that redb keeps in memory, in bytes: the newest entries are kept apart.
const CACHE_BYTES: usize = 16 << 20;

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database cannot be opened or read.
    #[error("{file}: {source}")]
    Database {
        /// Which file.
        file: String,
        /// Why.
        source: Box<redb::Error>,
    },
    /// What is in it is not what was written.
    #[error(
        "{file} is damaged: {what}; remove this node from the cluster and let it join again with an empty \
         data directory"
    )]
    Damaged {
        /// Which file.
        file: String,
        /// What does not fit.
        what: String,
    },
    /// The thread that writes cannot be started.
    #[error("the log writer cannot be started: {0}")]
    Thread(#[source] std::io::Error),
}

impl LogError {
    /// The entry at `index` is damaged.
    pub(super) fn damaged(file: &str, index: u64, what: &dyn std::fmt::Display) -> Self {
        Self::Damaged { file: file.to_owned(), what: format!("log entry {index}: {what}") }
    }
}

impl LogStore {
    /// Opens the log in the file at `path`, which is made if it is not there.
    pub fn open(path: &Path, checkpointed: Checkpointed, poison: Poison) -> Result<Self, LogError> {
        let name = path.display().to_string();
        match Database::builder().set_cache_size(CACHE_BYTES).create(path) {
            Ok(database) => Self::start(name, database, checkpointed, poison, false),
            Err(error) => Err(LogError::Database { file: name, source: Box::new(error.into()) }),
        }
    }

    /// Opens the log on a storage backend, and writes in whichever task
    /// appends, without a thread of its own: for simulation.
    pub fn open_inline(
        backend: impl StorageBackend,
        checkpointed: Checkpointed,
        poison: Poison,
    ) -> Result<Self, LogError> {
        let name = "log".to_owned();
        match Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend) {
            Ok(database) => Self::start(name, database, checkpointed, poison, true),
            Err(error) => Err(LogError::Database { file: name, source: Box::new(error.into()) }),
        }
    }

    /// As [`LogStore::open_inline`], with the thread.
    #[cfg(test)]
    pub(super) fn open_threaded(
        backend: impl StorageBackend,
        checkpointed: Checkpointed,
        poison: Poison,
    ) -> Result<Self, LogError> {
        let database = Database::builder().create_with_backend(backend).expect("a fresh backend");
        Self::start("log".to_owned(), database, checkpointed, poison, false)
    }

    fn start(
        name: String,
        database: Database,
        checkpointed: Checkpointed,
        poison: Poison,
        inline: bool,
    ) -> Result<Self, LogError> {
        let view = Arc::new(Mutex::new(load(&name, &database)?));
        let database = Arc::new(database);
        let on_written = {
            let view = Arc::clone(&view);
            Box::new(move |last| lock(&view).wrote(last))
        };
        let writer = Writer::new(Arc::clone(&database), poison.clone(), on_written);
        let (queue, thread) = if inline {
            (Queue::Inline(Arc::new(Mutex::new(writer))), None)
        } else {
            let (queue, thread) = writer.spawn().map_err(LogError::Thread)?;
            (queue, Some(thread))
        };
        let shared = Shared {
            name,
            database,
            view,
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(thread),
            poison,
            checkpointed,
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

fn load(name: &str, database: &Database) -> Result<View, LogError> {
    create_tables(database)
        .map_err(|error| LogError::Database { file: name.to_owned(), source: error.into() })?;
    let read = || -> Result<Result<View, String>, redb::Error> {
        let transaction = database.begin_read()?;
        let meta = transaction.open_table(rows::META)?;
        let entries = transaction.open_table(rows::ENTRIES)?;
        check(&meta, &entries)
    };
    match read() {
        Ok(Ok(view)) => Ok(view),
        Ok(Err(what)) => Err(LogError::Damaged { file: name.to_owned(), what }),
        Err(error) => Err(LogError::Database { file: name.to_owned(), source: error.into() }),
    }
}

fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.open_table(rows::ENTRIES)?;
    transaction.open_table(rows::META)?;
    Ok(transaction.commit()?)
}

/// Reads all of it: each entry whole, in its place, and none missing.
fn check(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    entries: &impl ReadableTable<u64, &'static [u8]>,
) -> Result<Result<View, String>, redb::Error> {
    let vote = read_meta::<VoteRecord>(meta, rows::VOTE)?;
    let committed = read_meta::<LogIdRecord>(meta, rows::COMMITTED)?;
    let purged = read_meta::<LogIdRecord>(meta, rows::PURGED)?;
    let (vote, committed, purged) = match (vote, committed, purged) {
        (Ok(vote), Ok(committed), Ok(purged)) => (vote, committed, purged.map(LogId::from)),
        (Err(what), ..) | (_, Err(what), _) | (.., Err(what)) => return Ok(Err(what)),
    };
    let (mut first, mut last) = (None, None);
    // Behind a snapshot that was installed into an empty log, the first entry says where it starts.
    let mut expected = purged.map(|purged| purged.index + 1);
    for row in entries.iter()? {
        let (index, row) = row?;
        let index = index.value();
        if expected.is_some_and(|expected| expected != index) {
            return Ok(Err(format!("log entry {} is missing", expected.unwrap_or_default())));
        }
        match rows::open_entry(index, row.value()) {
            Ok(entry) => last = Some(entry.log_id),
            Err(error) => return Ok(Err(format!("log entry {index}: {error}"))),
        }
        first = first.or(Some(index));
        expected = Some(index + 1);
    }
    let mut view = View::opened(vote.map(Into::into), committed.map(Into::into), purged, last);
    view.first = first.unwrap_or_default();
    Ok(Ok(view))
}

fn read_meta<T: DeserializeOwned>(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &'static str,
) -> Result<Result<Option<T>, String>, redb::Error> {
    let Some(row) = meta.get(name)? else { return Ok(Ok(None)) };
    match rows::open_meta(name, row.value()) {
        Ok(value) => Ok(Ok(Some(value))),
        Err(error) => Ok(Err(format!("the {name}: {error}"))),
    }
}
