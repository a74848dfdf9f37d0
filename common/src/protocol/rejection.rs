//! Why a node did not carry out a request, and what that says about its effect.

use serde::{Deserialize, Serialize};

use crate::{
    bounded::at_most,
    id::{Address, ClusterId, NodeName},
    limits::NODES_MAX,
    text,
};

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// Not applied: no leader, no quorum, or the node is starting or stopping. Retry.
    #[error("{0}")]
    Unavailable(#[serde(deserialize_with = "text::message")] String),
    /// Not applied: the node has too much in flight. Retry later.
    #[error("the node is overloaded")]
    Overloaded,
    /// Not applied: the request is invalid.
    #[error("{0}")]
    Invalid(#[serde(deserialize_with = "text::message")] String),
    /// Not applied: the caller lacks permission.
    #[error("{0}")]
    Denied(#[serde(deserialize_with = "text::message")] String),
    /// Not applied: the node does not exist.
    #[error("{0}")]
    NotFound(#[serde(deserialize_with = "text::message")] String),
    /// Not applied: a safety check failed.
    #[error("{reason}")]
    Refused {
        /// The check that failed.
        #[serde(deserialize_with = "text::message")]
        reason: String,
        /// The next step for the operator.
        #[serde(deserialize_with = "text::message")]
        hint: String,
    },
    /// The request may have been applied, or may still be.
    #[error("{0}")]
    Unknown(#[serde(deserialize_with = "text::message")] String),
    /// Not applied: the node belongs to no cluster.
    #[error("{node} belongs to no cluster yet")]
    NoCluster {
        /// The asked node.
        node: NodeName,
        /// Whether it asks to join one, so that a retry may succeed.
        joining: bool,
    },
    /// Not applied: the request is meant for another cluster than the node's.
    #[error("{node} belongs to another cluster: {cluster}")]
    OtherCluster {
        /// The asked node.
        node: NodeName,
        /// Its cluster.
        cluster: ClusterId,
    },
    /// Not applied: the node was left out of a restore or a recovery. Its peers belong to a new
    /// cluster, and its own data is of the old one.
    #[error(
        "{node} was left out of a restore or a recovery: its peers are in cluster {peers}, its data is older"
    )]
    LeftOut {
        /// The asked node.
        node: NodeName,
        /// The cluster of its peers.
        peers: ClusterId,
        /// The address of one of them.
        from: Address,
    },
    /// Not applied: too few voters are in reach of the node to elect a leader.
    #[error("no quorum: {} of {voters} voters are in reach ({})", reached.len(), listed(reached))]
    NoQuorum {
        /// The voters in reach, the node itself among them.
        #[serde(deserialize_with = "at_most::<_, _, NODES_MAX>")]
        reached: Vec<NodeName>,
        /// The number of voters.
        voters: u32,
    },
}

fn listed(names: &[NodeName]) -> String {
    names.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}

/// Returns the command that brings a node with other data into a cluster. `from` is the address of
/// a member.
pub fn rebuild_command(cluster: ClusterId, from: &Address) -> String {
    format!("coffeed --config FILE rebuild --cluster {cluster} --from {from}")
}

impl Rejection {
    /// Returns whether the request certainly had no effect and never will have.
    pub fn is_not_applied(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }
}
