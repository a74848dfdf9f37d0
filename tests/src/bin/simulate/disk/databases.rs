//! A node's log and state on a simulated disk.

use std::{fmt, io, sync::Arc, time::Duration};

use coffee_common::id::NodeId;
use coffeed::storage::{
    log::LogStore,
    state::{Databases, StateFiles},
};
use futures_util::future::BoxFuture;
use redb::{Builder, Database, DatabaseError, StorageBackend};

use super::{DiskFailure, SimDisk, lock, log_name, state_name};

/// Small, so that the log often moves to another chunk.
const LOG_CHUNK_BYTES: u32 = 32 << 10;

/// How often a stalled write tries again.
const STALL_STEP: Duration = Duration::from_millis(5);

impl Databases for SimDisk {
    fn log(&self, id: NodeId) -> io::Result<Box<dyn StorageBackend>> {
        let name = log_name(id);
        if !lock(&self.state).files.contains_key(&name) {
            let aside = format!("{name}.new");
            lock(&self.state).files.remove(&aside);
            LogStore::create_on(self.backend(aside.clone()), LOG_CHUNK_BYTES)?;
            self.rename(&aside, &name)?;
        }
        Ok(Box::new(self.backend(name)))
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let state = Arc::clone(&self.state);
        Box::pin(async move {
            while lock(&state).failure == Some(DiskFailure::Stalled) {
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
        state_name(self.id)
    }

    fn open(&self, builder: &Builder) -> Result<Database, DatabaseError> {
        self.disk.open_or_create(&self.name(), builder)
    }

    fn create_scratch(&self, number: u64, builder: &Builder) -> Result<Database, DatabaseError> {
        lock(&self.disk.state).files.remove(&self.scratch(number));
        builder.create_with_backend(self.disk.backend(self.scratch(number)))
    }

    fn install(&self, number: u64) -> io::Result<()> {
        self.disk.rename(&self.scratch(number), &self.name())
    }

    fn discard(&self, number: u64) -> io::Result<()> {
        lock(&self.disk.state).files.remove(&self.scratch(number));
        Ok(())
    }

    fn discard_all(&self) -> io::Result<()> {
        let scratch = self.scratch("");
        lock(&self.disk.state).files.retain(|name, _| !name.starts_with(&scratch));
        Ok(())
    }
}
