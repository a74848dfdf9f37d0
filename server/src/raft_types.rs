//! The types that openraft is put together from, named once.
//!
//! Knows the consensus library and the domain's types; no storage, network or
//! server. Everything that names openraft's generics goes through here.

use std::fmt;

use coffee_common::{
    command::{Outcome, Proposal},
    id::{Address, NodeId, NodeName},
};
use openraft::type_config::alias as of;
use serde::{Deserialize, Serialize};

openraft::declare_raft_types!(
    /// The parameters of our Raft.
    pub TypeConfig:
        D = Proposal,
        R = Outcome,
        NodeId = NodeId,
        LeaderId = LeaderId,
        Node = Member,
        AsyncRuntime = openraft::impls::TokioRuntime,
);

/// What the membership of the cluster says of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: NodeName,
    /// Where it is reached.
    pub address: Address,
}

#[cfg(test)]
impl Default for Member {
    /// Some member: openraft's own test suite asks for one.
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

/// Names whom a vote is for: a term and a node. Each term has one leader at
/// most (Raft, 3.4).
pub type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>;
/// Names the leader of an entry: its term says it all.
pub type CommittedLeaderId = of::CommittedLeaderIdOf<TypeConfig>;
/// A vote, committed once it won.
pub type Vote = of::VoteOf<TypeConfig>;
/// Names a log entry: its leader and its index.
pub type LogId = of::LogIdOf<TypeConfig>;
/// An entry of the log.
pub type LogEntry = openraft::Entry<CommittedLeaderId, Payload>;
/// What an entry carries.
pub type Payload = openraft::EntryPayload<Proposal, NodeId, Member>;
/// Who votes, who learns.
pub type Membership = openraft::Membership<NodeId, Member>;
/// A membership and the entry that made it so.
pub type StoredMembership = of::StoredMembershipOf<TypeConfig>;
/// What a snapshot holds.
pub type SnapshotMeta = of::SnapshotMetaOf<TypeConfig>;
