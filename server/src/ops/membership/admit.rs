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
    decide::{Admission, admission, promotion, refused},
    scene::{Scene, find_id},
};
use crate::{
    node::propose::{Miss, propose},
    raft_types::Member,
};

impl Leading {
    /// Gives a node without data an id. An earlier incarnation of it is taken
    /// out first: it has lost its vote's memory, and must never vote again.
    pub(super) async fn admit(&self, name: &NodeName, address: &Address) -> Result<Response, Miss> {
        let turn = self.turn().await?;
        let records = self.records()?;
        match self.decide(|scene| admission(scene, &records, name)).await? {
            Admission::Free => {}
            Admission::Expel(old) => {
                tracing::info!(node = %name, id = %old, "taking out a node that comes back without its data");
                turn.take_out(old).await?;
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
    pub(super) async fn promote(&self, id: NodeId) -> Result<Response, Miss> {
        let records = self.records()?;
        let record = find_id(&records, id).filter(|record| record.standing != MemberState::Shutdown);
        let Some(record) = record else {
            return Err(Rejection::NotFound(format!("node {id} is not, or no longer, on record")).into());
        };
        if !self.scene().is_member(id) {
            let member = Member { name: record.name.clone(), address: record.address.clone() };
            tracing::info!(node = %record.name, %id, "a learner is let in");
            self.turn().await?.add_learner(id, member).await?;
        }
        let changed = !self.scene().votes(id);
        if changed {
            self.caught_up(id).await?;
            let turn = self.turn().await?;
            tracing::info!(node = %record.name, %id, "a learner has caught up and gets a vote");
            turn.add_voter(id).await?;
        }
        if record.standing != MemberState::Member {
            self.mark(&record.name, id, Some(MemberState::Member)).await?;
        }
        Ok(Response::Done { changed })
    }

    /// Waits until a learner may get a vote.
    async fn caught_up(&self, id: NodeId) -> Result<(), Miss> {
        let mut changes = self.replica.raft().metrics();
        loop {
            let verdict = {
                let metrics = changes.borrow_and_update();
                if !metrics.state.is_leader() {
                    return Err(Miss::NotDone("this node leads no more".to_owned()));
                }
                promotion(&Scene::of(&metrics, self.node.lease(), self.node.lease()), id)
            };
            let Err(why) = verdict else { return Ok(()) };
            match timeout_at(self.deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Miss::NotDone("this node is stopping".to_owned())),
                Err(_) => return Err(again(why)),
            }
        }
    }
}
