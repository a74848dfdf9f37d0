//! Lets nodes in: under a new id, as learners, then as voters.

use coffee_common::{
    command::{Command, MemberState, Outcome},
    id::{Address, NodeId, NodeName},
    protocol::{Rejection, Response},
};
use openraft::async_runtime::WatchReceiver;
use tokio::time::timeout_at;

use super::{
    Leading, again,
    decide::{JoinVerdict, may_join, may_promote, refused},
    leader_view::{LeaderView, find_id},
};
use crate::{
    node::propose::{ProposeError, propose},
    raft_types::Member,
};

impl Leading {
    /// Gives a node without data an id. An earlier incarnation of it is taken
    /// out first: it has lost its vote's memory, and must never vote again.
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
                tracing::info!(node = %name, id = %old, "taking out a node that comes back without its data");
                guard.remove_node(old).await?;
            }
        }
        let command = Command::AdmitNode { name: name.clone(), address: address.clone() };
        match propose(&self.replica, None, command, self.deadline).await? {
            Outcome::NodeAdmitted(id) => {
                tracing::info!(node = %name, %address, %id, "admitted");
                Ok(Response::Admitted { cluster: self.replica.cluster(), id })
            }
            _ => Err(refused(
                "the cluster keeps no more records of nodes".to_owned(),
                "forget some that are shut down: coffeectl node remove NODE".to_owned(),
            )
            .into()),
        }
    }

    /// Makes a node a learner, waits until it has caught up, and gives it a vote.
    pub(super) async fn promote(&self, id: NodeId) -> Result<Response, ProposeError> {
        let records = self.records()?;
        let record = find_id(&records, id).filter(|record| record.standing != MemberState::Shutdown);
        let Some(record) = record else {
            return Err(Rejection::NotFound(format!("node {id} is not, or no longer, on record")).into());
        };
        if !self.view().is_member(id) {
            let member = Member { name: record.name.clone(), address: record.address.clone() };
            tracing::info!(node = %record.name, %id, "a learner is let in");
            self.lock_changes().await?.add_learner(id, member).await?;
        }
        let changed = !self.view().votes(id);
        if changed {
            self.caught_up(id).await?;
            let guard = self.lock_changes().await?;
            tracing::info!(node = %record.name, %id, "a learner has caught up and gets a vote");
            guard.add_voter(id).await?;
        }
        if record.standing != MemberState::Member {
            self.mark(&record.name, id, Some(MemberState::Member)).await?;
        }
        Ok(Response::Done { changed })
    }

    /// Waits until a learner may get a vote.
    async fn caught_up(&self, id: NodeId) -> Result<(), ProposeError> {
        let mut changes = self.replica.raft().metrics();
        loop {
            let verdict = {
                let metrics = changes.borrow_and_update();
                if !metrics.state.is_leader() {
                    return Err(ProposeError::NotApplied("this node leads no more".to_owned()));
                }
                may_promote(&LeaderView::of(&metrics, self.node.lease(), self.node.lease()), id)
            };
            let Err(why) = verdict else { return Ok(()) };
            match timeout_at(self.deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(ProposeError::NotApplied("this node is stopping".to_owned())),
                Err(_) => return Err(again(why)),
            }
        }
    }
}
