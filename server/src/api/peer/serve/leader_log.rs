//! The log of the leader that this node follows, as far as its messages show it.
//!
//! A leader never replaces entries of its own log (Raft paper, figure 3), and the log of every
//! leader contains what is committed. Raft relies on both, and on a leader that calls only entries
//! committed that are in its log: otherwise it would commit what its own log does not contain.
//! Guards that the messages of a term show one log, and lets one message at a time reach Raft, since
//! a member may send on several streams. A message that continues the log is checked from memory;
//! any other is checked in Raft's task, against its state after all messages before.

use std::{cmp::Ordering, sync::Arc};

use openraft::{RaftState, async_runtime::WatchReceiver};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{ServeError, validate::ForgedMessage};
use crate::{
    api::peer::wire::RaftAppendRequest,
    node::raft::Raft,
    raft_types::{LogId, TypeConfig, Vote},
};

/// The part of the leader's log that its messages showed. Clones share it. Lives as long as this node's
/// Raft.
#[derive(Debug, Clone, Default)]
pub struct LeaderLog(Arc<Mutex<KnownLog>>);

/// Lets the next message pass when dropped, which must not be before Raft has the admitted one.
pub(super) type Admission = OwnedMutexGuard<KnownLog>;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KnownLog {
    /// The vote of the leader; `None` before its first message.
    vote: Option<Vote>,
    /// The last entry that both logs contain for sure.
    last: Option<LogId>,
    /// The last entry that was committed. Both logs contain it.
    committed: Option<LogId>,
}

/// This node's own log.
struct OwnLog<'a> {
    vote: Vote,
    committed: Option<LogId>,
    /// Returns the entry at an index.
    at: &'a dyn Fn(u64) -> Option<LogId>,
}

impl LeaderLog {
    /// Checks a message that [`super::validate::append`] has accepted, after those before it have
    /// reached Raft. Returns it as Raft can take it: with a commit index that its entries reach.
    pub(super) async fn admit(
        &self,
        raft: &Raft,
        mut request: RaftAppendRequest,
    ) -> Result<(RaftAppendRequest, Admission), ServeError> {
        let mut known = Arc::clone(&self.0).lock_owned().await;
        let vote = raft.server_metrics().borrow_watched().vote;
        // Later than the last entry known if a snapshot was installed.
        let committed = raft.data_metrics().borrow_watched().local_committed;
        let is_current = vote == request.vote && committed <= known.last;
        if is_current && known.is_continued_by(&request) {
            known.extend(&mut request);
            return Ok((request, known));
        }
        let before = *known;
        let check = raft.with_raft_state(move |state| {
            let own = OwnLog {
                vote: *state.vote_ref(),
                committed: state.local_committed().copied(),
                at: &|index| state.log_ids.get(index),
            };
            before.followed_by(&own, request)
        });
        (*known, request) = check.await.map_err(ServeError::stopped)??;
        Ok((request, known))
    }
}

/// Waits until Raft has taken a snapshot, which reaches it apart from the messages.
pub(super) async fn until_taken(raft: &Raft, vote: Vote, last: Option<LogId>) {
    let taken = move |state: &RaftState<TypeConfig>| {
        state.local_committed() >= last.as_ref() || is_rejected(&vote, state.vote_ref())
    };
    // Raft answers unless it has stopped.
    while let Ok(false) = raft.with_raft_state(taken).await {}
}

impl KnownLog {
    /// Whether the message begins where the log ends, and calls nothing committed that is not in it.
    fn is_continued_by(&self, request: &RaftAppendRequest) -> bool {
        let in_log = |commit: LogId, last: LogId| {
            let in_last_term = |known: LogId| known.leader_id == last.leader_id && known <= commit;
            commit.index >= last.index
                || self.committed == Some(commit)
                || self.committed.is_some_and(in_last_term)
        };
        self.vote == Some(request.vote)
            && self.last == request.prev_log_id
            && request.leader_commit.zip(self.last).is_none_or(|(commit, last)| in_log(commit, last))
    }

    /// Appends the entries of a message, and lowers its commit index to the last entry: a later
    /// message brings the others, and a commit index that is as high.
    fn extend(&mut self, request: &mut RaftAppendRequest) {
        self.last = later(self.last, ids(request).last());
        request.leader_commit = request
            .leader_commit
            .zip(self.last)
            .map(|(commit, last)| if commit.index < last.index { commit } else { last });
        self.committed = request.leader_commit.or(self.committed);
    }

    /// Returns the message, and what is known after it, if `own` can follow its log.
    fn followed_by(
        mut self,
        own: &OwnLog<'_>,
        mut request: RaftAppendRequest,
    ) -> Result<(Self, RaftAppendRequest), ForgedMessage> {
        // Raft rejects some messages, but still believes what they call committed.
        let commit = request.leader_commit.take();
        if is_rejected(&request.vote, &own.vote) {
            return Ok((self, request));
        }
        let appended = self.last.filter(|last| self.vote == Some(request.vote) && own.contains(last));
        let last = later(appended, own.committed);
        for id in ids(&request).filter(|id| last.is_some_and(|last| id.index <= last.index)) {
            if !own.contains(&id) {
                return Err(ForgedMessage::Replacement(id));
            }
        }
        self = Self { vote: Some(request.vote), last, committed: own.committed };
        if request.prev_log_id.is_some_and(|previous| !own.contains(&previous)) {
            return Ok((self, request));
        }
        let end = later(last, ids(&request).last());
        if let (Some(commit), Some(end)) = (commit, end) {
            let beyond = commit.index > end.index && commit > end;
            if !beyond && !own.contains(&commit) && ids(&request).all(|id| id != commit) {
                return Err(ForgedMessage::Contradiction(end, commit));
            }
        }
        request.leader_commit = commit;
        self.extend(&mut request);
        Ok((self, request))
    }
}

impl OwnLog<'_> {
    /// Whether the log contains the entry. It may have purged entries that are committed: all that
    /// can be told of those is that terms never decrease.
    fn contains(&self, id: &LogId) -> bool {
        match self.committed {
            Some(committed) if id.index <= committed.index => *id <= committed,
            _ => (self.at)(id.index) == Some(*id),
        }
    }
}

/// The entry before those of a message, and those.
fn ids(request: &RaftAppendRequest) -> impl DoubleEndedIterator<Item = LogId> {
    request.prev_log_id.into_iter().chain(request.entries.iter().map(|entry| entry.log_id))
}

/// Whether Raft rejects messages of the leader with this vote. Votes of one term are not ordered.
fn is_rejected(vote: &Vote, own: &Vote) -> bool {
    vote.partial_cmp(own).is_none_or(Ordering::is_lt)
}

fn later(a: Option<LogId>, b: Option<LogId>) -> Option<LogId> {
    a.into_iter().chain(b).max_by_key(|id| id.index)
}

#[cfg(test)]
mod tests {
    use coffee_common::id::NodeId;
    use openraft::entry::RaftEntry;

    use super::*;
    use crate::{
        raft_types::{LogEntry, Payload},
        storage::record::{LeaderRecord, LogIdRecord, VoteRecord},
    };

    fn vote(term: u64) -> Vote {
        VoteRecord { leader: LeaderRecord { term, node: NodeId(7) }, committed: true }.into()
    }

    fn id((term, index): (u64, u64)) -> LogId {
        LogIdRecord { term, index }.into()
    }

    fn request(
        term: u64,
        previous: (u64, u64),
        terms: &[u64],
        commit: Option<(u64, u64)>,
    ) -> RaftAppendRequest {
        let entries = (previous.1 + 1..).zip(terms);
        RaftAppendRequest {
            vote: vote(term),
            prev_log_id: Some(id(previous)),
            leader_commit: commit.map(id),
            entries: entries.map(|(index, &term)| LogEntry::new(id((term, index)), Payload::Blank)).collect(),
        }
    }

    /// A log with entries 0 to 5 of which the first three are committed and the first two purged, at
    /// a node that follows a leader of term 5 whose last known entry is (3, 4).
    fn follow(request: RaftAppendRequest) -> Result<(Option<LogId>, Option<LogId>), ForgedMessage> {
        let terms = [1, 1, 2, 2, 3, 3];
        let at = |index: u64| {
            let term = terms.get(usize::try_from(index).ok()?).filter(|_| index > 0)?;
            Some(id((*term, index)))
        };
        let own = OwnLog { vote: vote(5), committed: Some(id((2, 2))), at: &at };
        let known = KnownLog { vote: Some(vote(5)), last: Some(id((3, 4))), committed: None };
        let (known, request) = known.followed_by(&own, request)?;
        Ok((known.last, request.leader_commit))
    }

    fn follows(
        last: (u64, u64),
        commit: Option<(u64, u64)>,
    ) -> Result<(Option<LogId>, Option<LogId>), ForgedMessage> {
        Ok((Some(id(last)), commit.map(id)))
    }

    #[test]
    fn a_message_extends_the_log_or_repeats_it() {
        assert_eq!(follow(request(5, (3, 4), &[4, 5], None)), follows((5, 6), None), "replaces (3, 5)");
        assert_eq!(follow(request(5, (2, 3), &[3], Some((2, 3)))), follows((3, 4), Some((2, 3))));
        assert_eq!(
            follow(request(5, (1, 0), &[1, 2], Some((1, 0)))),
            follows((3, 4), Some((1, 0))),
            "purged"
        );
        for (previous, terms, at) in [
            ((3, 3), &[][..], (3, 3)),
            ((2, 3), &[4], (4, 4)),
            ((3, 1), &[], (3, 1)),
            ((1, 0), &[1, 3], (3, 2)),
        ] {
            let replaced = Err(ForgedMessage::Replacement(id(at)));
            assert_eq!(follow(request(5, previous, terms, None)), replaced, "{previous:?} {terms:?}");
        }
    }

    #[test]
    fn a_new_leader_replaces_what_is_not_committed() {
        assert_eq!(follow(request(6, (2, 3), &[6], Some((6, 4)))), follows((6, 4), Some((6, 4))));
        assert_eq!(follow(request(6, (4, 3), &[], Some((4, 3)))), follows((2, 2), None), "conflicts");
        assert_eq!(follow(request(6, (1, 1), &[3], None)), Err(ForgedMessage::Replacement(id((3, 2)))));
        assert_eq!(follow(request(4, (3, 4), &[4], Some((4, 5)))), follows((3, 4), None), "is rejected");
    }

    #[test]
    fn a_commit_index_is_that_of_an_entry_in_the_log() {
        assert_eq!(follow(request(5, (3, 4), &[5], Some((5, 9)))), follows((5, 5), Some((5, 5))), "lowered");
        assert_eq!(follow(request(5, (3, 4), &[], Some((3, 5)))), follows((3, 4), Some((3, 4))), "lowered");
        for commit in [(1, 3), (3, 3), (2, 9)] {
            let contradiction = Err(ForgedMessage::Contradiction(id((3, 4)), id(commit)));
            assert_eq!(follow(request(5, (3, 4), &[], Some(commit))), contradiction, "{commit:?}");
        }
    }

    #[test]
    fn what_continues_the_log_is_checked_from_memory() {
        let known = KnownLog { vote: Some(vote(5)), last: Some(id((3, 8))), committed: Some(id((3, 6))) };
        for (commit, in_memory) in
            [((3, 6), true), ((3, 7), true), ((3, 8), true), ((5, 9), true), ((3, 5), false), ((2, 5), false)]
        {
            let request = request(5, (3, 8), &[5], Some(commit));
            assert_eq!(known.is_continued_by(&request), in_memory, "{commit:?}");
        }
        assert!(known.is_continued_by(&request(5, (3, 8), &[], None)));
        assert!(!known.is_continued_by(&request(6, (3, 8), &[], None)), "another leader");
        assert!(!known.is_continued_by(&request(5, (3, 7), &[3], None)), "known already");
        let older = KnownLog { committed: Some(id((2, 4))), ..known };
        assert!(!older.is_continued_by(&request(5, (3, 8), &[], Some((3, 5)))), "4 and 5 may be of term 2");
    }
}
