//! Boots a node, on the leader: invites it and waits until it is a voter.

use std::time::Duration;

use coffee_client::{ChannelError, Envelope, NotSentReason};
use coffee_common::{
    id::{Address, NodeId, NodeName},
    protocol::{Rejection, Request, Response},
    quic::Expect,
};
use tokio::time::{Instant, timeout_at};

use super::{Leading, decide::another_node, leader_view::find, millis_since, no_longer_leader};
use crate::node::propose::ProposeError;

/// How long the node has to answer the invitation.
const INVITE_WITHIN: Duration = Duration::from_secs(3);

impl Leading {
    /// Invites a waiting node and waits until it is a voter.
    pub(super) async fn boot(
        &self,
        name: &NodeName,
        address: Option<&Address>,
    ) -> Result<Response, ProposeError> {
        let began = Instant::now();
        let view = self.view();
        let old = view.member(name);
        let already =
            |id, moved| Response::Booted { id, changed: false, moved, took_ms: millis_since(began) };
        if let Some(id) = old.filter(|id| *id == self.replica.id()) {
            let moved = match address {
                Some(address) => self.move_node(name, address).await?,
                None => false,
            };
            return Ok(already(id, moved));
        }
        let records = self.records()?;
        let recorded = find(&records, name).map(|record| &record.address);
        let Some(address) = address.or(recorded) else {
            return Err(Rejection::Invalid(format!(
                "the cluster has no record of {name}: give its address with --address HOST:PORT"
            ))
            .into());
        };
        // Invited even after recent contact: it may have lost its data since.
        let joins = self.progress.step(self.invite(name, address).await)?;
        match old.filter(|id| view.votes(*id)) {
            Some(id) if !joins => Ok(already(id, self.move_node(name, address).await?)),
            // The vote belongs to its old incarnation, not to the one that joins.
            gone => self.voter(name, gone, began).await,
        }
    }

    /// Invites a node. Returns whether it will join under a new id.
    async fn invite(&self, name: &NodeName, address: &Address) -> Result<bool, ProposeError> {
        let membership = self.replica.membership();
        let others =
            membership.nodes().map(|(_, member)| &member.address).filter(|at| *at != self.node.address());
        let members = std::iter::once(self.node.address()).chain(others).cloned().collect();
        let request = Request::Invite { cluster: self.replica.cluster(), members };
        let expect = Expect::Node(name.clone());
        let within = INVITE_WITHIN.min(self.time_left());
        let reply = self.node.pool().ask(address, &expect, &request, Envelope::default(), within).await;
        match reply.map(|reply| reply.result) {
            Ok(Ok(Response::Done { changed })) => Ok(changed),
            Ok(Ok(_)) => Err(ProposeError::NotApplied(format!("{name} sent an unexpected response"))),
            Ok(Err(Rejection::Unavailable(why))) => Err(ProposeError::NotApplied(why)),
            Ok(Err(rejection)) => Err(rejection.into()),
            Err(error) => Err(unreached(name, address, &error)),
        }
    }

    /// Waits until a node of this name, other than `gone`, is a voter and the
    /// membership change is settled.
    async fn voter(
        &self,
        name: &NodeName,
        gone: Option<NodeId>,
        began: Instant,
    ) -> Result<Response, ProposeError> {
        let (mut id, mut leads) = (None, true);
        let done = self.replica.until(|metrics| {
            leads = metrics.state.is_leader();
            let committed = &metrics.committed_membership_config;
            let settled = committed.get_joint_config().len() == 1;
            let mut voters = committed.voter_ids().filter(|voter| settled && Some(*voter) != gone);
            id = voters.find(|voter| committed.get_node(voter).is_some_and(|member| member.name == *name));
            !leads || id.is_some()
        });
        let in_time = timeout_at(self.deadline, done).await.is_ok();
        match id {
            Some(id) => {
                Ok(Response::Booted { id, changed: true, moved: false, took_ms: millis_since(began) })
            }
            None if in_time => Err(no_longer_leader()),
            None => Err(Rejection::Unknown(format!(
                "{name} is joining, but is not a voter yet: it continues to catch up"
            ))
            .into()),
        }
    }
}

fn unreached(name: &NodeName, address: &Address, error: &ChannelError) -> ProposeError {
    match error {
        ChannelError::NotSent(NotSentReason::Identity(what)) => another_node(name, address, what).into(),
        error if error.is_not_sent() => {
            ProposeError::NotApplied(format!("{name} does not answer at {address}: {error}"))
        }
        error => {
            Rejection::Unknown(format!("{name} was invited at {address} and did not answer: {error}")).into()
        }
    }
}
