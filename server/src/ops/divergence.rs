//! Detects whether this node's state diverges from the other replicas.
//!
//! Replicas that applied the same entries have the same state: the state
//! machine safety property (Raft, figure 3). Only a bug, or corruption that no
//! checksum detects, breaks it. Each node periodically asks the others for the
//! digest of their state as of an entry whose digest it has itself. A node that
//! differs from a quorum condemns its own state and stops: the data records that
//! permanently.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    id::{NodeId, Revision},
    protocol::{NodeEventKind, ReplicaDigest, Request, Response},
};
use tokio::time::{MissedTickBehavior, interval};

use super::ask_members::ask_others;
use crate::{
    node::{Node, replica::Replica},
    raft_types::Member,
    storage::state_machine::Checkpointer,
};

/// How often to ask the other members.
const EVERY: Duration = Duration::from_secs(5);

/// How long to wait for a member's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Compares this node's state with the other replicas until it is condemned.
pub async fn compare(node: Arc<Node>, replica: Arc<Replica>, checkpointer: Checkpointer) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut noted = Vec::new();
    loop {
        ticks.tick().await;
        let differing = differing(&node, &replica).await;
        let membership = replica.membership();
        let voters = membership.voter_ids().count();
        let votes = |member: &&Differing| membership.voter_ids().any(|voter| voter == member.id);
        if is_outvoted(voters, differing.iter().filter(votes).count()) {
            let at = differing.iter().map(|member| member.at).min().unwrap_or_default();
            tracing::error!(
                entry = at.0,
                "this node's state differs from a quorum as of this entry or an earlier one"
            );
            let text = format!("the state differs from a quorum as of entry {at} or an earlier one");
            node.events().record(NodeEventKind::Divergence, "", text);
            checkpointer.condemn(at).await;
            return;
        }
        if differing != noted {
            for Differing { member, at, .. } in &differing {
                tracing::error!(node = %member.name, entry = at.0, "another node's state differs from this one's");
                let text = format!("the state of {} differs from this node's as of entry {at}", member.name);
                node.events().record(NodeEventKind::Divergence, member.name.as_str(), text);
            }
            noted = differing;
        }
    }
}

/// Another member whose state differs from this node's.
#[derive(Debug, PartialEq)]
struct Differing {
    id: NodeId,
    member: Member,
    /// The entry as of which it differs.
    at: Revision,
}

async fn differing(node: &Node, replica: &Replica) -> Vec<Differing> {
    let Some(newest) = replica.state().digest_at(Revision(u64::MAX)) else { return Vec::new() };
    let request = Request::StateDigest { cluster: replica.cluster(), upto: newest.at };
    let answers = ask_others(node, replica, &request, ANSWER_WITHIN).await;
    let differs = |(id, member, answer)| {
        let Response::StateDigest(Some(theirs)) = answer else { return None };
        let differs = replica.state().digest_at(theirs.at).is_some_and(|own| differ(own, theirs));
        differs.then_some(Differing { id, member, at: theirs.at })
    };
    answers.into_iter().filter_map(differs).collect()
}

/// Whether two digests are of the same entry and level, and not the same: a build that knows more levels
/// may write the same data differently at a later one.
fn differ(own: ReplicaDigest, theirs: ReplicaDigest) -> bool {
    (own.at, own.level) == (theirs.at, theirs.level) && own.sum != theirs.sum
}

/// Whether the differing voters are a quorum. If they are, this node's state
/// cannot be the acknowledged one.
fn is_outvoted(voters: usize, differing: usize) -> bool {
    differing > voters / 2
}

#[cfg(test)]
mod tests {
    use coffee_common::feature_level::{FeatureLevel, LEVEL_MIN};

    use super::*;

    #[test]
    fn digests_are_compared_at_the_same_entry_and_level_only() {
        let digest = |at, sum, level| ReplicaDigest { at: Revision(at), sum, level };
        let own = digest(64, 7, LEVEL_MIN);
        assert!(differ(own, digest(64, 8, LEVEL_MIN)));
        assert!(!differ(own, own));
        assert!(!differ(own, digest(128, 8, LEVEL_MIN)));
        assert!(!differ(own, digest(64, 8, FeatureLevel(2))));
    }

    #[test]
    fn only_a_quorum_outvotes_a_node() {
        for (voters, enough) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
            assert!(is_outvoted(voters, enough));
            assert!(!is_outvoted(voters, enough - 1), "{enough} of {voters}");
        }
    }
}
