//! The first message of a connection.

use serde::{Deserialize, Serialize};

use crate::{
    id::{Address, ClusterId, NodeName, Revision},
    protocol_versions::ProtocolVersions,
    text,
};

/// The first message that a node sends on a new connection. Every version can read it: its fields are
/// never removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The name of the node.
    pub node: NodeName,
    /// The node's version of coffeed.
    #[serde(deserialize_with = "text::word")]
    pub version: String,
    /// The node's cluster; `None` if it belongs to none.
    pub cluster: Option<ClusterId>,
    /// The highest revision that the node has applied: the base of a new [`RequestId`](crate::id::RequestId).
    pub applied: Revision,
    /// The leader that the node knows of.
    pub leader: Option<Leader>,
    /// The leader lease of the cluster, in milliseconds. Waiting longer than this for a silent node
    /// is pointless, since another leader may exist by then.
    pub lease_ms: u32,
    /// The versions of this protocol that the node speaks.
    pub versions: ProtocolVersions,
    /// A field that only the next version knows.
    #[cfg(coffee_future)]
    pub future_note: u32,
}

/// The leader's name and address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Leader {
    /// The leader's name.
    pub name: NodeName,
    /// The address at which it is reached.
    pub address: Address,
}

crate::enveloped!(Leader);
