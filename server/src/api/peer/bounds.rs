//! Bounds of what other nodes are believed.
//!
//! Pure. Guards that terms and indexes stay far below their last values, beyond which no election
//! and no entry is possible any more: neither a message nor a response raises this node's term by
//! more than the elections that may have been held meanwhile.

use coffee_common::limits::{LOG_INDEX_MAX, TERM_MAX, TERM_STEP_MAX};

use super::session::{RpcFailure, failed};
use crate::{
    raft_types::{LogId, Vote},
    storage::record::{LogIdRecord, VoteRecord},
};

/// Returns the highest term of which another node may speak. `own` is the term of this node;
/// `None` before it has a membership, since it then knows no term of its cluster.
pub(super) fn term_max(own: Option<u64>) -> u64 {
    own.map_or(TERM_MAX, |own| own.saturating_add(TERM_STEP_MAX).min(TERM_MAX))
}

/// Whether no log reaches this entry.
pub(super) fn is_far(id: &LogId) -> bool {
    id.index > LOG_INDEX_MAX || id.leader_id.term > TERM_MAX
}

/// Returns the vote in a response to a message that was sent in the term `sent`.
pub(super) fn vote_in_response(vote: VoteRecord, sent: u64) -> Result<Vote, RpcFailure> {
    if vote.leader.term > term_max(Some(sent)) {
        return Err(failed(format!("the peer claims to be in term {}, which is too far", vote.leader.term)));
    }
    Ok(vote.into())
}

/// Returns the entry in a response to a message that ended with the entry at index `sent`.
pub(super) fn entry_in_response(entry: LogIdRecord, sent: u64) -> Result<LogId, RpcFailure> {
    if entry.index > sent {
        return Err(failed(format!("the peer answers for entry {}, but was sent {sent}", entry.index)));
    }
    Ok(entry.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::record::LeaderRecord;
    use coffee_common::id::NodeId;

    #[test]
    fn terms_leave_room_for_elections() {
        assert_eq!(term_max(Some(5)), 5 + TERM_STEP_MAX);
        assert_eq!(term_max(None), TERM_MAX);
        assert_eq!(term_max(Some(u64::MAX)), TERM_MAX);
        let vote = |term| VoteRecord { leader: LeaderRecord { term, node: NodeId(7) }, committed: true };
        assert!(vote_in_response(vote(5 + TERM_STEP_MAX), 5).is_ok());
        for far in [6 + TERM_STEP_MAX, u64::MAX] {
            assert!(vote_in_response(vote(far), 5).is_err(), "{far}");
        }
    }

    #[test]
    fn a_follower_has_no_more_than_it_was_sent() {
        let entry = |index| LogIdRecord { term: 5, index };
        assert!(entry_in_response(entry(9), 9).is_ok());
        for index in [10, u64::MAX] {
            assert!(entry_in_response(entry(index), 9).is_err(), "{index}");
        }
    }
}
