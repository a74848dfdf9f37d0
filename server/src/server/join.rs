//! Joining, from the side of the node that wants in: it asks members until one
//! lets it in, and then until it has a vote.
//!
//! Tries for as long as it is let: a shop's network may be down for a day.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use coffee_common::{
    backoff,
    id::{Address, ClusterId, NodeId},
    protocol::{Rejection, Request, Response},
    quic::Expect,
};
use tokio::time::sleep;

use crate::node::{Node, replica::Replica};

/// How long one member has to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Bounds of the pause between two rounds of all members.
const PAUSE: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(2);

/// What came of asking for a vote.
pub(super) enum Promotion {
    /// It has one.
    Voter,
    /// The cluster does not know this node's id, or no longer.
    Unknown,
}

/// Asks members in turn to be let in, until one does: one of the cluster `own`,
/// if that is known.
pub(super) async fn ask(node: &Node, members: &[Address], own: Option<ClusterId>) -> (ClusterId, NodeId) {
    let request = Request::Join { node: node.name().clone(), address: node.address().clone() };
    let mut attempts = JoinAttempts::default();
    loop {
        for member in members {
            match ask_one(node, member, &request).await {
                Ok(Response::Admitted { cluster, .. }) if own.is_some_and(|own| own != cluster) => {
                    attempts.complain(member, "it is of another cluster than this node was");
                }
                Ok(Response::Admitted { cluster, id }) => {
                    tracing::info!(%member, %cluster, %id, "let in");
                    return (cluster, id);
                }
                Ok(_) => attempts.complain(member, "it answered something else"),
                Err(why) => attempts.complain(member, &why.to_string()),
            }
        }
        attempts.pause().await;
    }
}

/// Asks members in turn for a vote, until this node has one.
pub(super) async fn promote(node: &Node, replica: &Arc<Replica>, members: &[Address]) -> Promotion {
    let id = replica.id();
    let votes =
        replica.until(|metrics| metrics.committed_membership_config.voter_ids().any(|voter| voter == id));
    tokio::select! {
        true = votes => Promotion::Voter,
        promotion = ask_for_vote(node, replica, members) => promotion,
    }
}

async fn ask_for_vote(node: &Node, replica: &Replica, members: &[Address]) -> Promotion {
    let request = Request::Promote { id: replica.id() };
    let mut attempts = JoinAttempts::default();
    loop {
        for member in known(node, replica, members) {
            match ask_one(node, &member, &request).await {
                Ok(Response::Done { .. }) => return Promotion::Voter,
                Ok(_) => attempts.complain(&member, "it answered something else"),
                Err(Rejection::NotFound(_)) => return Promotion::Unknown,
                Err(why) => attempts.complain(&member, &why.to_string()),
            }
        }
        attempts.pause().await;
    }
}

/// The members that were named, and those that this node has heard of since.
fn known(node: &Node, replica: &Replica, members: &[Address]) -> Vec<Address> {
    let membership = replica.membership();
    let heard_of = membership.nodes().map(|(_, member)| member.address.clone());
    let mut known: Vec<Address> = members.to_vec();
    for address in heard_of {
        if address != *node.address() && !known.contains(&address) {
            known.push(address);
        }
    }
    known
}

async fn ask_one(node: &Node, member: &Address, request: &Request) -> Result<Response, Rejection> {
    match node.pool().ask(member, &Expect::AnyNode, request, None, ANSWER_WITHIN).await {
        Ok(reply) => reply.result,
        Err(error) => Err(Rejection::Unavailable(error.to_string())),
    }
}

/// JoinAttempts of asking all members: ever slower, and ever quieter.
#[derive(Default)]
struct JoinAttempts {
    rounds: u32,
    complaints: u64,
}

impl JoinAttempts {
    fn complain(&mut self, member: &Address, why: &str) {
        self.complaints += 1;
        if self.complaints.is_power_of_two() {
            tracing::warn!(%member, %why, tries = self.complaints, "not let in yet");
        }
    }

    async fn pause(&mut self) {
        let pause = backoff::delay(&PAUSE, self.rounds);
        self.rounds += 1;
        sleep(pause).await;
    }
}
