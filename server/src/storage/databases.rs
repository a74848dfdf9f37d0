//! Databases that live elsewhere than in the data directory.

use std::{fmt::Debug, sync::Arc};

use coffee_common::id::NodeId;
use redb::{Builder, Database, DatabaseError};

use super::state::StateFiles;

/// Where a node's two databases live, if not in its data directory: a simulated
/// disk. They are written in the task that writes, without a thread.
///
/// A node that gets another id finds nothing: its earlier data counts no more.
pub trait Databases: Debug + Send + Sync + 'static {
    /// Opens the log of the node with this id; makes an empty one if there
    /// is none. A crash meanwhile leaves none or a whole one.
    fn log(&self, id: NodeId, builder: &Builder) -> Result<Database, DatabaseError>;
    /// The state of the node with this id.
    fn state(&self, id: NodeId) -> Arc<dyn StateFiles>;
}
