//! A node's log and state on a simulated disk.

use std::{fmt, io, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};

use super::{
    common::id::NodeId,
    daemon::storage::{
        log::LogStore,
        state::{Databases, StateFiles},
    },
};
use crate::disk::{SimDisk, log_name, state_name};

/// Small, so that the log often moves to another chunk.
const LOG_CHUNK_BYTES: u32 = 32 << 10;

/// How often a stalled write tries again.
const STALL_STEP: Duration = Duration::from_millis(5);

impl Databases for SimDisk {
    fn log(&self, id: NodeId) -> io::Result<Box<dyn StorageBackend>> {
        let name = log_name(id.0);
        if !self.has(&name) {
            let aside = format!("{name}.new");
            LogStore::create_on(self.create(&aside), LOG_CHUNK_BYTES)?;
            self.rename(&aside, &name)?;
        }
        Ok(Box::new(self.open(&name)))
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let disk = self.clone();
        Box::pin(async move {
            while disk.takes_no_write() {
                tokio::time::sleep(STALL_STEP).await;
            }
        })
    }

    fn state(&self, id: NodeId) -> Arc<dyn StateFiles> {
        Arc::new(StateFolder { disk: self.clone(), id })
    }
}

#[derive(Debug)]
struct StateFolder {
    disk: SimDisk,
    id: NodeId,
}

impl StateFolder {
    fn scratch(&self, number: impl fmt::Display) -> String {
        format!("{}-incoming-{number}", self.name())
    }
}

impl StateFiles for StateFolder {
    fn name(&self) -> String {
        state_name(self.id.0)
    }

    fn open(&self, builder: &Builder) -> Result<Database, DatabaseError> {
        let name = self.name();
        if self.disk.has(&name) {
            return builder.create_with_backend(self.disk.open(&name));
        }
        let aside = format!("{name}.new");
        let database = builder.create_with_backend(self.disk.create(&aside))?;
        self.disk.rename(&aside, &name).map_err(StorageError::Io)?;
        Ok(database)
    }

    fn create_scratch(&self, number: u64, builder: &Builder) -> Result<Database, DatabaseError> {
        builder.create_with_backend(self.disk.create(&self.scratch(number)))
    }

    fn install(&self, number: u64) -> io::Result<()> {
        self.disk.rename(&self.scratch(number), &self.name())
    }

    fn discard(&self, number: u64) -> io::Result<()> {
        let scratch = self.scratch(number);
        self.disk.remove(|name| name == scratch);
        Ok(())
    }

    fn discard_all(&self) -> io::Result<()> {
        let scratch = self.scratch("");
        self.disk.remove(|name| name.starts_with(&scratch));
        Ok(())
    }
}
