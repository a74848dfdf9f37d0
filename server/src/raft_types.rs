//! The openraft types of this program, named once.
//!
//! Knows the consensus library and the domain's types; no storage, network or
//! server. All other files name openraft's generic types through here.

mod runtime;

use std::fmt;

use coffee_common::{
    command::{Outcome, Proposal},
    id::{Address, NodeId, NodeName},
};
use openraft::type_config::alias as of;
use serde::{Deserialize, Serialize};

pub use self::runtime::MeasuredRuntime;

openraft::declare_raft_types!(
    /// The type parameters of our Raft.
    pub TypeConfig:
        D = Proposal,
        R = Outcome,
        NodeId = NodeId,
        LeaderId = LeaderId,
        Node = Member,
        AsyncRuntime = MeasuredRuntime,
);

/// A member of the cluster, as the membership names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Member {
    /// The member's name.
    pub name: NodeName,
    /// The address at which other nodes reach it.
    pub address: Address,
}

coffee_common::enveloped!(Member);

#[cfg(test)]
impl Default for Member {
    /// Any member: openraft's own test suite needs one.
    fn default() -> Self {
        let (name, address) = ("ming".parse(), "ming.example.net:7400".parse());
        Self { name: name.expect("legal"), address: address.expect("legal") }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.address)
    }
}

/// A term and the node that a vote is for. Each term has at most one leader
/// (Raft, 3.4).
pub type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>;
/// The leader of an entry. A term has one leader, so this is the term alone.
pub type CommittedLeaderId = of::CommittedLeaderIdOf<TypeConfig>;
/// A vote; committed once a quorum granted it.
pub type Vote = of::VoteOf<TypeConfig>;
/// The id of a log entry: its leader and its index.
pub type LogId = of::LogIdOf<TypeConfig>;
/// A log entry.
pub type LogEntry = openraft::Entry<CommittedLeaderId, Payload>;
/// The content of a log entry.
pub type Payload = openraft::EntryPayload<Proposal, NodeId, Member>;
/// The voters and learners.
pub type Membership = openraft::Membership<NodeId, Member>;
/// A membership and the id of its entry.
pub type StoredMembership = of::StoredMembershipOf<TypeConfig>;
/// The description of a snapshot: its last entry and membership.
pub type SnapshotMeta = of::SnapshotMetaOf<TypeConfig>;
