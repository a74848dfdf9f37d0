//! Membership changes: one at a time, each settled before the next.
//!
//! openraft writes two entries for a change of voters. A leader that fails between
//! the two leaves joint consensus in place: safe, but slower, and it needs a quorum
//! of both sets. The next change finishes it first, and a new leader finishes it at
//! once (see [`super::resume`]).

use std::{collections::BTreeSet, sync::Arc};

use coffee_common::{
    id::{NodeId, Revision},
    protocol::Rejection,
};
use openraft::ChangeMembers;
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout_at},
};

use super::Leading;
use crate::{
    node::{
        propose::{ProposeError, QUORUM_LOST, propose_error},
        replica::Replica,
    },
    ops::progress::OperationProgress,
    raft_types::Member,
};

/// Exclusive access to the membership, which is settled. The only way to change it.
pub(super) struct ChangeGuard {
    replica: Arc<Replica>,
    progress: Arc<OperationProgress>,
    deadline: Instant,
    guard: Arc<OwnedMutexGuard<()>>,
}

impl Leading {
    /// Waits for exclusive access to the membership and finishes an incomplete
    /// earlier change.
    pub(super) async fn lock_changes(&self) -> Result<ChangeGuard, ProposeError> {
        let late = |_| ProposeError::NotApplied("another membership change is in progress".to_owned());
        let lock = Arc::clone(&self.change_lock).lock_owned();
        let guard = Arc::new(timeout_at(self.deadline, lock).await.map_err(late)?);
        let guard = ChangeGuard {
            replica: Arc::clone(&self.replica),
            progress: Arc::clone(&self.progress),
            deadline: self.deadline,
            guard,
        };
        timeout_at(self.deadline, guard.committed()).await.map_err(late)??;
        timeout_at(self.deadline, guard.settled()).await.map_err(late)??;
        if self.replica.membership().get_joint_config().len() > 1 {
            tracing::info!("finishing an incomplete membership change");
            guard.change(ChangeMembers::AddVoterIds(BTreeSet::new())).await?;
        }
        Ok(guard)
    }
}

impl ChangeGuard {
    /// Waits until the current membership is committed.
    async fn committed(&self) -> Result<(), ProposeError> {
        let mut leads = true;
        self.replica
            .until(|metrics| {
                leads = metrics.state.is_leader();
                !leads || metrics.membership_config.log_id() == metrics.committed_membership_config.log_id()
            })
            .await;
        if leads { Ok(()) } else { Err(super::no_longer_leader()) }
    }

    /// Waits until all that the log has now is applied. The record of a removal may be in it, whose
    /// caller gave up: the records of the nodes do not show it yet.
    async fn settled(&self) -> Result<(), ProposeError> {
        let last = self.replica.metrics().last_log_index.unwrap_or(0);
        let mut lost = self.replica.quorum_lost();
        tokio::select! {
            () = self.replica.state().wait_applied(Revision(last)) => Ok(()),
            _ = self.replica.until(|metrics| !metrics.state.is_leader()) => Err(super::no_longer_leader()),
            _ = lost.wait_for(|lost| *lost) => Err(ProposeError::NotApplied(QUORUM_LOST.to_owned())),
        }
    }

    /// Adds a node as a learner.
    pub(super) async fn add_learner(&self, id: NodeId, member: Member) -> Result<(), ProposeError> {
        self.progress.step(self.change(ChangeMembers::AddNodes([(id, member)].into())).await)
    }

    /// Makes a learner a voter.
    pub(super) async fn add_voter(&self, id: NodeId) -> Result<(), ProposeError> {
        self.progress.step(self.change(ChangeMembers::AddVoterIds([id].into())).await)
    }

    /// Sets the name and address of a member.
    pub(super) async fn set_member(&self, id: NodeId, member: Member) -> Result<(), ProposeError> {
        self.progress.step(self.change(ChangeMembers::SetNodes([(id, member)].into())).await)
    }

    /// Removes a node, voter or learner.
    pub(super) async fn remove_node(&self, id: NodeId) -> Result<(), ProposeError> {
        let votes = self.replica.membership().voter_ids().any(|voter| voter == id);
        let change = if votes {
            ChangeMembers::RemoveVoters([id].into())
        } else {
            ChangeMembers::RemoveNodes([id].into())
        };
        self.progress.step(self.change(change).await)
    }

    /// Makes a change and waits until it is settled. If the caller stops waiting,
    /// the change continues and keeps the lock until it ends.
    async fn change(&self, change: ChangeMembers<NodeId, Member>) -> Result<(), ProposeError> {
        let (replica, guard) = (Arc::clone(&self.replica), Arc::clone(&self.guard));
        let task = tokio::spawn(async move {
            let result = settle(&replica, change).await;
            drop(guard);
            result
        });
        let unknown =
            |what: &str| ProposeError::Rejected(Rejection::Unknown(format!("the membership {what}")));
        match timeout_at(self.deadline, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(unknown("was changing when this node stopped")),
            Err(_) => Err(unknown("is changing and was not settled in time")),
        }
    }
}

/// Makes a change. Its error says *not applied* only if openraft rejected the first of
/// its entries: the second one is rejected after the first has been committed.
async fn settle(replica: &Replica, change: ChangeMembers<NodeId, Member>) -> Result<(), ProposeError> {
    let before = replica.membership_at().await;
    let Err(error) = replica.raft().change_membership(change, false).await else { return Ok(()) };
    let untouched = before.is_some() && before == replica.membership_at().await;
    Err(ended(propose_error(&error), untouched))
}

/// Returns the error of a change that did not end well; `untouched` if none of its entries was
/// appended.
fn ended(error: ProposeError, untouched: bool) -> ProposeError {
    match error {
        ProposeError::NotApplied(why) | ProposeError::Rejected(Rejection::Unavailable(why)) if !untouched => {
            Rejection::Unknown(format!("the membership is changing: {why}")).into()
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_without_an_entry_was_certainly_not_applied() {
        let why = || QUORUM_LOST.to_owned();
        // openraft rejects the second entry with either, after it has committed the first.
        for error in [ProposeError::NotApplied(why()), Rejection::Unavailable(why()).into()] {
            assert_eq!(ended(error.clone(), true), error);
            let doubt = ended(error, false);
            assert!(matches!(doubt, ProposeError::Rejected(Rejection::Unknown(_))), "{doubt:?}");
        }
    }
}
