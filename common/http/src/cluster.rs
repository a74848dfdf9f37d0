//! The cluster, and the asked node.

use coffee_common::protocol::{
    ClusterView, NodePace, NodeStatus, NodeView, RaftRole, Request, Response, RevocationListStatus,
};
use serde::Serialize;

use super::{
    error::HttpError,
    exchange::{Exchange, HttpReply, mismatch},
    json,
};

#[derive(Serialize)]
struct ClusterDocument<'a> {
    cluster: Option<String>,
    asked: &'a str,
    leader: Option<&'a str>,
    term: u64,
    joint: bool,
    voters: u32,
    voters_in_reach: u32,
    may_lose: u32,
    writes_refused: Option<&'a str>,
    quorum_silent_ms: Option<u64>,
    nodes: Vec<NodeDocument<'a>>,
}

#[derive(Serialize)]
struct NodeDocument<'a> {
    name: &'a str,
    id: Option<String>,
    role: Option<&'static str>,
    state: &'static str,
    address: &'a str,
    lag: Option<u64>,
    applied: Option<u64>,
    version: Option<&'a str>,
    certificate_until: Option<String>,
    disk_free_bytes: Option<u64>,
    other_cluster: Option<String>,
    pace: Option<&'a NodePace>,
    revocation_lists: &'a [RevocationListStatus],
}

impl<'a> NodeDocument<'a> {
    fn new(node: &'a NodeView) -> Self {
        Self {
            name: node.name.as_str(),
            id: node.id.map(|id| id.to_string()),
            role: node.role.map(RaftRole::as_str),
            state: node.state.as_str(),
            address: node.address.as_str(),
            lag: node.lag,
            applied: node.applied.map(|applied| applied.0),
            version: node.version.as_deref(),
            certificate_until: node.certificate_until_s.map(|until| json::utc(until.saturating_mul(1000))),
            disk_free_bytes: node.disk_free_bytes,
            other_cluster: node.other_cluster.map(|cluster| cluster.to_string()),
            pace: node.pace.as_ref(),
            revocation_lists: &node.revocation_lists,
        }
    }
}

impl<'a> ClusterDocument<'a> {
    fn new(view: &'a ClusterView) -> Self {
        Self {
            cluster: view.cluster.map(|cluster| cluster.to_string()),
            asked: view.asked.as_str(),
            leader: view.leader.as_ref().map(|leader| leader.as_str()),
            term: view.term,
            joint: view.joint,
            voters: view.voters,
            voters_in_reach: view.voters_in_reach,
            may_lose: view.may_lose,
            writes_refused: view.writes_refused.as_deref(),
            quorum_silent_ms: view.quorum_silent_ms,
            nodes: view.nodes.iter().map(NodeDocument::new).collect(),
        }
    }
}

/// `GET /v1/cluster`: all nodes, as the asked one sees them. Works without a quorum.
pub(super) async fn cluster(mut exchange: Exchange) -> Result<HttpReply, HttpError> {
    exchange.finish_query()?;
    let (response, held) = exchange.call(Request::List).await?;
    let Response::Cluster(view) = response else { return Err(mismatch()) };
    Ok(HttpReply::json(json::document(&ClusterDocument::new(&view))).holding(held))
}

#[derive(Serialize)]
struct StatusDocument<'a> {
    name: &'a str,
    address: &'a str,
    version: &'a str,
    phase: &'static str,
    uptime_ms: u64,
    started: String,
    certificate_serial: &'a str,
    certificate_until: String,
    disk_free_bytes: Option<u64>,
    writes_refused: Option<&'a str>,
    pace: &'a NodePace,
    revocation_lists: &'a [RevocationListStatus],
    /// `null` if the node belongs to no cluster.
    raft: Option<RaftDocument>,
}

#[derive(Serialize)]
struct RaftDocument {
    cluster: String,
    id: String,
    role: &'static str,
    term: u64,
    leader: Option<String>,
    last_log: u64,
    committed: u64,
    applied: u64,
    snapshot: u64,
    purged: u64,
    voters: Vec<Vec<String>>,
    learners: Vec<String>,
    quorum_heard_ms: Option<u64>,
    level: String,
}

impl<'a> StatusDocument<'a> {
    fn new(status: &'a NodeStatus) -> Self {
        let raft = status.raft.as_ref().map(|raft| RaftDocument {
            cluster: raft.cluster.to_string(),
            id: raft.id.to_string(),
            role: raft.role.as_str(),
            term: raft.term,
            leader: raft.leader.map(|leader| leader.to_string()),
            last_log: raft.last_log.0,
            committed: raft.committed.0,
            applied: raft.applied.0,
            snapshot: raft.snapshot.0,
            purged: raft.purged.0,
            voters: raft.voters.iter().map(|set| set.iter().map(ToString::to_string).collect()).collect(),
            learners: raft.learners.iter().map(ToString::to_string).collect(),
            quorum_heard_ms: raft.quorum_heard_ms,
            level: raft.level.to_string(),
        });
        Self {
            name: status.name.as_str(),
            address: status.address.as_str(),
            version: &status.version,
            phase: status.phase.as_str(),
            uptime_ms: status.uptime_ms,
            started: json::utc(status.started_at_ms),
            certificate_serial: &status.certificate.serial,
            certificate_until: json::utc(status.certificate.valid_until_s.saturating_mul(1000)),
            disk_free_bytes: status.disk_free_bytes,
            writes_refused: status.writes_refused.as_deref(),
            pace: &status.pace,
            revocation_lists: &status.revocation_lists,
            raft,
        }
    }
}

/// `GET /v1/status`: the asked node alone. Works without a quorum.
pub(super) async fn status(mut exchange: Exchange) -> Result<HttpReply, HttpError> {
    exchange.finish_query()?;
    let (response, held) = exchange.call(Request::Status).await?;
    let Response::Status(status) = response else { return Err(mismatch()) };
    Ok(HttpReply::json(json::document(&StatusDocument::new(&status))).holding(held))
}
