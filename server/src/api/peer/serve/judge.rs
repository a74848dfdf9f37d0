//! What no member sends that keeps to the rules: refused before Raft sees it,
//! which takes its members' word and would corrupt its log, or panic.
//!
//! Pure. A node may speak for itself alone: it leads and stands for election
//! under its own id, whatever the certificate would let it claim.

use coffee_common::id::NodeId;
use openraft::raft::AppendEntriesRequest;

use crate::raft_types::{LogId, SnapshotMeta, TypeConfig, Vote};

/// How a message breaks the rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Forged {
    #[error("it speaks for node {0}, and comes from node {1}")]
    ForAnother(NodeId, NodeId),
    #[error("it leads without having been elected")]
    NotElected,
    #[error("it stands for election, and says that it has won")]
    Elected,
    #[error("entry {0} is of another leader's time than its place allows")]
    OutOfOrder(LogId),
    #[error("the snapshot holds nothing")]
    EmptySnapshot,
    #[error("the snapshot ends with {0}, which contradicts what is committed here: {1}")]
    Contradiction(LogId, LogId),
}

/// A vote under which `from` leads.
pub(super) fn leads(vote: &Vote, from: NodeId) -> Result<(), Forged> {
    is_own(vote, from)?;
    if vote.is_committed() { Ok(()) } else { Err(Forged::NotElected) }
}

/// A vote that `from` asks for.
pub(super) fn stands(vote: &Vote, from: NodeId) -> Result<(), Forged> {
    is_own(vote, from)?;
    if vote.is_committed() { Err(Forged::Elected) } else { Ok(()) }
}

fn is_own(vote: &Vote, from: NodeId) -> Result<(), Forged> {
    let of = vote.leader_id().voted_for;
    if of == from { Ok(()) } else { Err(Forged::ForAnother(of, from)) }
}

/// Entries of a leader: their terms never go back, nor beyond their sender.
/// That their indexes are without holes is known since they were decoded.
pub(super) fn append(request: &AppendEntriesRequest<TypeConfig>, from: NodeId) -> Result<(), Forged> {
    leads(&request.vote, from)?;
    let mut before = None;
    for id in request.prev_log_id.iter().chain(request.entries.iter().map(|entry| &entry.log_id)) {
        if before > Some(id.leader_id) || id.leader_id.term > request.vote.leader_id().term {
            return Err(Forged::OutOfOrder(*id));
        }
        before = Some(id.leader_id);
    }
    Ok(())
}

/// A snapshot that is sent under a vote, where this node has committed so much.
pub(super) fn snapshot(vote: &Vote, meta: &SnapshotMeta, committed: Option<LogId>) -> Result<(), Forged> {
    let last = meta.last_log_id.ok_or(Forged::EmptySnapshot)?;
    if last.leader_id.term > vote.leader_id().term {
        return Err(Forged::OutOfOrder(last));
    }
    match committed {
        Some(committed) if last > committed && last.index <= committed.index => {
            Err(Forged::Contradiction(last, committed))
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
        assert_eq!(leads(&vote(5, true), HONG), Ok(()));
        assert_eq!(leads(&vote(5, true), NodeId(1)), Err(Forged::ForAnother(HONG, NodeId(1))));
        assert_eq!(leads(&vote(5, false), HONG), Err(Forged::NotElected));
        assert_eq!(stands(&vote(5, false), HONG), Ok(()));
        assert_eq!(stands(&vote(5, false), NodeId(1)), Err(Forged::ForAnother(HONG, NodeId(1))));
        assert_eq!(stands(&vote(5, true), HONG), Err(Forged::Elected));
    }

    #[test]
    fn the_leaders_of_entries_never_go_back_nor_beyond_the_sender() {
        for good in [&[][..], &[5], &[3, 3, 5], &[1, 2, 2, 4]] {
            assert_eq!(append(&request(good), HONG), Ok(()), "{good:?}");
        }
        for (bad, at) in [(&[6][..], id(6, 8)), (&[3, 2], id(2, 9)), (&[3, 5, 6], id(6, 10))] {
            assert_eq!(append(&request(bad), HONG), Err(Forged::OutOfOrder(at)), "{bad:?}");
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
        assert_eq!(check(Some(id(4, 9)), Some(id(5, 12))), Ok(()), "older than what is here does no harm");
        assert_eq!(check(None, None), Err(Forged::EmptySnapshot));
        assert_eq!(check(Some(id(6, 9)), None), Err(Forged::OutOfOrder(id(6, 9))));
        let contradiction = Forged::Contradiction(id(5, 9), id(4, 9));
        assert_eq!(check(Some(id(5, 9)), Some(id(4, 9))), Err(contradiction));
    }
}
