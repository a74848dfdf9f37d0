//! A completely received snapshot, until it is installed or discarded.

use std::{io, sync::Arc};

use coffee_common::feature_level::FeatureLevel;
use redb::{Builder, Database, DatabaseError};

use super::format::SnapshotHeader;
use crate::{
    kv::{KvError, RequestMemory, Store},
    raft_types::SnapshotMeta,
    storage::state::{StateFiles, read_snapshot},
};

/// A snapshot that was received completely, verified, and made durable.
pub struct ReceivedSnapshot {
    // Fields are dropped in this order: the database before its file is removed.
    database: Database,
    scratch: Scratch,
    meta: SnapshotMeta,
    level: FeatureLevel,
}

impl ReceivedSnapshot {
    pub(super) fn new(database: Database, scratch: Scratch, header: SnapshotHeader) -> Self {
        Self { database, scratch, meta: header.meta, level: header.level }
    }

    /// The last entry and the membership of the snapshot.
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// The feature level of the state.
    pub(in crate::storage) fn level(&self) -> FeatureLevel {
        self.level
    }

    /// Loads the request memory from it.
    pub(in crate::storage) fn load_memory(&self, limit: u64) -> Result<RequestMemory, KvError> {
        RequestMemory::load(&Store::over(read_snapshot(&self.database)?), limit)
    }

    /// Replaces the state by it, durably, and returns its database. A crash
    /// leaves the old state or the new one.
    pub(in crate::storage) fn install(mut self) -> io::Result<Database> {
        self.scratch.install()?;
        Ok(self.database)
    }
}

/// The file of a snapshot. Removed when dropped, unless it was installed.
pub(super) struct Scratch {
    files: Arc<dyn StateFiles>,
    number: u64,
    installed: bool,
}

impl Scratch {
    pub(super) fn new(files: Arc<dyn StateFiles>, number: u64) -> Self {
        Self { files, number, installed: false }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn create(&self, builder: &Builder) -> Result<Database, DatabaseError> {
        self.files.create_scratch(self.number, builder)
    }

    fn install(&mut self) -> io::Result<()> {
        self.files.install(self.number)?;
        self.installed = true;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.installed
            && let Err(error) = self.files.discard(self.number)
        {
            tracing::warn!(%error, "cannot remove an incomplete snapshot; the next start will");
        }
    }
}
