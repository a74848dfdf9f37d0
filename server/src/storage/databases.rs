//! A log and a state that live elsewhere than in the data directory.

use std::{fmt::Debug, io, sync::Arc};

use coffee_common::id::NodeId;
use redb::StorageBackend;

use super::state::StateFiles;

/// Where a node's log and state live, if not in its data directory: a simulated
/// disk. They are written in the task that writes, without a thread.
///
/// A node that gets another id finds nothing: its earlier data counts no more.
pub trait Databases: Debug + Send + Sync + 'static {
    /// The file of the log of the node with this id. If there is none, an empty
    /// one is made (see [`LogStore::create_on`](super::log::LogStore::create_on)):
    /// a crash meanwhile leaves none or a whole one.
    fn log(&self, id: NodeId) -> io::Result<Box<dyn StorageBackend>>;
    /// The state of the node with this id.
    fn state(&self, id: NodeId) -> Arc<dyn StateFiles>;
}
