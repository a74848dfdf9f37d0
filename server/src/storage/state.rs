//! The state database: its file, its options, and what becomes of its errors.
//!
//! Knows neither how commands are applied nor how snapshots travel. Guards that
//! a database that failed, or that was found damaged, is not used further: its
//! first error poisons the storage.

mod files;
mod offload;
#[cfg(test)]
pub(super) mod test_disk;

use std::sync::Arc;

use redb::{Builder, ReadableDatabase};

pub use self::{
    files::{StateDir, StateFiles},
    offload::Offload,
};
use crate::{
    kv::{KvError, MetaKey, Tables, View},
    storage::{
        poison::Poison,
        record::{self, LogIdRecord, RecordError, StoredMembershipRecord},
        soundness,
    },
    types::{LogId, SnapshotMeta, StoredMembership},
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
}

impl Default for StateOptions {
    fn default() -> Self {
        Self { cache_bytes: 32 << 20, check_integrity: true, offload: Offload::default() }
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
    Behind {
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
    Order(String),
}

impl StateErrorKind {
    fn is_damage(&self) -> bool {
        match self {
            Self::Kv(KvError::Database(error)) => soundness::damage(error).is_some(),
            Self::Kv(KvError::Damaged { .. })
            | Self::Record(_)
            | Self::Behind { .. }
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
            true => soundness::REBUILD,
            false => "check the disk and the permissions of the data directory, then start again",
        }
    }
}

impl From<StateError> for std::io::Error {
    fn from(error: StateError) -> Self {
        Self::other(error)
    }
}

/// An open state database.
pub(super) struct Database {
    redb: redb::Database,
    name: Arc<str>,
    poison: Poison,
}

impl Database {
    pub(super) fn new(redb: redb::Database, name: Arc<str>, poison: Poison) -> Self {
        Self { redb, name, poison }
    }

    pub(super) fn redb(&self) -> &redb::Database {
        &self.redb
    }

    /// The state as it is now.
    pub(super) fn view(&self) -> Result<View, StateError> {
        let txn = self.redb.begin_read();
        txn.map(View::new).map_err(|error| self.fail(KvError::from(error)))
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

/// Reads what a state is: up to which entry, with which membership.
pub(super) fn read_meta(view: &View) -> Result<SnapshotMeta, StateErrorKind> {
    let applied = view.meta(MetaKey::Applied)?;
    let membership = view.meta(MetaKey::Membership)?;
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
    Ok(tables.write_meta(MetaKey::Applied, &payload)?)
}

/// Notes the membership of a state.
pub(super) fn write_membership(
    tables: &mut Tables<'_>,
    membership: &StoredMembership,
) -> Result<(), StateErrorKind> {
    let payload = record::encode(&StoredMembershipRecord::from(membership))?;
    Ok(tables.write_meta(MetaKey::Membership, &payload)?)
}
