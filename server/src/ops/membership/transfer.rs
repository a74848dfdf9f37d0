//! Hands leadership over.
//!
//! openraft neither checks the target nor takes a failed transfer back: the
//! old leader stops proposing and beating, and waits to be replaced. So the
//! target is checked before, and what came of it is confirmed after. Proposals
//! that arrive meanwhile are turned away before they are appended; whoever
//! brought them waits for the new leader and passes them on
//! ([`crate::ops::forward`]), so that none fails.

use std::time::Duration;

use coffee_common::{
    id::{NodeId, NodeName},
    protocol::{Rejection, Response},
};
use tokio::time::{Instant, timeout_at};

use super::{
    Leading,
    decide::{refused, successor},
    millis_since,
};
use crate::node::{
    propose::ProposeError,
    replica::{CurrentLeader, leader_of},
};

/// So many leases after a transfer that did not work there is a leader again,
/// by an ordinary election, or there is no quorum.
const LEASES_UNTIL_ELECTED: u32 = 10;

impl Leading {
    /// Hands leadership over to a node, or to whichever is the closest.
    pub(super) async fn transfer(&self, to: Option<&NodeName>) -> Result<Response, ProposeError> {
        let began = Instant::now();
        let (me, old) = (self.node.name(), self.replica.leader());
        let old = old.filter(|lead| lead.id == self.replica.id());
        let Some(old) = old else { return Err(ProposeError::NotApplied(format!("{me} leads no more"))) };
        let Some(target) = self.decide(|view| successor(view, to)).await? else {
            return Ok(transferred(me, &old, false, began));
        };
        tracing::info!(to = %self.view().name(target), "handing leadership over");
        if self.replica.raft().trigger().transfer_leader(target).await.is_err() {
            return Err(ProposeError::NotApplied(format!("{me} is stopping")));
        }
        let new = self.elected(&old).await;
        self.report(to, target, new, began)
    }

    /// Waits until another node leads.
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

    fn report(
        &self,
        to: Option<&NodeName>,
        target: NodeId,
        new: Option<CurrentLeader>,
        began: Instant,
    ) -> Result<Response, ProposeError> {
        let me = self.node.name();
        match new {
            Some(new) if new.id == target || (to.is_none() && new.id != self.replica.id()) => {
                let response = transferred(me, &new, true, began);
                tracing::info!(to = %new.member.name, term = new.term, took_ms = millis_since(began), "handed over");
                Ok(response)
            }
            Some(new) => Err(refused(
                format!("the node did not take over in time; {} was elected instead", new.member.name),
                "look after it with `coffeectl list`, then try again".to_owned(),
            )
            .into()),
            None => Err(Rejection::Unknown(format!(
                "{me} has stopped leading, and no other leader has been heard of within {} ms",
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
