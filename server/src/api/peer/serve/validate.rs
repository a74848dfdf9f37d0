//! Validation of messages from members, before they reach Raft.
//!
//! Raft trusts its members: a message that breaks the rules would corrupt its log or make it panic.
//! Pure. Guards that a node acts only for itself: it leads and stands for election under its own id
//! only.

use coffee_common::id::NodeId;
use openraft::raft::AppendEntriesRequest;

use crate::raft_types::{LogId, SnapshotMeta, TypeConfig, Vote};

/// Why a message is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ForgedMessage {
    #[error("the message is in the name of node {0}, but comes from node {1}")]
    ForAnother(NodeId, NodeId),
    #[error("the sender leads without having been elected")]
    NotElected,
    #[error("the sender stands for election with a vote that has already won")]
    Elected,
    #[error("the term of entry {0} is out of order")]
    OutOfOrder(LogId),
    #[error("the snapshot is empty")]
    EmptySnapshot,
    #[error("the snapshot ends with {0}, which contradicts the committed entry {1}")]
    Contradiction(LogId, LogId),
}

/// Checks that `from` leads under a vote.
pub(super) fn leader(vote: &Vote, from: NodeId) -> Result<(), ForgedMessage> {
    is_own(vote, from)?;
    if vote.is_committed() { Ok(()) } else { Err(ForgedMessage::NotElected) }
}

/// Checks that `from` may request a vote.
pub(super) fn candidate(vote: &Vote, from: NodeId) -> Result<(), ForgedMessage> {
    is_own(vote, from)?;
    if vote.is_committed() { Err(ForgedMessage::Elected) } else { Ok(()) }
}

fn is_own(vote: &Vote, from: NodeId) -> Result<(), ForgedMessage> {
    let of = vote.leader_id().voted_for;
    if of == from { Ok(()) } else { Err(ForgedMessage::ForAnother(of, from)) }
}

/// Checks that the terms of a leader's entries never decrease, and never exceed the leader's. Their
/// indexes are contiguous since they were decoded.
pub(super) fn append(request: &AppendEntriesRequest<TypeConfig>, from: NodeId) -> Result<(), ForgedMessage> {
    leader(&request.vote, from)?;
    let mut before = None;
    for id in request.prev_log_id.iter().chain(request.entries.iter().map(|entry| &entry.log_id)) {
        if before > Some(id.leader_id) || id.leader_id.term > request.vote.leader_id().term {
            return Err(ForgedMessage::OutOfOrder(*id));
        }
        before = Some(id.leader_id);
    }
    Ok(())
}

/// Checks a snapshot that was sent under a vote against the last entry committed here.
pub(super) fn snapshot(
    vote: &Vote,
    meta: &SnapshotMeta,
    committed: Option<LogId>,
) -> Result<(), ForgedMessage> {
    let last = meta.last_log_id.ok_or(ForgedMessage::EmptySnapshot)?;
    if last.leader_id.term > vote.leader_id().term {
        return Err(ForgedMessage::OutOfOrder(last));
    }
    match committed {
        Some(committed) if last > committed && last.index <= committed.index => {
            Err(ForgedMessage::Contradiction(last, committed))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        raft_types::{LogEntry, Payload, StoredMembership},
        storage::record::{LeaderRecord, LogIdRecord, VoteRecord},
    };
    use openraft::entry::RaftEntry;

    const HONG: NodeId = NodeId(7);

    fn vote(term: u64, committed: bool) -> Vote {
        VoteRecord { leader: LeaderRecord { term, node: HONG }, committed }.into()
    }

    fn id(term: u64, index: u64) -> LogId {
        LogIdRecord { term, index }.into()
    }

    fn request(terms: &[u64]) -> AppendEntriesRequest<TypeConfig> {
        let ids: Vec<_> = (8..).zip(terms).map(|(index, &term)| id(term, index)).collect();
        AppendEntriesRequest {
            vote: vote(5, true),
            prev_log_id: ids.first().copied(),
            leader_commit: None,
            entries: ids.iter().skip(1).map(|&id| LogEntry::new(id, Payload::Blank)).collect(),
        }
    }

    #[test]
    fn a_node_speaks_for_itself_alone() {
        assert_eq!(leader(&vote(5, true), HONG), Ok(()));
        assert_eq!(leader(&vote(5, true), NodeId(1)), Err(ForgedMessage::ForAnother(HONG, NodeId(1))));
        assert_eq!(leader(&vote(5, false), HONG), Err(ForgedMessage::NotElected));
        assert_eq!(candidate(&vote(5, false), HONG), Ok(()));
        assert_eq!(candidate(&vote(5, false), NodeId(1)), Err(ForgedMessage::ForAnother(HONG, NodeId(1))));
        assert_eq!(candidate(&vote(5, true), HONG), Err(ForgedMessage::Elected));
    }

    #[test]
    fn the_leaders_of_entries_never_go_back_nor_beyond_the_sender() {
        for good in [&[][..], &[5], &[3, 3, 5], &[1, 2, 2, 4]] {
            assert_eq!(append(&request(good), HONG), Ok(()), "{good:?}");
        }
        for (bad, at) in [(&[6][..], id(6, 8)), (&[3, 2], id(2, 9)), (&[3, 5, 6], id(6, 10))] {
            assert_eq!(append(&request(bad), HONG), Err(ForgedMessage::OutOfOrder(at)), "{bad:?}");
        }
    }

    #[test]
    fn a_snapshot_fits_its_vote_and_what_is_committed() {
        let check = |last: Option<LogId>, committed| {
            let meta = SnapshotMeta { last_log_id: last, last_membership: StoredMembership::default() };
            snapshot(&vote(5, true), &meta, committed)
        };
        assert_eq!(check(Some(id(5, 9)), None), Ok(()));
        assert_eq!(check(Some(id(5, 9)), Some(id(5, 8))), Ok(()));
        assert_eq!(
            check(Some(id(4, 9)), Some(id(5, 12))),
            Ok(()),
            "a snapshot older than the state is harmless"
        );
        assert_eq!(check(None, None), Err(ForgedMessage::EmptySnapshot));
        assert_eq!(check(Some(id(6, 9)), None), Err(ForgedMessage::OutOfOrder(id(6, 9))));
        let contradiction = ForgedMessage::Contradiction(id(5, 9), id(4, 9));
        assert_eq!(check(Some(id(5, 9)), Some(id(4, 9))), Err(contradiction));
    }
}
