//! Opening the log: everything is read once and checked before any of it is served.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use redb::{Builder, Database, DatabaseError, Durability, StorageBackend};

use super::{
    LogError, LogStore, Shared,
    check::{Fault, check},
    rows,
    view::View,
    writer::{Queue, Writer},
};
use crate::storage::{checkpointed::Checkpointed, create, poison::Poison, soundness};

/// Pages of the log that redb keeps in memory, in bytes: the newest entries are kept apart.
const CACHE_BYTES: usize = 16 << 20;

impl LogStore {
    /// Opens the log in the file at `path`, which is made if it is not there.
    /// Reads all of it, and waits for the disk.
    pub fn open(path: &Path, checkpointed: Checkpointed, poison: Poison) -> Result<Self, LogError> {
        let name = path.display().to_string();
        let create = |builder: &Builder| create::open_or_create(path, builder);
        Self::start(name, create, checkpointed, poison, Writing::Thread)
    }

    /// Opens the log on a storage backend, and writes in whichever task
    /// appends, without a thread of its own: for simulation.
    pub fn open_inline(
        backend: impl StorageBackend,
        checkpointed: Checkpointed,
        poison: Poison,
    ) -> Result<Self, LogError> {
        Self::open_inline_with(|builder| builder.create_with_backend(backend), checkpointed, poison)
    }

    /// The same on whatever database `create` opens.
    pub fn open_inline_with(
        create: impl FnOnce(&Builder) -> Result<Database, DatabaseError>,
        checkpointed: Checkpointed,
        poison: Poison,
    ) -> Result<Self, LogError> {
        Self::start("log".to_owned(), create, checkpointed, poison, Writing::Inline)
    }

    /// As [`LogStore::open_inline`], with the thread.
    #[cfg(test)]
    pub(super) fn open_threaded(
        backend: impl StorageBackend,
        checkpointed: Checkpointed,
        poison: Poison,
    ) -> Result<Self, LogError> {
        let create = |builder: &Builder| builder.create_with_backend(backend);
        Self::start("log".to_owned(), create, checkpointed, poison, Writing::Thread)
    }

    fn start(
        name: String,
        create: impl FnOnce(&Builder) -> Result<Database, DatabaseError>,
        checkpointed: Checkpointed,
        poison: Poison,
        writing: Writing,
    ) -> Result<Self, LogError> {
        let (database, view) = load(&name, create)?;
        let (database, view) = (Arc::new(database), Arc::new(Mutex::new(view)));
        let writer = Writer::new(name.clone(), Arc::clone(&database), Arc::clone(&view), poison.clone());
        let (queue, thread) = match writing {
            Writing::Inline => (Queue::Inline(Arc::new(Mutex::new(writer))), None),
            Writing::Thread => {
                let (queue, thread) = writer.spawn().map_err(LogError::Thread)?;
                (queue, Some(thread))
            }
        };
        let shared = Shared {
            name,
            database: Mutex::new(Some(database)),
            view,
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(thread),
            poison,
            checkpointed,
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

/// Who writes.
enum Writing {
    Thread,
    Inline,
}

/// Opens the database and checks all of it.
///
/// redb walks through its pages first, as it has to after a crash: on ordinary
/// reads it does not verify them, and panics on some kinds of damage.
fn load(
    name: &str,
    create: impl FnOnce(&Builder) -> Result<Database, DatabaseError>,
) -> Result<(Database, View), LogError> {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder.set_repair_callback(|repair| tracing::debug!(progress = repair.progress(), "checking the log"));
    let open = || -> Result<_, Fault> {
        let database = create(&builder)?;
        create_tables(&database)?;
        let view = check(&database)?;
        Ok((database, view))
    };
    let fault = match soundness::reading_unverified(open) {
        Ok(Ok(opened)) => return Ok(opened),
        Ok(Err(fault)) => fault,
        Err(soundness::Unreadable) => Fault::Damage("it cannot be read".to_owned()),
    };
    Err(match fault {
        Fault::Damage(what) => LogError::Damaged { file: name.to_owned(), what },
        Fault::Database(error) => LogError::database(name, error),
    })
}

fn create_tables(database: &Database) -> Result<(), Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.open_table(rows::ENTRIES)?;
    transaction.open_table(rows::META)?;
    Ok(transaction.commit()?)
}
