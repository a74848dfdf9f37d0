//! Accepts joining nodes: gives each a new id, adds it as a learner, then makes it a voter.

use coffee_common::{
    command::{Command, MemberState, NodeRecord, Outcome},
    feature_level::FeatureLevel,
    id::{Address, NodeId, NodeName},
    protocol::{NodeEventKind, Rejection, Response},
};
use openraft::async_runtime::WatchReceiver;
use tokio::time::timeout_at;

use super::{
    Leading,
    decide::{JoinVerdict, is_wanted, may_join, may_promote, refused, too_many_nodes},
    leader_view::{LeaderView, find},
    no_longer_leader, retryable,
};
use crate::{
    node::propose::{ProposeError, propose},
    raft_types::Member,
};

impl Leading {
    /// Gives a node without data a new id, if an operator wants it. Removes an earlier
    /// incarnation first: it has lost the record of its votes and must never vote again.
    pub(super) async fn accept_join(
        &self,
        name: &NodeName,
        address: &Address,
        level: FeatureLevel,
    ) -> Result<Response, ProposeError> {
        // One that is being invited is announced in a moment.
        let invitations = timeout_at(self.deadline, self.node.join_requests().invitations.lock()).await;
        drop(invitations.map_err(|_| ProposeError::NotApplied("another node is being invited".to_owned()))?);
        // Before it waits for other changes: any node certificate may ask, as often as it likes.
        let records = self.records()?;
        if let Err(refusal @ Rejection::Refused { .. }) = may_join(&self.view(), &records, name)
            && !is_wanted(&self.view(), &records, name)
        {
            if self.node.join_requests().note(name, address) {
                let hint = format!("coffeectl boot {name}");
                tracing::warn!(node = %name, %address, hint, "a node asks to join and is not announced");
                let text = format!("{name} at {address} asks to join and is not announced");
                self.node.events().record(NodeEventKind::AsksToJoin, name.as_str(), text);
            }
            return Err(refusal.into());
        }
        let guard = self.lock_changes().await?;
        self.knows_enough(name, level)?;
        let records = self.records()?;
        match self.decide(|view| may_join(view, &records, name)).await? {
            JoinVerdict::Accept => {}
            JoinVerdict::RemoveOldFirst(old) => {
                tracing::info!(node = %name, id = %old, "removing the old incarnation of a node that lost its data");
                // If this leader fails after the removal, the node is still to be admitted.
                self.record_state(name, old, Some(MemberState::Joining)).await?;
                guard.remove_node(old).await?;
            }
        }
        let command = Command::AdmitNode { name: name.clone(), address: address.clone() };
        match self.progress.step(propose(&self.replica, None, command, self.deadline).await)? {
            Outcome::NodeAdmitted(id) => {
                tracing::info!(node = %name, %address, %id, "join accepted");
                self.node.join_requests().forget(name);
                Ok(Response::Admitted { cluster: self.replica.cluster(), id })
            }
            _ => Err(too_many_nodes().into()),
        }
    }

    /// Adds a node as a learner, waits until it has caught up, and makes it a voter.
    pub(super) async fn promote(&self, name: &NodeName, id: NodeId) -> Result<Response, ProposeError> {
        let record = joining(&self.records()?, name, id)?;
        if !self.view().is_member(id) {
            let guard = self.lock_changes().await?;
            joining(&self.records()?, name, id)?;
            let member = Member { name: name.clone(), address: record.address.clone() };
            tracing::info!(node = %name, %id, "adding a learner");
            guard.add_learner(id, member).await?;
        }
        if self.view().votes(id) && record.standing == MemberState::Member {
            return Ok(Response::Done { changed: false });
        }
        self.caught_up(id).await?;
        // Held until the state is recorded: a removal in between must not be undone.
        let guard = self.lock_changes().await?;
        let record = joining(&self.records()?, name, id)?;
        let changed = !self.view().votes(id);
        if changed {
            tracing::info!(node = %name, %id, "learner has caught up, making it a voter");
            guard.add_voter(id).await?;
        }
        if record.standing != MemberState::Member {
            self.record_state(name, id, Some(MemberState::Member)).await?;
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
                may_promote(
                    &LeaderView::of(&metrics, self.node.address(), self.node.lease(), self.node.lease()),
                    id,
                )
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

/// Returns the record of a node that asks to become a voter. Refuses a node that an
/// operator has removed, which must stay down; one whose name has another id by now
/// is not found, and may join again.
fn joining(records: &[NodeRecord], name: &NodeName, id: NodeId) -> Result<NodeRecord, Rejection> {
    let removed = || {
        refused(
            format!("{name} was removed from the cluster"),
            format!("to add it again: coffeectl boot {name}"),
        )
    };
    match find(records, name) {
        Some(record) if record.id != id => {
            Err(Rejection::NotFound(format!("{name} is node {} now, not {id}", record.id)))
        }
        Some(record) if matches!(record.standing, MemberState::Joining | MemberState::Member) => {
            Ok(record.clone())
        }
        Some(_) | None => Err(removed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_was_removed_while_it_joined_stays_down() {
        let name: NodeName = "hong".parse().expect("legal");
        let record = |id, standing| NodeRecord {
            id: NodeId(id),
            name: name.clone(),
            address: "127.0.0.1:7400".parse().expect("legal"),
            standing,
            since_ms: 0,
        };
        let ask = |record: Option<NodeRecord>| joining(record.as_slice(), &name, NodeId(50));
        assert!(ask(Some(record(50, MemberState::Joining))).is_ok());
        assert!(ask(Some(record(50, MemberState::Member))).is_ok());
        // It was shut down, or its record deleted, by an operator.
        assert!(matches!(ask(Some(record(50, MemberState::Shutdown))), Err(Rejection::Refused { .. })));
        assert!(matches!(ask(None), Err(Rejection::Refused { .. })));
        // It asked to join twice, and the later id counts.
        assert!(matches!(ask(Some(record(70, MemberState::Joining))), Err(Rejection::NotFound(_))));
    }
}
