//! The standing of another node, as far as this node knows.

use coffee_common::{command::MemberState, id::NodeName};

use super::Node;

/// The standing of another node in this node's cluster, as far as this node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerStanding {
    /// A member, with or without a vote.
    Member,
    /// Admitted, but not a member yet.
    Joining,
    /// Announced by an operator, but not admitted yet.
    Announced,
    /// Removed, or never announced.
    Stranger,
    /// This node has no membership, so it cannot tell.
    Unknown,
}

impl Node {
    /// Returns the standing of the node with this name.
    pub fn standing_of(&self, name: &NodeName) -> PeerStanding {
        let Some(replica) = self.replica() else { return PeerStanding::Unknown };
        let membership = replica.membership();
        let mut members = membership.nodes().peekable();
        if members.peek().is_none() {
            return PeerStanding::Unknown;
        }
        if members.any(|(_, member)| member.name == *name) {
            return PeerStanding::Member;
        }
        // Damage is reported where the state is used.
        match replica.state().node(name).ok().flatten().map(|record| record.standing) {
            Some(MemberState::Joining) => PeerStanding::Joining,
            Some(MemberState::Announced) => PeerStanding::Announced,
            Some(MemberState::Member | MemberState::Shutdown) | None => PeerStanding::Stranger,
        }
    }
}
