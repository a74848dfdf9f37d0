//! Read-only views of this node and of the cluster.
//!
//! Works without a leader and without a quorum, because an operator needs it
//! most when there is neither. Changes nothing.

mod cluster;
mod pace;
pub mod ready;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use coffee_client::Envelope;
use coffee_common::{
    clock,
    feature_level::LEVEL_MAX,
    id::{Address, NodeId, NodeName, Revision},
    protocol::{ClusterView, NodeStatus, RaftRole, RaftStatus, Request, Response},
    quic::Expect,
};
use openraft::ServerState;
use tokio::task::JoinSet;

use self::cluster::{ClusterNode, compose};
use super::room;
use crate::{
    node::{
        Node, VERSION,
        replica::{Metrics, Replica},
    },
    raft_types::LogId,
};

/// A node that has not answered after this time, or the lease if that is longer, counts as
/// unreachable: the lease of a cluster with long round trips bears a dial and an answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// A leader is not shown after this many leases, and at least this time, without contact.
const LEASES: u32 = 4;
const LEADER_SILENCE_MIN: Duration = Duration::from_secs(1);

/// Asks all nodes that this one knows for their status and combines the answers.
pub async fn cluster(node: &Arc<Node>) -> ClusterView {
    let own = own(node);
    let known = known(node);
    let others = known.iter().filter(|known| known.name != own.name);
    let mut asking = JoinSet::new();
    for known in others {
        let (node, name, address) = (Arc::clone(node), known.name.clone(), known.address.clone());
        asking.spawn(async move { (name.clone(), ask(&node, &name, &address).await) });
    }
    let mut reached = BTreeMap::new();
    while let Some(answer) = asking.join_next().await {
        if let Ok((name, Some(status))) = answer {
            reached.insert(name, status);
        }
    }
    reached.insert(own.name.clone(), own.clone());
    compose(&own, known, &reached)
}

/// Asks a node for its status; `None` if it cannot be reached.
pub async fn ask(node: &Node, name: &NodeName, address: &Address) -> Option<NodeStatus> {
    ask_at(node, address, &Expect::Node(name.clone())).await
}

/// Asks the node at an address for its status; `None` if it cannot be reached, or is not the expected one.
pub async fn ask_at(node: &Node, address: &Address, expect: &Expect) -> Option<NodeStatus> {
    let within = ANSWER_WITHIN.max(node.lease());
    let reply = node.pool().ask(address, expect, &Request::Status, Envelope::default(), within).await.ok()?;
    match reply.result {
        Ok(Response::Status(status)) => Some(*status),
        _ => None,
    }
}

/// Returns every node on record and every member, on record yet or not.
pub fn known(node: &Node) -> Vec<ClusterNode> {
    let Some(replica) = node.replica() else { return Vec::new() };
    let mut known: BTreeMap<NodeId, ClusterNode> = BTreeMap::new();
    for record in replica.state().nodes().unwrap_or_default() {
        known.insert(record.id, ClusterNode::of_record(record));
    }
    for (id, member) in replica.membership().nodes() {
        known.entry(*id).or_insert_with(|| ClusterNode {
            id: *id,
            name: member.name.clone(),
            address: member.address.clone(),
            standing: None,
        });
    }
    known.into_values().collect()
}

/// Returns this node's status.
pub fn own(node: &Node) -> NodeStatus {
    NodeStatus {
        name: node.name().clone(),
        address: node.address().clone(),
        version: VERSION.to_owned(),
        level: LEVEL_MAX,
        clock_ms: clock::now_ms(),
        phase: node.phase(),
        uptime_ms: millis(node.uptime()),
        raft: node.replica().map(|replica| raft(node, &replica)),
        certificate: node.certificate(),
        started_at_ms: node.started_at_ms(),
        disk_free_bytes: node.space().last().map(|space| space.free_bytes),
        pace: pace::own(node),
        revocation_lists: node.credentials().revocation_lists(),
        left_out: node.replica().and_then(|replica| replica.left_out()),
        writes_refused: node
            .replica()
            .filter(|replica| replica.leads())
            .and_then(|replica| room::shortage(node, &replica)),
    }
}

fn raft(node: &Node, replica: &Replica) -> RaftStatus {
    let metrics = replica.metrics();
    // Consensus names a leader that is lost until another one is elected.
    let silence_max = LEADER_SILENCE_MIN.max(LEASES * node.lease());
    let membership = metrics.membership_config.membership();
    RaftStatus {
        cluster: replica.cluster(),
        id: replica.id(),
        role: role(&metrics),
        term: metrics.current_term,
        leader: metrics.current_leader.filter(|_| replica.hears_leader(silence_max)),
        last_log: Revision(metrics.last_log_index.unwrap_or(0)),
        committed: revision(metrics.local_committed),
        applied: replica.state().applied(),
        snapshot: revision(metrics.snapshot),
        purged: revision(metrics.purged),
        voters: membership.get_joint_config().iter().map(|set| set.iter().copied().collect()).collect(),
        learners: membership.learner_ids().collect(),
        matched: matched(&metrics),
        quorum_heard_ms: replica.quorum_silence(&metrics).map(millis),
        join_requests: node.join_requests().names(),
        nodes: replica.state().nodes().unwrap_or_default(),
        level: replica.state().level(),
        disk_free_bytes_min: replica.state().settings().disk_free_bytes_min,
    }
}

/// The roles and the names under which metrics and status show them.
pub(crate) const ROLES: [(&str, RaftRole); 4] = [
    ("leader", RaftRole::Leader),
    ("follower", RaftRole::Follower),
    ("candidate", RaftRole::Candidate),
    ("learner", RaftRole::Learner),
];

/// Returns the role that openraft's metrics show.
pub(crate) fn role(metrics: &Metrics) -> RaftRole {
    match metrics.state {
        ServerState::Leader => RaftRole::Leader,
        ServerState::Follower => RaftRole::Follower,
        ServerState::Candidate => RaftRole::Candidate,
        ServerState::Learner | ServerState::Shutdown => RaftRole::Learner,
    }
}

fn matched(metrics: &Metrics) -> Vec<(NodeId, Revision)> {
    let others = metrics.replication.iter().flatten();
    others.map(|(id, matched)| (*id, revision(*matched))).collect()
}

fn revision(log: Option<LogId>) -> Revision {
    Revision(log.map_or(0, |log| log.index))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
