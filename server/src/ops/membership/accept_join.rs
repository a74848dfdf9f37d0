//! Accepts joining nodes: gives each a new id, adds it as a learner, then makes it a voter.

use coffee_common::{
    command::{Command, MemberState, Outcome},
    id::{Address, NodeId, NodeName},
    protocol::{Rejection, Response},
};
use openraft::async_runtime::WatchReceiver;
use tokio::time::timeout_at;

use super::{
    Leading,
    decide::{JoinVerdict, may_join, may_promote, refused},
    leader_view::{LeaderView, find_id},
    no_longer_leader, retryable,
};
use crate::{
    node::propose::{ProposeError, propose},
    raft_types::Member,
};

impl Leading {
    /// Gives a node without data a new id. Removes an earlier incarnation first: it
    /// has lost the record of its votes and must never vote again.
    pub(super) async fn accept_join(
        &self,
        name: &NodeName,
        address: &Address,
    ) -> Result<Response, ProposeError> {
        let guard = self.lock_changes().await?;
        let records = self.records()?;
        match self.decide(|view| may_join(view, &records, name)).await? {
            JoinVerdict::Accept => {}
            JoinVerdict::RemoveOldFirst(old) => {
                tracing::info!(node = %name, id = %old, "removing the old incarnation of a node that lost its data");
                guard.remove_node(old).await?;
            }
        }
        let command = Command::AdmitNode { name: name.clone(), address: address.clone() };
        match propose(&self.replica, None, command, self.deadline).await? {
            Outcome::NodeAdmitted(id) => {
                tracing::info!(node = %name, %address, %id, "join accepted");
                Ok(Response::Admitted { cluster: self.replica.cluster(), id })
            }
            _ => Err(refused(
                "the cluster cannot record any more nodes".to_owned(),
                "remove nodes that are shut down: coffeectl node remove NODE".to_owned(),
            )
            .into()),
        }
    }

    /// Adds a node as a learner, waits until it has caught up, and makes it a voter.
    pub(super) async fn promote(&self, id: NodeId) -> Result<Response, ProposeError> {
        let records = self.records()?;
        let record = find_id(&records, id).filter(|record| record.standing != MemberState::Shutdown);
        let Some(record) = record else {
            return Err(Rejection::NotFound(format!("the cluster has no record of node {id}")).into());
        };
        if !self.view().is_member(id) {
            let member = Member { name: record.name.clone(), address: record.address.clone() };
            tracing::info!(node = %record.name, %id, "adding a learner");
            self.lock_changes().await?.add_learner(id, member).await?;
        }
        let changed = !self.view().votes(id);
        if changed {
            self.caught_up(id).await?;
            let guard = self.lock_changes().await?;
            tracing::info!(node = %record.name, %id, "learner has caught up, making it a voter");
            guard.add_voter(id).await?;
        }
        if record.standing != MemberState::Member {
            self.record_state(&record.name, id, Some(MemberState::Member)).await?;
        }
        Ok(Response::Done { changed })
    }

    /// Waits until a learner may become a voter.
    async fn caught_up(&self, id: NodeId) -> Result<(), ProposeError> {
        let mut changes = self.replica.raft().metrics();
        loop {
            let verdict = {
                let metrics = changes.borrow_and_update();
                if !metrics.state.is_leader() {
                    return Err(no_longer_leader());
                }
                may_promote(&LeaderView::of(&metrics, self.node.lease(), self.node.lease()), id)
            };
            let Err(why) = verdict else { return Ok(()) };
            match timeout_at(self.deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(ProposeError::NotApplied("this node is stopping".to_owned())),
                Err(_) => return Err(retryable(why)),
            }
        }
    }
}
