//! Takes nodes out of the membership, for good.

use coffee_common::{
    command::{Command, MemberState},
    id::{NodeId, NodeName},
    protocol::{Rejection, Removal, Response},
};
use tokio::time::Instant;

use super::{
    Leading,
    decide::{may_force_remove, may_remove, may_stop, not_a_member, refused},
    leader_view::{LeaderView, find},
    millis_since,
};
use crate::node::propose::{ProposeError, propose};

impl Leading {
    /// Takes a node out, and notes what is remembered of it. Does nothing that
    /// was done before.
    pub(super) async fn remove_voter(
        &self,
        name: &NodeName,
        id: NodeId,
        standing: Option<MemberState>,
    ) -> Result<Response, ProposeError> {
        if id == self.replica.id() {
            return Err(ProposeError::NotApplied(format!("{name} leads, and has to hand over first")));
        }
        let mut changed = false;
        // Kept until all is noted: somebody else would take it for half done.
        let guard = self.lock_changes().await?;
        if self.view().is_member(id) {
            self.decide(|view| may_remove(view, id)).await?;
            guard.remove_node(id).await?;
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
    ) -> Result<(), ProposeError> {
        let command = Command::SetNodeState { name: name.clone(), id, standing };
        propose(&self.replica, None, command, self.deadline).await.map(drop)
    }

    /// Evicts a node that is lost, and forgets it.
    pub(super) async fn remove(&self, name: &NodeName, dry_run: bool) -> Result<Response, ProposeError> {
        let began = Instant::now();
        let view = self.view();
        let records = self.records()?;
        let member = view.member(name);
        let Some(id) = member.or_else(|| find(&records, name).map(|record| record.id)) else {
            return Err(not_a_member(name).into());
        };
        self.decide(|view| may_force_remove(view, id)).await?;
        let count = self.decide(|view| may_remove(view, id)).await?;
        if !dry_run {
            self.remove_voter(name, id, None).await?;
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
    pub(super) async fn can_stop(&self, name: &NodeName) -> Result<Response, ProposeError> {
        let Some(id) = self.view().member(name) else {
            return match find(&self.records()?, name) {
                Some(_) => Ok(Response::CanStop { yes: true, reason: format!("{name} takes no part") }),
                None => Err(not_a_member(name).into()),
            };
        };
        let stop = |view: &LeaderView| match may_stop(view, id) {
            (true, reason) => Ok(reason),
            (false, reason) => Err(refused(reason, String::new())),
        };
        match self.decide(stop).await {
            Ok(reason) => Ok(Response::CanStop { yes: true, reason }),
            Err(ProposeError::Rejected(Rejection::Refused { reason, .. })) => {
                Ok(Response::CanStop { yes: false, reason })
            }
            Err(error) => Err(error),
        }
    }
}
