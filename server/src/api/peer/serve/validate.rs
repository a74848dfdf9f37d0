//! Validation of messages from members, before they reach Raft.
//!
//! Raft trusts its members: a message that breaks the rules would corrupt its log or make it panic.
//! Pure. Guards that a node acts only for itself: it leads and stands for election under its own id
//! only, in terms and with entries that are possible.

use coffee_common::id::NodeId;
use openraft::raft::{self, AppendEntriesRequest};

use crate::{
    api::peer::bounds::is_far,
    raft_types::{LogId, SnapshotMeta, TypeConfig, Vote},
};

/// Why a message is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ForgedMessage {
    #[error("the message is in the name of node {0}, but comes from node {1}")]
    ForAnother(NodeId, NodeId),
    #[error("the sender leads without having been elected")]
    NotElected,
    #[error("the sender stands for election with a vote that has already won")]
    Elected,
    #[error("term {0} is too far ahead of this node's to be true")]
    FarTerm(u64),
    #[error("no log reaches {0}")]
    FarIndex(LogId),
    #[error("the term of entry {0} is out of order")]
    OutOfOrder(LogId),
    #[error("the snapshot is empty")]
    EmptySnapshot,
    #[error("{0} contradicts the committed entry {1}")]
    Contradiction(LogId, LogId),
    #[error("{0} replaces an entry that is committed, or that the same leader appended")]
    Replacement(LogId),
}

/// The sender of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageSender {
    /// Its id.
    pub(super) id: NodeId,
    /// The highest term of which it may speak.
    pub(super) term_max: u64,
}

/// Checks that the sender leads under a vote.
pub(super) fn leader(vote: &Vote, sender: MessageSender) -> Result<(), ForgedMessage> {
    is_own(vote, sender)?;
    if vote.is_committed() { Ok(()) } else { Err(ForgedMessage::NotElected) }
}

/// Checks that the sender may request a vote, and that its log fits it.
pub(super) fn candidate(
    request: &raft::VoteRequest<TypeConfig>,
    sender: MessageSender,
) -> Result<(), ForgedMessage> {
    let vote = &request.vote;
    is_own(vote, sender)?;
    in_order(&request.last_log_id, vote)?;
    if vote.is_committed() { Err(ForgedMessage::Elected) } else { Ok(()) }
}

fn is_own(vote: &Vote, sender: MessageSender) -> Result<(), ForgedMessage> {
    let (of, term) = (vote.leader_id().voted_for, vote.leader_id().term);
    if of != sender.id {
        return Err(ForgedMessage::ForAnother(of, sender.id));
    }
    if term > sender.term_max { Err(ForgedMessage::FarTerm(term)) } else { Ok(()) }
}

/// Checks an entry, if there is one, of the log of a node that has this vote.
pub(super) fn in_order(entry: &Option<LogId>, vote: &Vote) -> Result<(), ForgedMessage> {
    match entry {
        Some(id) if id.leader_id.term > vote.leader_id().term => Err(ForgedMessage::OutOfOrder(*id)),
        Some(id) if is_far(id) => Err(ForgedMessage::FarIndex(*id)),
        _ => Ok(()),
    }
}

/// Checks that the terms of a leader's entries never decrease, never exceed the leader's, and agree
/// with what it calls committed. Their indexes are contiguous since they were decoded.
pub(super) fn append(
    request: &AppendEntriesRequest<TypeConfig>,
    sender: MessageSender,
) -> Result<(), ForgedMessage> {
    leader(&request.vote, sender)?;
    in_order(&request.leader_commit, &request.vote)?;
    let mut before = None;
    for id in request.prev_log_id.iter().chain(request.entries.iter().map(|entry| &entry.log_id)) {
        in_order(&Some(*id), &request.vote)?;
        if before > Some(id.leader_id) {
            return Err(ForgedMessage::OutOfOrder(*id));
        }
        if let Some(committed) = request.leader_commit.filter(|committed| !in_one_log(*id, *committed)) {
            return Err(ForgedMessage::Contradiction(*id, committed));
        }
        before = Some(id.leader_id);
    }
    Ok(())
}

/// Whether both entries can be in one log, in which terms never decrease (Raft paper, 5.3).
fn in_one_log(a: LogId, b: LogId) -> bool {
    a.index.cmp(&b.index) == a.cmp(&b)
}

/// Checks a snapshot that was sent under a vote against the last entry committed here.
pub(super) fn snapshot(
    vote: &Vote,
    meta: &SnapshotMeta,
    committed: Option<LogId>,
) -> Result<(), ForgedMessage> {
    let last = meta.last_log_id.ok_or(ForgedMessage::EmptySnapshot)?;
    in_order(&Some(last), vote)?;
    in_order(meta.last_membership.log_id(), vote)?;
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
    use crate::api::peer::bounds::term_max;
    use crate::{
        raft_types::{LogEntry, Payload, StoredMembership},
        storage::record::{LeaderRecord, LogIdRecord, VoteRecord},
    };
    use coffee_common::limits::{LOG_INDEX_MAX, TERM_MAX, TERM_STEP_MAX};
    use openraft::entry::RaftEntry;

    const HONG: NodeId = NodeId(7);

    fn vote(term: u64, committed: bool) -> Vote {
        VoteRecord { leader: LeaderRecord { term, node: HONG }, committed }.into()
    }

    fn id(term: u64, index: u64) -> LogId {
        LogIdRecord { term, index }.into()
    }

    fn sender(id: NodeId) -> MessageSender {
        MessageSender { id, term_max: term_max(Some(5)) }
    }

    fn candidate(vote: Vote, id: NodeId) -> Result<(), ForgedMessage> {
        super::candidate(&raft::VoteRequest::new(vote, None), sender(id))
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
        assert_eq!(leader(&vote(5, true), sender(HONG)), Ok(()));
        assert_eq!(
            leader(&vote(5, true), sender(NodeId(1))),
            Err(ForgedMessage::ForAnother(HONG, NodeId(1)))
        );
        assert_eq!(leader(&vote(5, false), sender(HONG)), Err(ForgedMessage::NotElected));
        assert_eq!(candidate(vote(5, false), HONG), Ok(()));
        assert_eq!(candidate(vote(5, false), NodeId(1)), Err(ForgedMessage::ForAnother(HONG, NodeId(1))));
        assert_eq!(candidate(vote(5, true), HONG), Err(ForgedMessage::Elected));
    }

    #[test]
    fn the_leaders_of_entries_never_go_back_nor_beyond_the_sender() {
        for good in [&[][..], &[5], &[3, 3, 5], &[1, 2, 2, 4]] {
            assert_eq!(append(&request(good), sender(HONG)), Ok(()), "{good:?}");
        }
        for (bad, at) in [(&[6][..], id(6, 8)), (&[3, 2], id(2, 9)), (&[3, 5, 6], id(6, 10))] {
            assert_eq!(append(&request(bad), sender(HONG)), Err(ForgedMessage::OutOfOrder(at)), "{bad:?}");
        }
    }

    #[test]
    fn no_node_speaks_of_terms_that_no_election_reached() {
        let last = 5 + TERM_STEP_MAX;
        assert_eq!(leader(&vote(last, true), sender(HONG)), Ok(()));
        for far in [last + 1, TERM_MAX, u64::MAX] {
            assert_eq!(leader(&vote(far, true), sender(HONG)), Err(ForgedMessage::FarTerm(far)));
            assert_eq!(candidate(vote(far, false), HONG), Err(ForgedMessage::FarTerm(far)));
        }
        let new = MessageSender { id: HONG, term_max: term_max(None) };
        assert_eq!(leader(&vote(last + 1, true), new), Ok(()), "a new node knows no term");
        assert_eq!(leader(&vote(TERM_MAX + 1, true), new), Err(ForgedMessage::FarTerm(TERM_MAX + 1)));
    }

    #[test]
    fn indexes_leave_room_for_entries() {
        let far = id(3, LOG_INDEX_MAX + 1);
        let wrong = Err(ForgedMessage::FarIndex(far));
        let with = |previous, committed| {
            let mut request = request(&[]);
            (request.prev_log_id, request.leader_commit) = (previous, committed);
            append(&request, sender(HONG))
        };
        assert_eq!(with(Some(far), None), wrong);
        assert_eq!(with(None, Some(far)), wrong);
        assert_eq!(with(None, Some(id(6, 8))), Err(ForgedMessage::OutOfOrder(id(6, 8))));
        let request = raft::VoteRequest::new(vote(5, false), Some(far));
        assert_eq!(super::candidate(&request, sender(HONG)), wrong);
    }

    /// Raft compares terms first: it would commit more than there is.
    #[test]
    fn entries_agree_with_what_their_leader_says_is_committed() {
        let check = |terms: &[u64], committed| {
            let mut request = request(terms);
            request.leader_commit = Some(committed);
            append(&request, sender(HONG))
        };
        for committed in [id(1, 2), id(3, 7), id(3, 8), id(3, 9), id(4, 10), id(4, 11), id(5, 30)] {
            assert_eq!(check(&[3, 3, 4], committed), Ok(()), "8 and 9 of term 3, 10 of term 4: {committed}");
        }
        for (committed, at) in [
            (id(2, 30), id(3, 8)),
            (id(3, 11), id(4, 10)),
            (id(4, 8), id(3, 8)),
            (id(4, 9), id(3, 9)),
            (id(4, 7), id(3, 8)),
        ] {
            let wrong = Err(ForgedMessage::Contradiction(at, committed));
            assert_eq!(check(&[3, 3, 4], committed), wrong, "{committed}");
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
        let far = id(5, u64::MAX);
        assert_eq!(check(Some(far), None), Err(ForgedMessage::FarIndex(far)));
        assert_eq!(check(Some(id(6, 9)), None), Err(ForgedMessage::OutOfOrder(id(6, 9))));
        let contradiction = ForgedMessage::Contradiction(id(5, 9), id(4, 9));
        assert_eq!(check(Some(id(5, 9)), Some(id(4, 9))), Err(contradiction));
    }
}
