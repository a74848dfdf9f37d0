//! Removes nodes from the membership permanently.

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
    /// Removes a node and records its state, or deletes its record if `standing`
    /// is `None`. Nothing is done if the member with this id has another name.
    /// Idempotent. Reports what this call changed, not an earlier plan.
    pub(super) async fn remove_voter(
        &self,
        name: &NodeName,
        id: NodeId,
        standing: Option<MemberState>,
    ) -> Result<Removal, ProposeError> {
        let began = Instant::now();
        if !matches!(standing, None | Some(MemberState::Shutdown)) {
            return Err(
                Rejection::Invalid("a removed node has no other state than shutdown".to_owned()).into()
            );
        }
        if id == self.replica.id() {
            return Err(ProposeError::NotApplied(format!("{name} is the leader and must hand over first")));
        }
        let mut changed = false;
        // Held until the state is recorded: otherwise `resume` finds an incomplete removal.
        let guard = self.lock_changes().await?;
        // A node may remove itself: its word for the name is not one for the id of another node.
        if self.replica.membership().get_node(&id).is_some_and(|member| member.name != *name) {
            return Err(not_a_member(name).into());
        }
        let count = self.decide(|view| may_remove(view, id)).await?;
        if self.view().is_member(id) {
            guard.remove_node(id).await?;
            tracing::info!(node = %name, %id, "removed from the membership");
            changed = true;
        }
        let records = self.records()?;
        let noted = match find(&records, name).filter(|record| record.id == id) {
            Some(record) => Some(record.standing) == standing,
            None => true,
        };
        if !noted {
            self.record_state(name, id, standing).await?;
            changed = true;
        }
        Ok(Removal {
            node: name.clone(),
            changed,
            voters_before: count.before,
            voters_after: count.after,
            leader: Some(self.node.name().clone()),
            took_ms: millis_since(began),
        })
    }

    /// Records a node's state; `None` deletes the record.
    pub(super) async fn record_state(
        &self,
        name: &NodeName,
        id: NodeId,
        standing: Option<MemberState>,
    ) -> Result<(), ProposeError> {
        let command = Command::SetNodeState { name: name.clone(), id, standing };
        self.progress.step(propose(&self.replica, None, command, self.deadline).await.map(drop))
    }

    /// Removes a node that is down, and its record.
    pub(super) async fn remove(&self, name: &NodeName, dry_run: bool) -> Result<Response, ProposeError> {
        loop {
            let (id, planned) = self.plan_removal(name).await?;
            if dry_run {
                return Ok(Response::Removed(planned));
            }
            let removal = self.remove_voter(name, id, None).await?;
            // It may have been admitted again, under another id, before this removal had its turn.
            let is_back =
                !removal.changed && find(&self.records()?, name).is_some_and(|record| record.id != id);
            if !is_back {
                return Ok(Response::Removed(removal));
            }
        }
    }

    /// Returns the id of a node, and the effect of its removal, or why that is not safe.
    async fn plan_removal(&self, name: &NodeName) -> Result<(NodeId, Removal), ProposeError> {
        let began = Instant::now();
        let view = self.view();
        let records = self.records()?;
        let member = view.member(name);
        let Some(id) = member.or_else(|| find(&records, name).map(|record| record.id)) else {
            return Err(not_a_member(name).into());
        };
        self.decide(|view| may_force_remove(view, id)).await?;
        let count = self.decide(|view| may_remove(view, id)).await?;
        let planned = Removal {
            node: name.clone(),
            changed: true,
            voters_before: count.before,
            voters_after: count.after,
            leader: None,
            took_ms: millis_since(began),
        };
        Ok((id, planned))
    }

    /// Whether a node can be stopped without losing the quorum.
    pub(super) async fn can_stop(&self, name: &NodeName) -> Result<Response, ProposeError> {
        let Some(id) = self.view().member(name) else {
            return match find(&self.records()?, name) {
                Some(_) => Ok(Response::CanStop { yes: true, reason: format!("{name} is not a member") }),
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
