//! This node's view of itself.

use coffee_common::{
    id::{NodeId, Revision},
    protocol::{NodeStatus, RaftRole, RaftStatus},
};
use openraft::{Instant, ServerState};

use crate::{
    node::{
        Node, VERSION,
        replica::{Metrics, Replica},
    },
    raft_types::LogId,
};

/// What a node says of itself.
pub fn own(node: &Node) -> NodeStatus {
    NodeStatus {
        name: node.name().clone(),
        address: node.address().clone(),
        version: VERSION.to_owned(),
        phase: node.phase(),
        uptime_ms: millis(node.uptime()),
        raft: node.replica().map(|replica| raft(&replica)),
        certificate: node.certificate(),
        started_at_ms: node.started_at_ms(),
        disk_free_bytes: node.space().last().map(|space| space.free_bytes),
    }
}

fn raft(replica: &Replica) -> RaftStatus {
    let metrics = replica.metrics();
    let membership = metrics.membership_config.membership();
    RaftStatus {
        cluster: replica.cluster(),
        id: replica.id(),
        role: role(&metrics),
        term: metrics.current_term,
        leader: metrics.current_leader,
        last_log: Revision(metrics.last_log_index.unwrap_or(0)),
        committed: revision(metrics.local_committed),
        applied: replica.state().applied(),
        snapshot: revision(metrics.snapshot),
        purged: revision(metrics.purged),
        voters: membership.get_joint_config().iter().map(|set| set.iter().copied().collect()).collect(),
        learners: membership.learner_ids().collect(),
        matched: matched(&metrics),
        quorum_heard_ms: metrics.last_quorum_acked.map(|at| millis(at.elapsed())),
        nodes: replica.state().nodes().unwrap_or_default(),
    }
}

/// The roles, by the names that are shown of them.
pub(crate) const ROLES: [(&str, RaftRole); 4] = [
    ("leader", RaftRole::Leader),
    ("follower", RaftRole::Follower),
    ("candidate", RaftRole::Candidate),
    ("learner", RaftRole::Learner),
];

/// What a node is, by what consensus publishes of it.
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

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
