//! Transfers leadership.
//!
//! openraft neither checks the target nor reverts a failed transfer: the old leader
//! stops proposing and sending heartbeats, and waits to be replaced. This module
//! checks the target first and confirms the result afterwards. Proposals that
//! arrive in between are rejected before they are appended; the node that received
//! them waits for the new leader and forwards them ([`crate::ops::forward`]), so
//! none fails.

use std::time::Duration;

use coffee_common::{
    id::NodeName,
    protocol::{NodeEventKind, Rejection, Response},
};
use tokio::time::{Instant, timeout_at};

use super::{
    Leading,
    decide::{refused, successor},
    millis_since, no_longer_leader,
};
use crate::node::{
    propose::ProposeError,
    replica::{CurrentLeader, leader_of},
};

/// Number of leases after a failed transfer until an ordinary election has found a
/// leader, unless there is no quorum.
const LEASES_UNTIL_ELECTED: u32 = 10;

impl Leading {
    /// Transfers leadership to a node: without a name, to the most caught-up voter.
    pub(super) async fn transfer(&self, to: Option<&NodeName>) -> Result<Response, ProposeError> {
        let began = Instant::now();
        let (me, old) = (self.node.name(), self.replica.leader());
        let old = old.filter(|lead| lead.id == self.replica.id());
        let Some(old) = old else { return Err(no_longer_leader()) };
        let Some(target) = self.decide(|view| successor(view, to)).await? else {
            return Ok(transferred(me, &old, false, began));
        };
        let to = self.view().name(target).to_string();
        tracing::info!(to, "handing leadership over");
        let text = format!("hands leadership over to {to}");
        self.node.events().record_in_term(NodeEventKind::Transfer, &to, old.term, text);
        self.replica.note_transfer(old.term);
        if self.replica.raft().trigger().transfer_leader(target).await.is_err() {
            return Err(ProposeError::NotApplied(format!("{me} is stopping")));
        }
        let new = self.elected(&old).await;
        self.report(new, began)
    }

    /// Waits until another node is the leader.
    async fn elected(&self, old: &CurrentLeader) -> Option<CurrentLeader> {
        let limit = Instant::now() + LEASES_UNTIL_ELECTED * self.node.lease().max(Duration::from_millis(100));
        let mut new = None;
        let elected = self.replica.until(|metrics| {
            new = leader_of(metrics).filter(|lead| lead.term > old.term);
            new.is_some()
        });
        let _ = timeout_at(limit.min(self.deadline), elected).await;
        new
    }

    fn report(&self, new: Option<CurrentLeader>, began: Instant) -> Result<Response, ProposeError> {
        let me = self.node.name();
        match new {
            // Perhaps not to the node that was asked for: it moved, and the caller compares.
            Some(new) if new.id != self.replica.id() => {
                let response = transferred(me, &new, true, began);
                tracing::info!(to = %new.member.name, term = new.term, took_ms = millis_since(began), "leadership handed over");
                Ok(response)
            }
            Some(new) => Err(refused(
                format!("no other node became leader in time; {} leads again", new.member.name),
                "check the nodes with: coffeectl list, then retry".to_owned(),
            )
            .into()),
            None => Err(Rejection::Unknown(format!(
                "{me} is no longer the leader, and no other leader is known after {} ms",
                millis_since(began)
            ))
            .into()),
        }
    }
}

fn transferred(from: &NodeName, new: &CurrentLeader, changed: bool, began: Instant) -> Response {
    Response::Transferred {
        from: from.clone(),
        to: new.member.name.clone(),
        term: new.term,
        changed,
        took_ms: millis_since(began),
    }
}
