//! Takes nodes out of the membership, for good.

use coffee_common::{
    command::{Command, MemberState},
    id::{NodeId, NodeName},
    protocol::{Rejection, Removal, Response},
};
use tokio::time::Instant;

use super::{
    Leading,
    decide::{eviction, may_stop, not_a_member, refused, removal},
    millis_since,
    scene::{Scene, find},
};
use crate::node::propose::{Miss, propose};

impl Leading {
    /// Takes a node out, and notes what is remembered of it. Does nothing that
    /// was done before.
    pub(super) async fn expel(
        &self,
        name: &NodeName,
        id: NodeId,
        standing: Option<MemberState>,
    ) -> Result<Response, Miss> {
        if id == self.replica.id() {
            return Err(Miss::NotDone(format!("{name} leads, and has to hand over first")));
        }
        let mut changed = false;
        // Kept until all is noted: somebody else would take it for half done.
        let turn = self.turn().await?;
        if self.scene().is_member(id) {
            self.decide(|scene| removal(scene, id)).await?;
            turn.take_out(id).await?;
            tracing::info!(node = %name, %id, "taken out of the membership");
            changed = true;
        }
        let records = self.records()?;
        let noted = match find(&records, name).filter(|record| record.id == id) {
            Some(record) => Some(record.standing) == standing,
            None => true,
        };
        if !noted {
            self.mark(name, id, standing).await?;
            changed = true;
        }
        Ok(Response::Done { changed })
    }

    /// Notes what became of a node.
    pub(super) async fn mark(
        &self,
        name: &NodeName,
        id: NodeId,
        standing: Option<MemberState>,
    ) -> Result<(), Miss> {
        let command = Command::SetNodeState { name: name.clone(), id, standing };
        propose(&self.replica, None, command, self.deadline).await.map(drop)
    }

    /// Evicts a node that is lost, and forgets it.
    pub(super) async fn remove(&self, name: &NodeName, dry_run: bool) -> Result<Response, Miss> {
        let began = Instant::now();
        let scene = self.scene();
        let records = self.records()?;
        let member = scene.member(name);
        let Some(id) = member.or_else(|| find(&records, name).map(|record| record.id)) else {
            return Err(not_a_member(name).into());
        };
        self.decide(|scene| eviction(scene, id)).await?;
        let count = self.decide(|scene| removal(scene, id)).await?;
        if !dry_run {
            self.expel(name, id, None).await?;
        }
        Ok(Response::Removed(Removal {
            node: name.clone(),
            changed: true,
            voters_before: count.before,
            voters_after: count.after,
            leader: (!dry_run).then(|| self.node.name().clone()),
            took_ms: millis_since(began),
        }))
    }

    /// Whether a node can be stopped without losing the quorum.
    pub(super) async fn can_stop(&self, name: &NodeName) -> Result<Response, Miss> {
        let Some(id) = self.scene().member(name) else {
            return match find(&self.records()?, name) {
                Some(_) => Ok(Response::CanStop { yes: true, reason: format!("{name} takes no part") }),
                None => Err(not_a_member(name).into()),
            };
        };
        let stop = |scene: &Scene| match may_stop(scene, id) {
            (true, reason) => Ok(reason),
            (false, reason) => Err(refused(reason, String::new())),
        };
        match self.decide(stop).await {
            Ok(reason) => Ok(Response::CanStop { yes: true, reason }),
            Err(Miss::Rejected(Rejection::Refused { reason, .. })) => {
                Ok(Response::CanStop { yes: false, reason })
            }
            Err(miss) => Err(miss),
        }
    }
}
