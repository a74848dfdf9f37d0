//! Puts a command into the log, and says honestly what came of it.
//!
//! Knows no client and no network. Guards the line between *certainly not
//! done* and *unknown*: only a proposal that the consensus library turned away
//! before appending it counts as not done.

use coffee_common::{
    clock,
    command::{Command, Outcome, Proposal},
    id::RequestId,
    protocol::Rejection,
};
use openraft::errors::{ClientWriteError, ForwardReason, RaftError};
use tokio::time::{Instant, timeout_at};

use crate::{replica::Replica, types::TypeConfig};

/// Why something that only the leader does was not done here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// Certainly nothing was done, and another try, here or elsewhere, may go
    /// better: mostly since this node does not lead at the moment.
    NotDone(String),
    /// It was refused, or its outcome is unknown.
    Rejected(Rejection),
}

impl From<Rejection> for Miss {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Proposes a command under the leader's clock, and waits until it is applied.
pub async fn propose(
    replica: &Replica,
    request: Option<RequestId>,
    command: Command,
    deadline: Instant,
) -> Result<Outcome, Miss> {
    if Instant::now() >= deadline {
        return Err(Rejection::Unavailable("the time is over".to_owned()).into());
    }
    let proposal = Proposal { request, proposed_at_ms: clock::now_ms(), command };
    match timeout_at(deadline, replica.raft().client_write(proposal)).await {
        Ok(Ok(response)) => Ok(response.data),
        Ok(Err(error)) => Err(miss(&error)),
        Err(_) => Err(unknown("it was not committed in time")),
    }
}

/// What an error of the consensus library says of a proposal's fate.
pub(crate) fn miss(error: &RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> Miss {
    match error {
        // Turned away before it was appended: not the leader, handing over, or
        // without a quorum for longer than the lease.
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
            Miss::NotDone(why_not(forward.reason).to_owned())
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => {
            Miss::NotDone(format!("membership cannot be changed now: {error}"))
        }
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => {
            unknown("another node took over the lead before it was committed")
        }
        RaftError::APIError(ClientWriteError::PreconditionFailed(_)) => {
            unknown("membership changed meanwhile")
        }
        RaftError::Fatal(_) => unknown("this node stopped before it was committed"),
    }
}

fn why_not(reason: ForwardReason) -> &'static str {
    match reason {
        ForwardReason::NotLeader => "there is no leader: too few voters are up, or an election is under way",
        ForwardReason::LeadershipTransfer => "leadership is being handed over",
        ForwardReason::LeaseExpired => "the leader has lost touch with the quorum",
    }
}

fn unknown(what: &str) -> Miss {
    planted!("doubt-hidden", return Rejection::Unavailable(what.to_owned()).into());
    Rejection::Unknown(what.to_owned()).into()
}
