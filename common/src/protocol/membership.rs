//! Membership and its changes, as nodes and operators speak of them.

use serde::{Deserialize, Serialize};

use crate::{
    feature_level::FeatureLevel,
    id::{NodeName, Revision},
};

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

/// The digest of a node's state, to be compared with that of another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaDigest {
    /// The entry as of which it was computed.
    pub at: Revision,
    /// The sum of the state's rows.
    pub sum: u64,
    /// The feature level of the cluster as of that entry.
    pub level: FeatureLevel,
}

/// The feature level of a cluster, before and after an upgrade was finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaisedLevel {
    /// The level before.
    pub from: FeatureLevel,
    /// The level now or, in a dry run, afterwards; the same if the members do not all know more.
    pub to: FeatureLevel,
}
