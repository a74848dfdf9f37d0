//! The index that a linearizable read waits for (Raft dissertation, section 6.4: ReadIndex).
//!
//! The leader takes its commit index, then asks the voters whether they still follow it. A
//! voter answers from its vote, without its log or its disk, and any number of questions
//! are under way at once: openraft's own confirmation waits for the heartbeat in progress
//! at each follower. Guards that a quorum answers after the read began, so that no other
//! leader can have been elected, and have acknowledged anything, before that.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use coffee_common::id::{NodeId, Revision};
use futures_util::{StreamExt, stream::FuturesUnordered};
use openraft::{
    ReadPolicy,
    errors::{LinearizableReadError, RaftError},
};
use tokio::time::{Instant, timeout_at};

use super::replica::Replica;
use crate::raft_types::{StoredMembership, Vote};

/// Why there is no read index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadIndexError {
    /// This node does not lead.
    #[error("this node is no longer the leader")]
    NotLeader,
    /// Too few voters confirmed the leader in time.
    #[error("the leader has no contact with a quorum")]
    NoQuorum,
    /// Consensus has stopped.
    #[error("this node is stopping")]
    Stopped,
}

/// A leader as its own consensus sees it.
struct Leadership {
    vote: Vote,
    /// The commit index, if the leader certainly knows it.
    index: Option<u64>,
    membership: Arc<StoredMembership>,
}

/// Returns the index of an entry that is, or will be, committed, and follows every write that
/// was acknowledged before this call. Fails after `within` without a quorum.
pub async fn read_index(replica: &Replica, within: Duration) -> Result<Revision, ReadIndexError> {
    let own = replica.id();
    let Leadership { vote, index, membership } = leadership(replica).await?;
    let Some(index) = index else { return by_heartbeats(replica).await };
    let deadline = Instant::now() + within;
    let configurations = membership.membership().get_joint_config();
    let is_voter = |id: &NodeId| configurations.iter().any(|voters| voters.contains(id));
    let mut questions = FuturesUnordered::new();
    for (id, member) in membership.nodes().filter(|(id, _)| **id != own && is_voter(id)) {
        let (id, answer) = (*id, replica.ask_follower(*id, member, vote, within));
        questions.push(async move { (id, answer.await) });
    }
    let mut following = BTreeSet::from([own]);
    while !planted!("read-without-a-quorum") && !is_quorum(configurations, &following) {
        match timeout_at(deadline, questions.next()).await {
            Ok(Some((id, true))) => drop(following.insert(id)),
            Ok(Some((_, false))) => {}
            Ok(None) | Err(_) => return Err(ReadIndexError::NoQuorum),
        }
    }
    Ok(Revision(index))
}

/// Lets openraft confirm the leader, which waits for the first entry of its term.
async fn by_heartbeats(replica: &Replica) -> Result<Revision, ReadIndexError> {
    match replica.raft().get_read_linearizer(ReadPolicy::ReadIndex).await {
        Ok(linearizer) => Ok(Revision(linearizer.read_log_id().index())),
        Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_))) => Err(ReadIndexError::NotLeader),
        Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => Err(ReadIndexError::NoQuorum),
        Err(RaftError::Fatal(_)) => Err(ReadIndexError::Stopped),
    }
}

/// Asks consensus itself: what it publishes may be older.
async fn leadership(replica: &Replica) -> Result<Leadership, ReadIndexError> {
    let (own, log_at_start) = (replica.id(), replica.log_at_start().unwrap_or(0));
    let leadership = replica.raft().with_raft_state(move |state| {
        let vote = *state.vote_ref();
        if !vote.is_committed() || vote.leader_id().voted_for != own {
            return None;
        }
        // Not before the first entry of its term is committed, and after a restart in its term
        // what was in the log: until then a leader does not know all that is committed.
        let index = state.local_committed().filter(|id| id.leader_id.term == vote.leader_id().term);
        let index = index.map(|id| id.index).filter(|index| *index >= log_at_start);
        Some(Leadership { vote, index, membership: state.membership_state.effective().clone() })
    });
    leadership.await.map_err(|_| ReadIndexError::Stopped)?.ok_or(ReadIndexError::NotLeader)
}

/// Whether these are a majority in every configuration: during a change there are two
/// (Raft paper, section 6).
fn is_quorum(configurations: &[BTreeSet<NodeId>], following: &BTreeSet<NodeId>) -> bool {
    configurations.iter().all(|voters| voters.intersection(following).count() > voters.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    #[test]
    fn a_quorum_is_a_majority_of_each_configuration() {
        let five = [ids(&[1, 2, 3, 4, 5])];
        assert!(!is_quorum(&five, &ids(&[1, 2])));
        assert!(is_quorum(&five, &ids(&[1, 2, 5])));
        assert!(!is_quorum(&[ids(&[1, 2])], &ids(&[1])), "half of an even number is none");
        assert!(is_quorum(&[ids(&[1])], &ids(&[1])));
        let joint = [ids(&[1, 2, 3]), ids(&[3, 4, 5])];
        assert!(!is_quorum(&joint, &ids(&[1, 2, 3])));
        assert!(!is_quorum(&joint, &ids(&[3, 4, 5])));
        assert!(is_quorum(&joint, &ids(&[1, 3, 4])));
        // A leader that removes itself does not count.
        assert!(!is_quorum(&[ids(&[2, 3])], &ids(&[1, 2])));
    }
}
