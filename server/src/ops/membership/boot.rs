//! Brings a node in, from the leader's side: calls it, and waits for its vote.

use std::time::Duration;

use coffee_client::ChannelError;
use coffee_common::{
    id::{Address, NodeId, NodeName},
    protocol::{Rejection, Request, Response},
    quic::Expect,
};
use tokio::time::{Instant, timeout_at};

use super::{Leading, decide::refused, leader_view::find, millis_since};
use crate::node::propose::ProposeError;

/// How long the node has to answer the call.
const INVITE_WITHIN: Duration = Duration::from_secs(3);

impl Leading {
    /// Calls a waiting node in, and waits until it has a vote.
    pub(super) async fn boot(
        &self,
        name: &NodeName,
        address: Option<&Address>,
    ) -> Result<Response, ProposeError> {
        let began = Instant::now();
        let view = self.view();
        let old = view.member(name);
        let already = |id| Response::Booted { id, changed: false, took_ms: millis_since(began) };
        if let Some(id) = old.filter(|id| *id == self.replica.id()) {
            return Ok(already(id));
        }
        let records = self.records()?;
        let recorded = find(&records, name).map(|record| &record.address);
        let Some(address) = address.or(recorded) else {
            return Err(Rejection::Invalid(format!(
                "the cluster has no record of {name}: say where it is reached, with --address HOST:PORT"
            ))
            .into());
        };
        // Asked even if it was heard just now: it may have lost its data since.
        let anew = self.invite(name, address).await?;
        match old.filter(|id| view.votes(*id)) {
            Some(id) if !anew => Ok(already(id)),
            // Its vote is that of its old incarnation, and says nothing of the new one.
            gone => self.voter(name, gone, began).await,
        }
    }

    /// Whether it comes in anew, with an id that it has yet to get.
    async fn invite(&self, name: &NodeName, address: &Address) -> Result<bool, ProposeError> {
        let membership = self.replica.membership();
        let others =
            membership.nodes().map(|(_, member)| &member.address).filter(|at| *at != self.node.address());
        let members = std::iter::once(self.node.address()).chain(others).cloned().collect();
        let request = Request::Invite { cluster: self.replica.cluster(), members };
        let expect = Expect::Node(name.clone());
        let within = INVITE_WITHIN.min(self.time_left());
        let reply = self.node.pool().ask(address, &expect, &request, None, within).await;
        match reply.map(|reply| reply.result) {
            Ok(Ok(Response::Done { changed })) => Ok(changed),
            Ok(Ok(_)) => Err(ProposeError::NotApplied(format!("{name} answers in words that make no sense"))),
            Ok(Err(Rejection::Unavailable(why))) => Err(ProposeError::NotApplied(why)),
            Ok(Err(rejection)) => Err(rejection.into()),
            Err(error) => Err(unreached(name, address, &error)),
        }
    }

    /// Waits until a node of this name, other than the one that is `gone`, has
    /// a vote, and the change that gave it is settled.
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
            Some(id) => Ok(Response::Booted { id, changed: true, took_ms: millis_since(began) }),
            None if in_time => Err(ProposeError::NotApplied("this node leads no more".to_owned())),
            None => Err(Rejection::Unknown(format!(
                "{name} was called and is on its way, but has no vote yet: it goes on catching up"
            ))
            .into()),
        }
    }
}

fn unreached(name: &NodeName, address: &Address, error: &ChannelError) -> ProposeError {
    match error {
        ChannelError::NotSent(coffee_client::NotSentReason::Identity(what)) => refused(
            format!("{name} was not found at {address}: {what}"),
            "check the address, and the certificate of that node".to_owned(),
        )
        .into(),
        error => ProposeError::NotApplied(format!("{name} does not answer at {address}: {error}")),
    }
}
