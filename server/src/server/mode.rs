//! How a node starts: decided by its data first, by its configuration second.
//!
//! Pure. Guards that a node with data goes on as what it was, whatever its
//! configuration says; above all, that it never founds a second cluster.

use coffee_common::{
    command::Standing,
    id::{Address, NodeId},
};

use super::StartError;
use crate::storage::disk::NodeIdentity;

/// The id of the node that founds a cluster. Every later one is the index of
/// a log entry, and those of a new cluster's first entries are never given.
pub(super) const FOUNDER: NodeId = NodeId(1);

/// How a node starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// Goes on as what it is.
    Resume(NodeIdentity),
    /// Goes on joining, under the id that it got.
    ResumeJoining(NodeIdentity),
    /// Goes on founding a cluster, which broke off.
    ResumeFounding(NodeIdentity),
    /// Founds a cluster.
    Found,
    /// Asks these members to be let in.
    Join(Vec<Address>),
    /// Waits until a member calls.
    Wait,
}

/// Decides how a node starts.
pub(super) fn decide(
    identity: Option<&NodeIdentity>,
    bootstrap: bool,
    join: &[Address],
) -> Result<Mode, StartError> {
    let Some(identity) = identity else {
        return Ok(match (bootstrap, join) {
            (true, _) => Mode::Found,
            (false, []) => Mode::Wait,
            (false, members) => Mode::Join(members.to_vec()),
        });
    };
    match identity.standing {
        Standing::Member => Ok(Mode::Resume(identity.clone())),
        Standing::Joining if identity.id == FOUNDER => Ok(Mode::ResumeFounding(identity.clone())),
        Standing::Joining => Ok(Mode::ResumeJoining(identity.clone())),
        Standing::Shutdown if bootstrap => Err(retired(identity)),
        // It was taken down by an operator, and comes back when one says so.
        Standing::Shutdown => Ok(Mode::Wait),
    }
}

fn retired(identity: &NodeIdentity) -> StartError {
    let NodeIdentity { name, cluster, .. } = identity;
    StartError::Refused {
        reason: format!("{name} was taken out of the cluster {cluster}, so it does not found another one"),
        hint: format!(
            "to bring it back, set bootstrap = false, start it, and run `coffeectl boot {name}`; to found a new \
             cluster, give it an empty data directory"
        ),
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::id::ClusterId;

    use super::*;

    fn identity(id: u64, standing: Standing) -> NodeIdentity {
        NodeIdentity { cluster: ClusterId(7), id: NodeId(id), name: "hong".parse().expect("legal"), standing }
    }

    #[test]
    fn without_data_the_configuration_decides() {
        let members = vec!["ming.example.net:7400".parse().expect("legal")];
        let mode = |bootstrap, join: &[Address]| decide(None, bootstrap, join).expect("starts");
        assert_eq!(mode(true, &[]), Mode::Found);
        assert_eq!(mode(false, &members), Mode::Join(members.clone()));
        assert_eq!(mode(false, &[]), Mode::Wait);
    }

    #[test]
    fn with_data_the_data_decides() {
        let members = vec!["ming.example.net:7400".parse().expect("legal")];
        for (bootstrap, join) in [(false, &[][..]), (true, &[]), (false, &members)] {
            let mode = |identity: &NodeIdentity| decide(Some(identity), bootstrap, join).ok();
            let (member, joining) = (identity(9, Standing::Member), identity(9, Standing::Joining));
            let founding = identity(1, Standing::Joining);
            assert_eq!(mode(&member), Some(Mode::Resume(member)));
            assert_eq!(mode(&joining), Some(Mode::ResumeJoining(joining)));
            assert_eq!(mode(&founding), Some(Mode::ResumeFounding(founding)));
        }
    }

    #[test]
    fn whoever_was_taken_down_waits_for_a_call() {
        let down = identity(9, Standing::Shutdown);
        let members = vec!["ming.example.net:7400".parse().expect("legal")];
        assert_eq!(decide(Some(&down), false, &[]).expect("starts"), Mode::Wait);
        assert_eq!(decide(Some(&down), false, &members).expect("starts"), Mode::Wait);
        let error = decide(Some(&down), true, &[]).expect_err("no second cluster");
        assert!(error.hint().contains("coffeectl boot hong"), "{}", error.hint());
    }
}
