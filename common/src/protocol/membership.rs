//! Membership and its changes, as nodes and operators speak of them.

use serde::{Deserialize, Serialize};

use crate::id::NodeName;

/// The last entry of a log. The later one is more up to date (Raft, section 5.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct LastEntry {
    /// The term of the entry.
    pub term: u64,
    /// The index of the entry; 0 also for an empty log.
    pub index: u64,
}

/// The removal of a node, or what a dry run predicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The node that is removed.
    pub node: NodeName,
    /// Whether the membership changed or, in a dry run, would change.
    pub changed: bool,
    /// The number of voters before.
    pub voters_before: u32,
    /// The number of voters after.
    pub voters_after: u32,
    /// The leader afterwards; `None` in a dry run.
    pub leader: Option<NodeName>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}
