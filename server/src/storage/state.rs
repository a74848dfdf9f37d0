//! The state database: its file, its options, and what becomes of its errors.
//!
//! Knows neither how commands are applied nor how snapshots travel. Guards that
//! a database that failed, or that was found damaged, is not used further: its
//! first error poisons the storage. And that what lies in front of the database
//! (see [`Store`]) goes where the database goes.

mod files;
mod offload;

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use coffee_common::id::NodeId;
use redb::{Builder, ReadableDatabase};

pub use self::{
    files::{Databases, StateDir, StateFiles},
    offload::Offload,
};
use crate::{
    kv::{DbSnapshot, KvError, MemTable, MetaKey, Store, Tables},
    raft_types::{LogId, SnapshotMeta, StoredMembership},
    storage::{
        corruption,
        poison::Poison,
        record::{self, LogIdRecord, RecordError, StoredMembershipRecord},
    },
};

/// How the state database is run.
#[derive(Debug, Clone)]
pub struct StateOptions {
    /// Most bytes of pages that are kept in memory.
    pub cache_bytes: usize,
    /// Verifies every page when the database is opened: reads the whole file.
    pub check_integrity: bool,
    /// Where work is done that waits for the disk.
    pub offload: Offload,
    /// Once what was applied takes so many bytes of memory, it is written into
    /// the database. Applying waits for that when it takes twice as many.
    pub flush_bytes: usize,
    /// Whose state it is: the nodes of a cluster write in turns.
    pub own: Option<NodeId>,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 16 << 20,
            check_integrity: true,
            offload: Offload::default(),
            flush_bytes: 16 << 20,
            own: None,
        }
    }
}

impl StateOptions {
    pub(super) fn builder(&self) -> Builder {
        let mut builder = Builder::new();
        builder.set_cache_size(self.cache_bytes).set_check_integrity_on_open(self.check_integrity);
        builder
    }
}

/// The state database cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the state database {name}: {source}")]
pub struct StateError {
    name: Arc<str>,
    source: StateErrorKind,
}

/// Why the state database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateErrorKind {
    /// The database failed, or a row is damaged.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// What it says of the last applied entry or of the membership cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What is in the file is no database.
    #[error("it cannot be read")]
    Unreadable,
    /// It is an earlier one, or has lost what it held.
    #[error("it is damaged: {applied} is applied, but the log goes on only behind {purged}")]
    LogStartsLater {
        /// What is applied, in words.
        applied: String,
        /// The last entry that the log no longer holds.
        purged: String,
    },
    /// It is not what the others have.
    #[error("it is damaged: behind entry {at} it differs from what most of the others have")]
    Differs {
        /// The index of an entry behind which it does.
        at: u64,
    },
    /// The file system failed.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The consensus library asks for something that must not be.
    #[error("{0}")]
    OutOfOrder(String),
    /// A change of it panicked half way.
    #[error("applying broke off")]
    BrokenOff,
}

impl StateErrorKind {
    fn is_damage(&self) -> bool {
        match self {
            Self::Kv(KvError::Database(error)) => corruption::damage(error).is_some(),
            Self::Kv(KvError::Damaged { .. })
            | Self::Record(_)
            | Self::LogStartsLater { .. }
            | Self::Differs { .. }
            | Self::Unreadable => true,
            _ => false,
        }
    }
}

impl StateError {
    pub(super) fn new(name: &Arc<str>, source: impl Into<StateErrorKind>) -> Self {
        Self { name: name.clone(), source: source.into() }
    }

    /// Whether the file is not what was written: starting again is of no use.
    pub fn is_damage(&self) -> bool {
        self.source.is_damage()
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self.is_damage() {
            true => corruption::REBUILD,
            false => "check the disk and the permissions of the data directory, then start again",
        }
    }
}

impl From<StateError> for std::io::Error {
    fn from(error: StateError) -> Self {
        Self::other(error)
    }
}

/// An open state database, and what was applied since it was last written.
pub(super) struct Database {
    // Fields are dropped in this order: the transaction in it before the database.
    store: RwLock<Store>,
    redb: redb::Database,
    name: Arc<str>,
    poison: Poison,
}

impl Database {
    pub(super) fn new(redb: redb::Database, name: Arc<str>, poison: Poison) -> Result<Self, KvError> {
        let store = RwLock::new(Store::over(read_base(&redb)?));
        Ok(Self { store, redb, name, poison })
    }

    pub(super) fn redb(&self) -> &redb::Database {
        &self.redb
    }

    /// The state as it is now. It does not change as long as this is held: to
    /// be held for a read, never while anything is waited for.
    pub(super) fn store(&self) -> Result<RwLockReadGuard<'_, Store>, StateError> {
        self.store.read().map_err(|_| self.fail(StateErrorKind::BrokenOff))
    }

    /// The state, to be changed. Readers wait.
    pub(super) fn layers_mut(&self) -> Result<RwLockWriteGuard<'_, Store>, StateError> {
        self.store.write().map_err(|_| self.fail(StateErrorKind::BrokenOff))
    }

    /// Notes that what is applied by now is to be folded.
    pub(super) fn seal(&self) -> Result<(), StateError> {
        self.store_mut()?.seal();
        Ok(())
    }

    /// Writes what is frozen into the database, durably; applying and reading
    /// go on meanwhile. Waits for the disk. Not to be called by two at once.
    /// Afterwards the store' base is what is durable.
    pub(super) fn flush(&self) -> Result<(), StateError> {
        let Some(memtable) = self.store()?.sealed() else { return Ok(()) };
        let base = write(&self.redb, &memtable).map_err(|error| self.fail(error))?;
        // In this order: what is dropped is dropped after the lock is given back.
        let of_no_use = self.store_mut()?.install_flushed(base);
        drop((of_no_use, memtable));
        release(&self.redb).map_err(|error| self.fail(error))
    }

    /// Poisons the storage with an error, and says whose error it is.
    pub(super) fn fail(&self, source: impl Into<StateErrorKind>) -> StateError {
        let error = StateError::new(&self.name, source);
        match error.is_damage() {
            true => self.poison.set(format!("{error}; {}", error.hint())),
            false => self.poison.set(&error),
        };
        error
    }
}

/// Folds in one transaction, so that the database stands at one entry.
fn write(redb: &redb::Database, memtable: &MemTable) -> Result<DbSnapshot, KvError> {
    let mut txn = redb.begin_write()?;
    // Two fsyncs instead of one, but a crash costs no walk through all pages at the next start.
    txn.set_quick_repair(true);
    memtable.flush(&txn)?;
    txn.commit()?;
    read_base(redb)
}

/// Lets the next fold use the pages that this one has replaced: a commit frees
/// what nobody reads when it begins. Else the file would be a third larger.
fn release(redb: &redb::Database) -> Result<(), KvError> {
    let mut txn = redb.begin_write()?;
    txn.set_quick_repair(true);
    Ok(txn.commit()?)
}

/// What the database holds now.
pub(super) fn read_base(redb: &redb::Database) -> Result<DbSnapshot, KvError> {
    DbSnapshot::open(&redb.begin_read()?)
}

/// Reads what a state is: up to which entry, with which membership.
pub(super) fn read_meta(store: &Store) -> Result<SnapshotMeta, StateErrorKind> {
    let applied = store.meta(MetaKey::Applied)?;
    let membership = store.meta(MetaKey::Membership)?;
    let applied = applied.map(|bytes| record::decode::<LogIdRecord>(&bytes)).transpose()?;
    let membership = membership.map(|bytes| record::decode::<StoredMembershipRecord>(&bytes)).transpose()?;
    Ok(SnapshotMeta {
        last_log_id: applied.map(Into::into),
        last_membership: membership.map(TryInto::try_into).transpose()?.unwrap_or_default(),
    })
}

/// Notes up to which entry a state is.
pub(super) fn write_applied(tables: &mut Tables<'_>, applied: &LogId) -> Result<(), StateErrorKind> {
    let payload = record::encode(&LogIdRecord::from(applied))?;
    tables.write_meta(MetaKey::Applied, &payload);
    Ok(())
}

/// Notes the membership of a state.
pub(super) fn write_membership(
    tables: &mut Tables<'_>,
    membership: &StoredMembership,
) -> Result<(), StateErrorKind> {
    let payload = record::encode(&StoredMembershipRecord::from(membership))?;
    tables.write_meta(MetaKey::Membership, &payload);
    Ok(())
}
