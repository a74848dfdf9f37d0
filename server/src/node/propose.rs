//! Proposes commands and reports their outcome.
//!
//! Knows no client and no network. Guards the line between *not applied* and
//! *unknown*: only a proposal that openraft rejected before appending it counts
//! as not applied.

use coffee_common::{
    clock,
    command::{Command, Outcome, Proposal},
    feature_level::FeatureLevel,
    id::RequestId,
    protocol::Rejection,
};
use futures_util::{StreamExt, stream::Fuse};
use openraft::{
    base::BoxStream,
    errors::{ClientWriteError, Fatal, ForwardReason, RaftError},
    raft::WriteResult,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{node::replica::Replica, raft_types::TypeConfig};

/// Why a leader that is cut off carries out nothing.
pub const QUORUM_LOST: &str = "the leader has lost contact with the quorum";

/// Why a request to the leader failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposeError {
    /// The request was certainly not applied and can be retried, here or at
    /// another node. The usual reason is that this node is not the leader.
    NotApplied(String),
    /// The request was rejected, or its outcome is unknown.
    Rejected(Rejection),
}

impl From<Rejection> for ProposeError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Proposes a command, stamped with the leader's clock, and waits until it is applied.
pub async fn propose(
    replica: &Replica,
    request: Option<RequestId>,
    command: Command,
    deadline: Instant,
) -> Result<Outcome, ProposeError> {
    if Instant::now() >= deadline {
        return Err(Rejection::Unavailable("the deadline has passed".to_owned()).into());
    }
    check_level(&command, replica.state().level())?;
    let proposal = Proposal { request, proposed_at_ms: clock::now_ms(), command, author: String::new() };
    match timeout_at(deadline, replica.raft().client_write(proposal)).await {
        Ok(Ok(response)) => Ok(response.data),
        Ok(Err(error)) => Err(propose_error(&error)),
        Err(_) => Err(not_committed_in_time()),
    }
}

/// A command of a client.
pub struct AuthoredCommand {
    /// Identifies it.
    pub request: RequestId,
    /// The role and the name of the client.
    pub author: String,
    /// The command.
    pub command: Command,
}

/// Proposes several commands together, stamped with the leader's clock. The level of the cluster must have
/// them: see [`check_level`].
pub async fn propose_all(
    replica: &Replica,
    commands: impl IntoIterator<Item = AuthoredCommand>,
) -> Result<Proposed, ProposeError> {
    let proposed_at_ms = clock::now_ms();
    let proposals = commands.into_iter().map(|AuthoredCommand { request, author, command }| Proposal {
        request: Some(request),
        proposed_at_ms,
        command,
        author,
    });
    match replica.raft().client_write_many(proposals).await {
        Ok(results) => {
            Ok(Proposed { results: results.fuse(), overdue: 0, quorum_lost: replica.quorum_lost() })
        }
        Err(fatal) => Err(propose_error(&RaftError::Fatal(fatal))),
    }
}

/// Refuses a command that the level of the cluster does not have: a member may not know it.
///
/// # Errors
/// The level is lower.
pub fn check_level(command: &Command, level: FeatureLevel) -> Result<(), Rejection> {
    planted!("above-the-level", return Ok(()));
    needs_level(command.level(), level)
}

/// Refuses what the level of the cluster does not have.
///
/// # Errors
/// The level is lower.
pub fn needs_level(needed: FeatureLevel, level: FeatureLevel) -> Result<(), Rejection> {
    if needed <= level {
        return Ok(());
    }
    Err(Rejection::Refused {
        reason: format!("this needs feature level {needed}, and the cluster is at level {level}"),
        hint: "'coffeectl upgrade status' shows what is missing".to_owned(),
    })
}

/// The outcomes of commands that were proposed together, in order.
pub struct Proposed {
    /// Ends early if consensus stops.
    results: Fuse<BoxStream<'static, Result<WriteResult<TypeConfig>, Fatal<TypeConfig>>>>,
    /// The number of next results to skip because their callers were answered without them.
    overdue: usize,
    /// Whether the leader hears no quorum, without which nothing is committed.
    quorum_lost: watch::Receiver<bool>,
}

impl Proposed {
    /// Waits until the next command is applied. Its outcome is unknown from the deadline on,
    /// and once the leader hears no quorum. Cancel safe.
    pub async fn next(&mut self, deadline: Instant) -> Result<Outcome, ProposeError> {
        loop {
            let lost = async {
                // An error means that the replica has gone, and the results with it.
                if self.quorum_lost.wait_for(|lost| *lost).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let result = tokio::select! {
                biased;
                result = timeout_at(deadline, self.results.next()) => {
                    result.map_err(|_| not_committed_in_time())
                }
                () = lost => Err(unknown(QUORUM_LOST)),
            };
            let result = match result {
                Ok(result) => result,
                Err(unknown) => {
                    self.overdue += 1;
                    return Err(unknown);
                }
            };
            if self.overdue > 0 {
                self.overdue -= 1;
                continue;
            }
            return match result {
                Some(Ok(Ok(response))) => Ok(response.response),
                Some(Ok(Err(error))) => Err(propose_error(&RaftError::APIError(error))),
                Some(Err(fatal)) => Err(propose_error(&RaftError::Fatal(fatal))),
                None => Err(propose_error(&RaftError::Fatal(Fatal::Stopped))),
            };
        }
    }
}

/// Converts an error of openraft into the outcome of a proposal.
pub(crate) fn propose_error(error: &RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> ProposeError {
    match error {
        // Rejected before it was appended: this node is not the leader, is handing
        // over, or has had no quorum for longer than the lease.
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => not_appended(forward.reason),
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => {
            ProposeError::NotApplied(format!("membership cannot be changed now: {error}"))
        }
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => {
            unknown("another node became leader before it was committed")
        }
        RaftError::APIError(ClientWriteError::PreconditionFailed(_)) => {
            unknown("membership changed in the meantime")
        }
        RaftError::Fatal(_) => unknown("this node stopped before it was committed"),
    }
}

fn not_appended(reason: ForwardReason) -> ProposeError {
    let retry = |why: &str| ProposeError::NotApplied(why.to_owned());
    match reason {
        ForwardReason::NotLeader => {
            retry("there is no leader: too few voters are up, or an election is under way")
        }
        ForwardReason::LeadershipTransfer => retry("leadership is being handed over"),
        // Not worth a retry here: another node may lead by now.
        ForwardReason::LeaseExpired => Rejection::Unavailable(QUORUM_LOST.to_owned()).into(),
    }
}

/// The outcome of a proposal whose deadline passed before it was committed.
pub(crate) fn not_committed_in_time() -> ProposeError {
    unknown("it was not committed in time")
}

fn unknown(what: &str) -> ProposeError {
    planted!("doubt-hidden", return Rejection::Unavailable(what.to_owned()).into());
    Rejection::Unknown(what.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use coffee_common::id::Revision;
    use openraft::raft::WriteResponse;
    use tokio::sync::mpsc;

    use super::*;
    use crate::storage::record::LogIdRecord;

    type Sent = Result<WriteResult<TypeConfig>, Fatal<TypeConfig>>;

    fn proposed() -> (mpsc::UnboundedSender<Sent>, Proposed) {
        proposed_by(&watch::Sender::new(false))
    }

    fn proposed_by(quorum_lost: &watch::Sender<bool>) -> (mpsc::UnboundedSender<Sent>, Proposed) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let results = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|result| (result, receiver))
        });
        let results: BoxStream<'static, Sent> = Box::pin(results);
        (sender, Proposed { results: results.fuse(), overdue: 0, quorum_lost: quorum_lost.subscribe() })
    }

    fn applied(index: u64) -> Outcome {
        Outcome::Applied { revision: Revision(index), effects: Vec::new() }
    }

    fn result(index: u64) -> Sent {
        Ok(Ok(WriteResponse { log_id: LogIdRecord { term: 1, index }.into(), response: applied(index) }))
    }

    #[test]
    fn what_a_higher_level_brought_is_not_applied() {
        assert_eq!(needs_level(FeatureLevel(2), FeatureLevel(2)), Ok(()));
        let refusal = needs_level(FeatureLevel(2), FeatureLevel(1)).expect_err("a member may not know it");
        assert!(refusal.is_not_applied(), "{refusal:?}");
        assert!(refusal.to_string().contains("this needs feature level 2"), "{refusal}");
    }

    #[tokio::test]
    async fn a_result_that_comes_too_late_is_not_given_to_the_next_caller() {
        let (results, mut proposed) = proposed();
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(60));
        for _ in 0..2 {
            let late = proposed.next(now).await;
            assert!(matches!(late, Err(ProposeError::Rejected(Rejection::Unknown(_)))), "{late:?}");
        }
        for index in 1..=3 {
            results.send(result(index)).expect("the receiver is open");
        }
        assert_eq!(proposed.next(later).await, Ok(applied(3)));
    }

    #[tokio::test]
    async fn a_leader_that_hears_no_quorum_keeps_no_caller_waiting() {
        let quorum_lost = watch::Sender::new(false);
        let (results, mut proposed) = proposed_by(&quorum_lost);
        let later = Instant::now() + Duration::from_secs(60);
        quorum_lost.send_replace(true);
        let cut = proposed.next(later).await;
        assert!(matches!(cut, Err(ProposeError::Rejected(Rejection::Unknown(_)))), "{cut:?}");
        // It was applied after all, like the one after it: each caller gets its own.
        quorum_lost.send_replace(false);
        for index in 1..=2 {
            results.send(result(index)).expect("the receiver is open");
        }
        assert_eq!(proposed.next(later).await, Ok(applied(2)));
    }

    #[tokio::test]
    async fn a_rejected_proposal_is_told_from_an_unknown_one() {
        let (results, mut proposed) = proposed();
        let later = Instant::now() + Duration::from_secs(60);
        let forward = openraft::errors::ForwardToLeader::empty();
        results.send(Ok(Err(ClientWriteError::ForwardToLeader(forward)))).expect("the receiver is open");
        assert!(matches!(proposed.next(later).await, Err(ProposeError::NotApplied(_))));
        drop(results);
        // Every waiting caller gets an answer.
        for _ in 0..2 {
            let stopped = proposed.next(later).await;
            assert!(matches!(stopped, Err(ProposeError::Rejected(Rejection::Unknown(_)))), "{stopped:?}");
        }
    }
}
