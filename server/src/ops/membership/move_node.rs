//! Changes the address at which the cluster reaches a node, on the leader.
//!
//! The node keeps its id and its data. Guards that the cluster follows a node only to an address
//! at which this very incarnation answers, and which it advertises itself: a typing error, or a
//! configuration that says otherwise, would cut it off.

use std::time::Duration;

use coffee_client::{ChannelError, Envelope, NotSentReason};
use coffee_common::{
    command::{Command, MemberState, NodeRecord},
    id::{Address, ClusterId, NodeId, NodeName},
    protocol::{NodeStatus, Rejection, Request, Response},
    quic::Expect,
};

use tokio::time::{Instant, sleep};

use super::{
    Leading, MembershipManager,
    decide::{another_node, not_a_member, refused},
    leader_view::find,
    retryable,
};
use crate::{
    node::{
        Node,
        propose::{ProposeError, propose},
        replica::Replica,
    },
    ops::ask_members::ask_others,
    raft_types::Member,
};

/// How long a node has to answer at its new address, or four leases if that is longer, and the pause
/// between two dials.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_LEASES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(50);

impl Leading {
    /// Makes the cluster reach a node at this address. Returns whether it had another one.
    pub(super) async fn move_node(&self, name: &NodeName, address: &Address) -> Result<bool, ProposeError> {
        let records = self.records()?;
        let record = find(&records, name);
        let member = self.view().member(name);
        let is_out =
            |record: &NodeRecord| matches!(record.standing, MemberState::Shutdown | MemberState::Announced);
        let Some(id) = member.or(record.map(|record| record.id)) else {
            return Err(not_a_member(name).into());
        };
        if member.is_none() && record.is_some_and(is_out) {
            return Err(refused(
                format!("{name} is not a member"),
                format!("to add it again: coffeectl boot {name} --address {address}"),
            )
            .into());
        }
        let membership = self.replica.membership();
        let at = membership.get_node(&id).map(|member| &member.address);
        let recorded = record.filter(|record| record.id == id).map(|record| &record.address);
        if at.into_iter().chain(recorded).all(|known| known == address) {
            return Ok(false);
        }
        self.check_answers_at(name, id, address).await?;
        // Held until the record says so too.
        let guard = self.lock_changes().await?;
        let at = self.replica.membership().get_node(&id).map(|member| member.address.clone());
        if let Some(from) = at.filter(|at| at != address) {
            guard.set_member(id, Member { name: name.clone(), address: address.clone() }).await?;
            tracing::info!(node = %name, %id, %from, to = %address, "a node has another address");
        }
        self.record_address(name, id, address).await?;
        Ok(true)
    }

    /// Sets the address in the node's record, if the record is of this incarnation.
    pub(super) async fn record_address(
        &self,
        name: &NodeName,
        id: NodeId,
        address: &Address,
    ) -> Result<(), ProposeError> {
        let command = Command::SetNodeAddress { name: name.clone(), id, address: address.clone() };
        self.progress.step(propose(&self.replica, None, command, self.deadline).await.map(drop))
    }

    async fn check_answers_at(
        &self,
        name: &NodeName,
        id: NodeId,
        address: &Address,
    ) -> Result<(), ProposeError> {
        let (node, replica) = (&self.node, &self.replica);
        if !self.dials.admit(name) {
            let why = format!("{name} was looked for at another address a moment ago");
            return Err(ProposeError::NotApplied(why));
        }
        // Leaves time to refuse.
        let until = Instant::now() + answer_within(&self.node).min(self.time_left() * 3 / 4);
        if id != replica.id() {
            return answers_at(node, replica, (name, id, address), until).await.map_err(retryable);
        }
        advertised(name, node.address(), address)?;
        if self.view().settled_voters().len() < 2 {
            return Ok(());
        }
        // Only the others can tell whether they reach this node there.
        let request = Request::Reaches { node: name.clone(), id, address: address.clone() };
        let answers =
            ask_others(node, replica, &request, until.saturating_duration_since(Instant::now())).await;
        if answers.iter().any(|(_, _, response)| matches!(response, Response::Done { .. })) {
            return Ok(());
        }
        Err(refused(
            format!("no other member reaches {name} at {address}"),
            format!("check 'advertise' in the configuration of {name}"),
        )
        .into())
    }
}

impl MembershipManager {
    /// Whether a node of this cluster answers at an address, and advertises it.
    pub async fn reaches(
        &self,
        name: &NodeName,
        id: NodeId,
        address: &Address,
        deadline: Instant,
    ) -> Result<Response, Rejection> {
        let replica = self.node.serving()?;
        if !self.dials.admit(name) {
            return Err(Rejection::Unavailable(format!("{name} asked a moment ago")));
        }
        let until = deadline.min(Instant::now() + answer_within(&self.node));
        answers_at(&self.node, &replica, (name, id, address), until).await?;
        Ok(Response::Done { changed: false })
    }
}

fn answer_within(node: &Node) -> Duration {
    ANSWER_WITHIN.max(ANSWER_LEASES * node.lease())
}

async fn answers_at(
    node: &Node,
    replica: &Replica,
    (name, id, address): (&NodeName, NodeId, &Address),
    until: Instant,
) -> Result<(), Rejection> {
    let expect = Expect::Node(name.clone());
    let status = loop {
        let within = until.saturating_duration_since(Instant::now());
        let ask = node.pool().ask(address, &expect, &Request::Status, Envelope::default(), within);
        match ask.await.map(|reply| reply.result) {
            Ok(Ok(Response::Status(status))) => break status,
            Ok(Ok(_)) => {
                return Err(Rejection::Unavailable(format!("{name} sent an unexpected response")));
            }
            Ok(Err(rejection)) => return Err(rejection),
            // The dial may have begun before the node was there.
            Err(ChannelError::NotSent(NotSentReason::Unreachable(_))) if Instant::now() + PAUSE < until => {
                sleep(PAUSE).await;
            }
            Err(error) => return Err(unreached(name, address, &error)),
        }
    };
    check_incarnation(&status, replica.cluster(), id)?;
    advertised(name, &status.address, address)
}

fn check_incarnation(status: &NodeStatus, cluster: ClusterId, id: NodeId) -> Result<(), Rejection> {
    let name = &status.name;
    match &status.raft {
        Some(raft) if raft.cluster == cluster && raft.id == id => Ok(()),
        Some(raft) if raft.cluster != cluster => Err(refused(
            format!("{name} belongs to cluster {}, not to {cluster}", raft.cluster),
            format!("remove {name} from that cluster first, or give it an empty data directory"),
        )),
        _ => Err(refused(
            format!("{name} has no data of this cluster there"),
            format!("to add it again: coffeectl boot {name} --address {}", status.address),
        )),
    }
}

fn advertised(name: &NodeName, own: &Address, address: &Address) -> Result<(), Rejection> {
    if own == address {
        return Ok(());
    }
    Err(refused(
        format!("{name} itself says that it is at {own}, not at {address}"),
        format!("set 'advertise = \"{address}\"' in its configuration and restart it"),
    ))
}

fn unreached(name: &NodeName, address: &Address, error: &ChannelError) -> Rejection {
    match error {
        ChannelError::NotSent(NotSentReason::Identity(what)) => another_node(name, address, what),
        error => {
            // For the log alone: the asking node must not learn what answers there.
            tracing::debug!(node = %name, %address, %error, "a node does not answer where it says that it is");
            refused(
                format!("{name} does not answer at {address}"),
                format!("start {name} with that address first"),
            )
        }
    }
}
