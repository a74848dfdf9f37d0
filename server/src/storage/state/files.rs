//! The files of the state database, and how a new one replaces the old one.
//!
//! Guards that a crash leaves the old state or the new one, never a mix: a new
//! one is written under another name and renamed once it is durable.

use std::{
    fmt::Debug,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use coffee_common::id::NodeId;
use futures_util::future::BoxFuture;
use redb::{Builder, Database, DatabaseError, StorageBackend};

use crate::storage::{atomic_file, unchanged_file::UnchangedFile};

/// The files of the state database: the state, and numbered scratch files for
/// incoming states.
///
/// A simulated disk is another implementation.
pub trait StateFiles: Debug + Send + Sync + 'static {
    /// The name of the state's file in messages.
    fn name(&self) -> String;
    /// Opens the state; creates an empty one if there is none. A crash leaves no
    /// file or a complete one.
    ///
    /// # Errors
    /// The file cannot be opened or created, or is damaged.
    fn open(&self, builder: &Builder) -> Result<Database, DatabaseError>;
    /// Creates an empty scratch database.
    ///
    /// # Errors
    /// The file cannot be created.
    fn create_scratch(&self, number: u64, builder: &Builder) -> Result<Database, DatabaseError>;
    /// Replaces the state by a durable scratch database, durably. Its open handle
    /// stays valid.
    ///
    /// # Errors
    /// The file cannot be renamed.
    fn install(&self, number: u64) -> io::Result<()>;
    /// Removes a scratch database.
    ///
    /// # Errors
    /// The file cannot be removed.
    fn discard(&self, number: u64) -> io::Result<()>;
    /// Removes all scratch databases, also those of earlier runs.
    ///
    /// # Errors
    /// A file cannot be removed.
    fn discard_all(&self) -> io::Result<()>;
}

/// Where a node's log and state are, if not in its data directory: a simulated
/// disk. The log is then written by a task instead of a thread.
///
/// A node that gets another id finds nothing: its earlier data no longer counts.
pub trait Databases: Debug + Send + Sync + 'static {
    /// The log file of the node with this id. Creates an empty one if there is
    /// none (see [`LogStore::create_on`](crate::storage::log::LogStore::create_on));
    /// a crash leaves no file or a complete one.
    ///
    /// # Errors
    /// The disk failed.
    fn log(&self, id: NodeId) -> io::Result<Box<dyn StorageBackend>>;
    /// Waits while the disk is stalled. The log's writer calls it before each batch.
    fn ready(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
    /// The state of the node with this id.
    fn state(&self, id: NodeId) -> Arc<dyn StateFiles>;
}

/// The files in a folder: `state.redb`, and `state.redb.incoming-1` and so on for
/// scratch files.
#[derive(Debug, Clone)]
pub struct StateDir {
    state: PathBuf,
}

impl StateDir {
    /// Creates the files; `state` is the path of the state's file.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self { state: state.into() }
    }

    fn scratch(&self, number: impl std::fmt::Display) -> PathBuf {
        let mut path = self.state.clone().into_os_string();
        path.push(format!(".incoming-{number}"));
        path.into()
    }
}

impl StateFiles for StateDir {
    fn name(&self) -> String {
        self.state.display().to_string()
    }

    fn open(&self, builder: &Builder) -> Result<Database, DatabaseError> {
        atomic_file::open_or_create_database(&self.state, builder)
    }

    fn create_scratch(&self, number: u64, builder: &Builder) -> Result<Database, DatabaseError> {
        atomic_file::remove_if_exists(&self.scratch(number)).map_err(redb::StorageError::Io)?;
        atomic_file::create_database(&self.scratch(number), builder)
    }

    fn install(&self, number: u64) -> io::Result<()> {
        atomic_file::rename(&self.scratch(number), &self.state)
    }

    fn discard(&self, number: u64) -> io::Result<()> {
        atomic_file::remove_if_exists(&self.scratch(number))
    }

    fn discard_all(&self) -> io::Result<()> {
        let prefix = self.scratch("");
        for file in fs::read_dir(atomic_file::parent(&self.state))? {
            let path = file?.path();
            let name = |path: &Path| path.file_name().map(|name| name.as_encoded_bytes().to_vec());
            if name(&path).unwrap_or_default().starts_with(&name(&prefix).unwrap_or_default()) {
                atomic_file::remove_if_exists(&path)?;
            }
        }
        Ok(())
    }
}

/// The state's file as it is: changes to it stay in memory. Takes no snapshot.
#[derive(Debug, Clone)]
pub struct UnchangedState {
    state: PathBuf,
}

impl UnchangedState {
    /// Creates the files; `state` is the path of the state's file.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self { state: state.into() }
    }
}

impl StateFiles for UnchangedState {
    fn name(&self) -> String {
        self.state.display().to_string()
    }

    fn open(&self, builder: &Builder) -> Result<Database, DatabaseError> {
        let file = UnchangedFile::open(&self.state).map_err(redb::StorageError::Io)?;
        builder.create_with_backend(file)
    }

    fn create_scratch(&self, _number: u64, _builder: &Builder) -> Result<Database, DatabaseError> {
        Err(redb::StorageError::Io(io::ErrorKind::Unsupported.into()).into())
    }

    fn install(&self, _number: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn discard(&self, _number: u64) -> io::Result<()> {
        Ok(())
    }

    fn discard_all(&self) -> io::Result<()> {
        Ok(())
    }
}
