//! Joins a cluster, on the new node: asks members until one accepts it, then until
//! it is a voter.
//!
//! Retries without a time limit: a shop's network may be down for a day.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use coffee_common::{
    backoff,
    command::MemberState,
    feature_level::LEVEL_MAX,
    id::{Address, ClusterId, NodeId},
    limits::NODES_MAX,
    protocol::{RaftStatus, Rejection, Request, Response},
    quic::Expect,
};
use futures_util::future::join_all;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    metrics::LogThrottle,
    node::{Node, replica::Replica},
};

/// How long to wait for a member's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long a member that was asked may still answer when an invitation names others to ask.
const GRACE: Duration = Duration::from_secs(1);

/// How long a member has to say to which cluster it belongs, or the lease if that is longer.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// The least time between two lines in the log that say what an operator has to do.
const REFUSAL_LINE_INTERVAL: Duration = Duration::from_secs(60);

/// Bounds of the pause between two rounds over all members.
const PAUSE: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(2);

/// The result of asking to become a voter.
pub(super) enum Promotion {
    /// The node is a voter.
    Voter,
    /// The cluster knows this node under another id.
    Unknown,
    /// An operator has removed this node: it stays down.
    Removed,
}

/// Returns the first of these members that belongs to a cluster, and its cluster. One that
/// does not answer counts as none: an operator may found a cluster while it is down.
pub(super) async fn cluster_of(node: &Node, members: &[Address]) -> Option<(Address, ClusterId)> {
    let looks =
        members.iter().map(async |member| Some((member.clone(), raft_of(node, member, None).await?.cluster)));
    join_all(looks).await.into_iter().flatten().next()
}

/// Returns the Raft state of a member, in this cluster if one is given.
async fn raft_of(node: &Node, member: &Address, cluster: Option<ClusterId>) -> Option<RaftStatus> {
    let within = LOOK_WITHIN.max(node.lease());
    let ask = node.pool().ask(member, &Expect::AnyNode, &Request::Status, cluster.into(), within);
    match ask.await.ok()?.result.ok()? {
        Response::Status(status) => status.raft,
        _ => None,
    }
}

/// Asks members in turn to accept this node until one does. If `own` is given, only
/// members of that cluster count. Begins again whenever an invitation changes the members, but lets a
/// request on its way end before: it may be granted. Returns those that were asked when one did: an
/// invitation that came later may name nodes of another cluster.
pub(super) async fn ask(
    node: &Node,
    mut members: watch::Receiver<Vec<Address>>,
    own: Option<ClusterId>,
) -> (ClusterId, NodeId, Vec<Address>) {
    let (name, address) = (node.name().clone(), node.address().clone());
    let request = Request::Join { node: name, address, level: LEVEL_MAX };
    let mut attempts = JoinAttempts::default();
    let mut told = false;
    let mut refusals = LogThrottle::new(1, REFUSAL_LINE_INTERVAL);
    loop {
        let mut others = members.borrow_and_update().clone();
        others.retain(|member| member != node.address());
        let mut without = 0;
        for member in &others {
            let answer = tokio::select! {
                biased;
                answer = ask_one(node, member, own, &request) => answer,
                () = changed(members.clone(), GRACE) => break,
            };
            match answer {
                Ok(Response::Admitted { cluster, .. }) if own.is_some_and(|own| own != cluster) => {
                    attempts.failed(member, "it belongs to another cluster than this node did before");
                }
                Ok(Response::Admitted { cluster, id }) => {
                    tracing::info!(%member, %cluster, %id, "join accepted");
                    return (cluster, id, others);
                }
                Ok(_) => attempts.failed(member, "it sent an unexpected response"),
                Err(Rejection::Refused { reason, hint }) => {
                    if refusals.admit(Instant::now()).is_some() {
                        tracing::warn!(%member, %reason, %hint, "not admitted yet; continues to ask");
                    }
                }
                Err(why) => {
                    without += usize::from(matches!(why, Rejection::NoCluster { .. }));
                    attempts.failed(member, &why.to_string());
                }
            }
            if has_changed(&members) {
                break;
            }
        }
        if without == others.len() && !std::mem::replace(&mut told, true) {
            tracing::warn!(
                "none of the nodes in 'join' belongs to a cluster: found one with 'coffeectl init NODE'"
            );
        }
        tokio::select! {
            () = attempts.pause() => {}
            () = changed(members.clone(), Duration::ZERO) => attempts = JoinAttempts::default(),
        }
    }
}

/// Whether members were named that are not asked yet.
fn has_changed(members: &watch::Receiver<Vec<Address>>) -> bool {
    members.has_changed().unwrap_or(false)
}

/// Waits until other members are named, and then this long.
async fn changed(mut members: watch::Receiver<Vec<Address>>, then: Duration) {
    match members.changed().await {
        Ok(()) => sleep(then).await,
        Err(_) => std::future::pending().await,
    }
}

/// Returns these members, and those that the cluster has on record as far as one of them says: any
/// of them may lead while this node catches up.
pub(super) async fn with_recorded(
    node: &Node,
    mut members: Vec<Address>,
    cluster: ClusterId,
) -> Vec<Address> {
    let looks = members.iter().map(|member| raft_of(node, member, Some(cluster)));
    let known = join_all(looks).await.into_iter().flatten().find(|raft| raft.cluster == cluster);
    let records = known.into_iter().flat_map(|raft| raft.nodes).take(NODES_MAX);
    for record in records.filter(|record| record.standing == MemberState::Member) {
        if record.address != *node.address() && !members.contains(&record.address) {
            members.push(record.address);
        }
    }
    members
}

/// Asks members in turn to make this node a voter until it is one. `members` are those that admitted
/// it. `invited_by` are the members according to the last invitation. Any node may have sent that: those
/// that are only there cannot send it away.
pub(super) async fn promote(
    node: &Node,
    replica: &Arc<Replica>,
    members: &[Address],
    invited_by: watch::Receiver<Vec<Address>>,
) -> Promotion {
    let id = replica.id();
    let votes =
        replica.until(|metrics| metrics.committed_membership_config.voter_ids().any(|voter| voter == id));
    tokio::select! {
        true = votes => Promotion::Voter,
        promotion = ask_for_vote(node, replica, members, invited_by) => promotion,
    }
}

async fn ask_for_vote(
    node: &Node,
    replica: &Replica,
    members: &[Address],
    invited_by: watch::Receiver<Vec<Address>>,
) -> Promotion {
    let request = Request::Promote { id: replica.id() };
    let mut attempts = JoinAttempts::default();
    loop {
        let known = known(node, replica, members);
        let invited_by = invited_by.borrow().clone();
        for member in known.iter().chain(invited_by.iter().filter(|other| !known.contains(other))) {
            let is_known = known.contains(member);
            match ask_one(node, member, Some(replica.cluster()), &request).await {
                Ok(Response::Done { .. }) if is_known => return Promotion::Voter,
                // The membership tells when it is one.
                Ok(Response::Done { .. }) => {}
                Ok(_) => attempts.failed(member, "it sent an unexpected response"),
                Err(Rejection::NotFound(_)) if is_known => return Promotion::Unknown,
                Err(Rejection::Refused { .. }) if is_known => return Promotion::Removed,
                Err(why) => attempts.failed(member, &why.to_string()),
            }
        }
        attempts.pause().await;
    }
}

/// The configured members and those that this node has learned of since.
fn known(node: &Node, replica: &Replica, members: &[Address]) -> Vec<Address> {
    let membership = replica.membership();
    let learned = membership.nodes().map(|(_, member)| member.address.clone());
    let mut known: Vec<Address> = Vec::new();
    for address in members.iter().cloned().chain(learned) {
        if address != *node.address() && !known.contains(&address) {
            known.push(address);
        }
    }
    known
}

/// Asks a member of `cluster`, or of any cluster.
async fn ask_one(
    node: &Node,
    member: &Address,
    cluster: Option<ClusterId>,
    request: &Request,
) -> Result<Response, Rejection> {
    match node.pool().ask(member, &Expect::AnyNode, request, cluster.into(), ANSWER_WITHIN).await {
        Ok(reply) => reply.result,
        Err(error) => Err(Rejection::Unavailable(error.to_string())),
    }
}

/// Attempts at asking all members: each pause is longer, and warnings become rarer.
#[derive(Default)]
struct JoinAttempts {
    rounds: u32,
    failures: u64,
}

impl JoinAttempts {
    fn failed(&mut self, member: &Address, why: &str) {
        self.failures += 1;
        if self.failures.is_power_of_two() {
            tracing::warn!(%member, %why, tries = self.failures, "join not accepted yet");
        }
    }

    async fn pause(&mut self) {
        let pause = backoff::delay(&PAUSE, self.rounds);
        self.rounds += 1;
        sleep(pause).await;
    }
}
