//! The state database: its file, its options and its errors.
//!
//! Knows neither how commands are applied nor how snapshots travel. Guards that a
//! database is not used after it failed or was found damaged: its first error
//! poisons the storage.

mod files;
mod offload;

use std::sync::{
    Arc, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicU64, Ordering},
};

use coffee_common::{
    feature_level::{FeatureLevel, LEVEL_MAX},
    id::{NodeId, Revision},
};
use redb::{Builder, ReadableDatabase};

pub use self::{
    files::{Databases, StateDir, StateFiles, UnchangedState},
    offload::Offload,
};
use crate::{
    kv::{DbSnapshot, KvError, MemTable, MetaKey, Store, Tables},
    raft_types::{LogId, SnapshotMeta, StoredMembership},
    storage::{
        corruption,
        disk::LevelMark,
        no_space::no_space_hint,
        poison::{FailureKind, Poison},
        record::{self, LogIdRecord, RecordError, StoredMembershipRecord},
    },
};

/// Options of the state database.
#[derive(Debug, Clone)]
pub struct StateOptions {
    /// The size of redb's page cache, in bytes.
    pub cache_bytes: usize,
    /// Verifies every page when the database is opened: reads the whole file.
    pub check_integrity: bool,
    /// Where work runs that waits for the disk.
    pub offload: Offload,
    /// The size of the active memtable, in bytes, at which it is flushed. At
    /// twice the size, applying waits for the flush. A larger one is flushed with
    /// less work per change: keys close to each other share pages of the database.
    pub flush_bytes: usize,
    /// The node whose state it is: the nodes of a cluster flush at different
    /// times.
    pub own: Option<NodeId>,
    /// Where the feature level of a received state is noted before it is installed.
    pub level_mark: LevelMark,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 16 << 20,
            check_integrity: true,
            offload: Offload::default(),
            flush_bytes: 16 << 20,
            own: None,
            level_mark: LevelMark::default(),
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
    /// The last applied entry or the membership cannot be decoded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The file is not a readable database.
    #[error("it cannot be read")]
    Unreadable,
    /// The log begins after the state ends: the state is an old copy, or has lost
    /// entries.
    #[error("it is damaged: {applied} is applied, but the log begins after {purged}")]
    LogStartsLater {
        /// The applied entries, for people.
        applied: String,
        /// The last entry that was purged from the log.
        purged: String,
    },
    /// The state differs from a quorum of the other nodes' states.
    #[error("it is damaged: as of entry {at} it differs from the state of most other nodes")]
    Differs {
        /// The index of an entry as of which it differs.
        at: u64,
    },
    /// The file system failed.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The consensus library broke its contract.
    #[error("{0}")]
    OutOfOrder(String),
    /// A thread panicked while it changed the state.
    #[error("a thread panicked while it changed the state")]
    Panicked,
}

impl StateErrorKind {
    fn is_damage(&self) -> bool {
        match self {
            Self::Kv(KvError::Database(error)) => corruption::damage(error).is_some(),
            Self::Record(error) => !error.is_newer(),
            Self::Kv(KvError::Damaged { .. })
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

    /// Whether the file is damaged: a restart does not help.
    pub fn is_damage(&self) -> bool {
        self.source.is_damage()
    }

    /// Whether a newer version of coffeed wrote the state.
    pub fn is_newer(&self) -> bool {
        match &self.source {
            StateErrorKind::Kv(error) => error.is_newer(),
            StateErrorKind::Record(error) => error.is_newer(),
            _ => false,
        }
    }

    /// The next step for the operator.
    pub fn hint(&self) -> &'static str {
        let io = match &self.source {
            StateErrorKind::Kv(KvError::Database(error)) => match error.as_ref() {
                redb::Error::Io(error) => Some(error),
                _ => None,
            },
            StateErrorKind::File(error) => Some(error),
            _ => None,
        };
        match io.and_then(|error| no_space_hint(error.kind())) {
            Some(hint) => hint,
            None if self.is_damage() => corruption::REBUILD,
            None if self.is_newer() => corruption::NEWER,
            None => "check the disk and the permissions of the data directory, then start again",
        }
    }
}

impl From<StateError> for std::io::Error {
    fn from(error: StateError) -> Self {
        Self::other(error)
    }
}

/// An open state database, and the changes since it was last written.
pub(super) struct Database {
    // Fields are dropped in this order: the store holds a transaction of the
    // database.
    store: RwLock<Store>,
    /// The index of the last entry in `store`. Changed only under its lock, so a
    /// reader that holds the lock sees the two agree.
    as_of: AtomicU64,
    redb: redb::Database,
    name: Arc<str>,
    poison: Poison,
}

impl Database {
    pub(super) fn new(redb: redb::Database, name: Arc<str>, poison: Poison) -> Result<Self, StateErrorKind> {
        let store = Store::over(read_snapshot(&redb)?);
        let last = read_meta(&store)?.last_log_id.map_or(0, |last| last.index);
        Ok(Self { store: RwLock::new(store), as_of: AtomicU64::new(last), redb, name, poison })
    }

    pub(super) fn redb(&self) -> &redb::Database {
        &self.redb
    }

    /// Locks the current state for reading. It does not change while the guard is
    /// held, and applying waits for it: do not hold it across a wait.
    pub(super) fn store(&self) -> Result<RwLockReadGuard<'_, Store>, StateError> {
        self.store.read().map_err(|_| self.fail(StateErrorKind::Panicked))
    }

    /// Whether the state is locked, for reading or for changing.
    #[cfg(test)]
    pub(super) fn is_locked(&self) -> bool {
        self.store.try_write().is_err()
    }

    /// The revision of a state that is locked.
    pub(super) fn as_of(&self, _locked: &Store) -> Revision {
        Revision(self.as_of.load(Ordering::Relaxed))
    }

    /// Records the last entry that was applied to a state that is locked.
    pub(super) fn set_as_of(&self, _locked: &mut Store, index: u64) {
        self.as_of.store(index, Ordering::Relaxed);
    }

    /// The feature level of the state, which this build must know.
    pub(super) fn level(&self) -> Result<FeatureLevel, StateError> {
        match self.store()?.level() {
            Ok(level) if level > LEVEL_MAX => Err(self.fail(KvError::Level(level))),
            level => level.map_err(|error| self.fail(error)),
        }
    }

    /// Locks the state for changing. Readers wait.
    pub(super) fn store_mut(&self) -> Result<RwLockWriteGuard<'_, Store>, StateError> {
        self.store.write().map_err(|_| self.fail(StateErrorKind::Panicked))
    }

    /// Seals the active memtable, for the next flush.
    pub(super) fn seal(&self) -> Result<(), StateError> {
        self.store_mut()?.seal();
        Ok(())
    }

    /// Writes the sealed memtable to the database, durably. Applying and reading
    /// continue meanwhile. Blocks on the disk. The caller makes sure that there
    /// is one flush at a time. Afterwards the store's snapshot is what is
    /// durable.
    pub(super) fn flush(&self) -> Result<(), StateError> {
        let Some(memtable) = self.store()?.sealed() else { return Ok(()) };
        let snapshot = write(&self.redb, &memtable).map_err(|error| self.fail(error))?;
        // Dropped after the lock is released, because dropping takes long.
        let replaced = self.store_mut()?.install_flushed(snapshot);
        drop((replaced, memtable));
        release(&self.redb).map_err(|error| self.fail(error))
    }

    /// Poisons the storage with an error, and returns it with the name of the
    /// file.
    pub(super) fn fail(&self, source: impl Into<StateErrorKind>) -> StateError {
        let error = StateError::new(&self.name, source);
        match () {
            () if error.is_damage() => self.poison.set_damage(&error),
            () if error.is_newer() => self.poison.set_as(FailureKind::Newer, &error),
            () => self.poison.set(&error),
        };
        error
    }
}

/// Flushes in one transaction, so the database holds the state as of one entry.
fn write(redb: &redb::Database, memtable: &MemTable) -> Result<DbSnapshot, KvError> {
    let mut txn = redb.begin_write()?;
    // Costs a second fsync, but a crash then needs no scan of all pages at the
    // next start.
    txn.set_quick_repair(true);
    memtable.flush(&txn)?;
    txn.commit()?;
    read_snapshot(redb)
}

/// Lets the next flush reuse the pages that this one replaced: a commit frees the
/// pages that no reader holds when it begins. Without this the file would be a
/// third larger.
fn release(redb: &redb::Database) -> Result<(), KvError> {
    let mut txn = redb.begin_write()?;
    txn.set_quick_repair(true);
    Ok(txn.commit()?)
}

/// Opens a snapshot of the database.
pub(super) fn read_snapshot(redb: &redb::Database) -> Result<DbSnapshot, KvError> {
    DbSnapshot::open(&redb.begin_read()?)
}

/// Reads the last entry and the membership of a state.
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

/// Writes the id of the last applied entry.
pub(super) fn write_applied(tables: &mut Tables<'_>, applied: &LogId) -> Result<(), StateErrorKind> {
    let payload = record::encode(&LogIdRecord::from(applied))?;
    tables.write_meta(MetaKey::Applied, &payload);
    Ok(())
}

/// Writes the membership.
pub(super) fn write_membership(
    tables: &mut Tables<'_>,
    membership: &StoredMembership,
) -> Result<(), StateErrorKind> {
    let payload = record::encode(&StoredMembershipRecord::from(membership))?;
    tables.write_meta(MetaKey::Membership, &payload);
    Ok(())
}
