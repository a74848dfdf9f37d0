//! Boots a node, on the leader: invites and announces it, and waits until it is a voter.
//!
//! No node is admitted unless an operator has announced it. The announcement is replicated, and counts
//! until the node is admitted or removed: one that is not there yet may ask later.

use std::time::Duration;

use coffee_client::{ChannelError, Envelope, NotSentReason};
use coffee_common::{
    command::{Command, MemberState, Outcome},
    id::{Address, NodeId, NodeName},
    protocol::{Rejection, Request, Response},
    quic::Expect,
};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Leading,
    decide::{another_node, is_wanted, too_many_nodes},
    leader_view::find,
    millis_since, no_longer_leader,
};
use crate::node::propose::{ProposeError, propose};

/// How long the node has to answer the invitation, or to ask to join if its address is not known.
const INVITE_WITHIN: Duration = Duration::from_secs(3);

/// How long a node may leave invitations unanswered until it is announced instead, or half of the
/// time that is left, and the pause between two of them.
const ABSENT_AFTER: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(50);

/// The result of an invitation.
enum Invitation {
    /// The node belongs to the cluster already.
    Belongs,
    /// The node joins under a new id.
    Joins,
    /// The node does not answer yet.
    Unanswered,
    /// The node does not answer; it is announced, with this call or before.
    Announced { changed: bool },
}

impl Leading {
    /// Invites a waiting node and waits until it is a voter. Announces a node that is not there yet.
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
        let address = match address {
            Some(address) => address.clone(),
            None => self.known_address(name).await?,
        };
        // Invited even after recent contact: it may have lost its data since.
        let until = began + ABSENT_AFTER.min(self.time_left() / 2);
        let invitation = loop {
            match self.invite_or_announce(name, &address, Instant::now() >= until).await? {
                // A dial may have begun before the node was there.
                Invitation::Unanswered => sleep(PAUSE).await,
                invitation => break invitation,
            }
        };
        match (invitation, old.filter(|id| view.votes(*id))) {
            (Invitation::Announced { changed }, _) => Ok(Response::Announced(changed)),
            (Invitation::Belongs, Some(id)) => Ok(already(id, self.move_node(name, &address).await?)),
            // The vote belongs to its old incarnation, not to the one that joins.
            (_, gone) => self.voter(name, gone, began).await,
        }
    }

    /// The address from which the node asks to join, or that the cluster has on record. Waits a while
    /// for a node that is not on record to ask.
    async fn known_address(&self, name: &NodeName) -> Result<Address, ProposeError> {
        let recorded = find(&self.records()?, name).map(|record| record.address.clone());
        let patience = if recorded.is_some() { Duration::ZERO } else { INVITE_WITHIN };
        let until = self.deadline.min(Instant::now() + patience);
        self.node.join_requests().address_of(name, until).await.or(recorded).ok_or_else(|| {
            let why = "the cluster has no record of it, and it does not ask to join";
            Rejection::Invalid(format!("{name}: {why}; give its address with --address HOST:PORT")).into()
        })
    }

    /// Invites a node, and announces it unless it is a member or was admitted: one that does not answer
    /// if it is given up.
    async fn invite_or_announce(
        &self,
        name: &NodeName,
        address: &Address,
        give_up: bool,
    ) -> Result<Invitation, ProposeError> {
        let late = |_| ProposeError::NotApplied("another node is being invited".to_owned());
        let _held =
            timeout_at(self.deadline, self.node.join_requests().invitations.lock()).await.map_err(late)?;
        // Before it is invited: a refusal afterwards could not say that nothing was done.
        self.joins_with_enough(name, address).await?;
        let invited = self.invite(name, address).await?;
        let invited = self.progress.step(invited);
        match &invited {
            // A member needs no announcement.
            Err(error) if self.view().member(name).is_some() => return Err(error.clone()),
            Err(ProposeError::NotApplied(_)) if !give_up => return Ok(Invitation::Unanswered),
            _ => {}
        }
        let guard = self.lock_changes().await?;
        let records = self.records()?;
        let announced = find(&records, name).filter(|record| record.standing == MemberState::Announced);
        let is_known = match announced {
            Some(record) => record.address == *address,
            None => is_wanted(&self.view(), &records, name),
        };
        // A node that is there may have been announced before, at any address.
        if !is_known && (invited.is_err() || announced.is_none()) {
            let command = Command::AnnounceNode { name: name.clone(), address: address.clone() };
            let outcome = propose(&self.replica, None, command, self.deadline).await;
            match self.progress.step(outcome)? {
                Outcome::NodeAnnounced => tracing::info!(node = %name, %address, "announced"),
                _ => return Err(too_many_nodes().into()),
            }
        }
        drop(guard);
        match invited {
            Ok(true) => Ok(Invitation::Joins),
            Ok(false) => Ok(Invitation::Belongs),
            Err(_) if announced.is_some() || !is_known => Ok(Invitation::Announced { changed: !is_known }),
            Err(error) => Err(error),
        }
    }

    /// Invites a node. Returns whether it will join under a new id, or the error that says that it
    /// does not answer. One that is starting or stopping answers that it cannot join now.
    async fn invite(
        &self,
        name: &NodeName,
        address: &Address,
    ) -> Result<Result<bool, ProposeError>, ProposeError> {
        let membership = self.replica.membership();
        let others =
            membership.nodes().map(|(_, member)| &member.address).filter(|at| *at != self.node.address());
        let members = std::iter::once(self.node.address()).chain(others).cloned().collect();
        let request = Request::Invite { cluster: self.replica.cluster(), members };
        let expect = Expect::Node(name.clone());
        let within = INVITE_WITHIN.min(self.time_left());
        let reply = self.node.pool().ask(address, &expect, &request, Envelope::default(), within).await;
        match reply.map(|reply| reply.result) {
            Ok(Ok(Response::Done { changed })) => Ok(Ok(changed)),
            Ok(Ok(_)) => Err(ProposeError::NotApplied(format!("{name} sent an unexpected response"))),
            Ok(Err(Rejection::Unavailable(why))) => Err(ProposeError::NotApplied(why)),
            Ok(Err(rejection)) => Err(rejection.into()),
            Err(error) => match unreached(name, address, &error) {
                ProposeError::Rejected(settled) if settled.is_not_applied() => Err(settled.into()),
                absent => Ok(Err(absent)),
            },
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
