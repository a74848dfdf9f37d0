//! Decides how a node starts: by its data first, by its configuration second.
//!
//! Pure. Guards that a node with data continues as what it was, whatever its
//! configuration says. No node founds a cluster by starting: that is an operator's act.

use coffee_common::{
    command::MemberState,
    id::{Address, NodeId},
};

use crate::storage::disk::NodeIdentity;

/// How a node starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// Continues as a member.
    Resume(NodeIdentity),
    /// Continues to join under the id that it was given.
    ResumeJoining(NodeIdentity),
    /// Continues to found a cluster.
    ResumeFounding(NodeIdentity),
    /// Asks these members to join their cluster.
    Join(Vec<Address>),
    /// Waits for an invitation.
    Wait,
}

/// Decides how a node starts.
pub(super) fn decide(identity: Option<&NodeIdentity>, join: &[Address]) -> Mode {
    let Some(identity) = identity else {
        return match join {
            [] => Mode::Wait,
            members => Mode::Join(members.to_vec()),
        };
    };
    match identity.standing {
        MemberState::Member => Mode::Resume(identity.clone()),
        MemberState::Joining if identity.id == NodeId::FOUNDER => Mode::ResumeFounding(identity.clone()),
        MemberState::Joining => Mode::ResumeJoining(identity.clone()),
        // Its data was set aside.
        MemberState::Shutdown if !identity.rejoin.is_empty() => Mode::Join(identity.rejoin.clone()),
        // An operator shut it down, and only an operator brings it back.
        MemberState::Shutdown | MemberState::Announced => Mode::Wait,
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{feature_level::LEVEL_MIN, id::ClusterId};

    use super::*;

    fn identity(id: u64, standing: MemberState) -> NodeIdentity {
        NodeIdentity {
            cluster: ClusterId(7),
            id: NodeId(id),
            name: "hong".parse().expect("legal"),
            standing,
            rejoin: Vec::new(),
            level: LEVEL_MIN,
        }
    }

    #[test]
    fn without_data_the_configuration_decides() {
        let members = vec!["ming.example.net:7400".parse().expect("legal")];
        assert_eq!(decide(None, &members), Mode::Join(members.clone()));
        assert_eq!(decide(None, &[]), Mode::Wait);
    }

    #[test]
    fn with_data_the_data_decides() {
        let members = vec!["ming.example.net:7400".parse().expect("legal")];
        for join in [&[][..], &members] {
            let mode = |identity: &NodeIdentity| decide(Some(identity), join);
            let (member, joining) = (identity(9, MemberState::Member), identity(9, MemberState::Joining));
            let founding = identity(1, MemberState::Joining);
            assert_eq!(mode(&member), Mode::Resume(member));
            assert_eq!(mode(&joining), Mode::ResumeJoining(joining));
            assert_eq!(mode(&founding), Mode::ResumeFounding(founding));
        }
    }

    #[test]
    fn a_node_whose_data_was_set_aside_joins_again_whatever_its_configuration_says() {
        let members: Vec<Address> = vec!["ming.example.net:7400".parse().expect("legal")];
        let others: Vec<Address> = vec!["peng.example.net:7400".parse().expect("legal")];
        let aside = NodeIdentity { rejoin: others.clone(), ..identity(1, MemberState::Shutdown) };
        for join in [&[][..], &members] {
            assert_eq!(decide(Some(&aside), join), Mode::Join(others.clone()));
        }
    }

    #[test]
    fn a_node_that_was_shut_down_waits_for_an_invitation() {
        let down = identity(9, MemberState::Shutdown);
        let members = vec!["ming.example.net:7400".parse().expect("legal")];
        for join in [&[][..], &members] {
            assert_eq!(decide(Some(&down), join), Mode::Wait);
        }
    }
}
