//! Views of a cluster for tests.

use coffee_common::{
    feature_level::LEVEL_MAX,
    id::{Address, ClusterId, NodeId, NodeName, Revision},
    protocol::{
        CertificateStatus, ClusterView, LifecyclePhase, NodePace, NodeState, NodeStatus, NodeView, RaftRole,
    },
};

/// Returns a legal name.
pub(crate) fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

/// Returns a node about which nothing else is known.
pub(crate) fn node(text: &str, role: Option<RaftRole>, state: NodeState, applied: Option<u64>) -> NodeView {
    NodeView {
        name: name(text),
        id: Some(NodeId(1)),
        address: Address::new("10.0.0.1:7400").unwrap(),
        role,
        state,
        lag: None,
        applied: applied.map(Revision),
        version: None,
        pace: None,
        certificate_until_s: None,
        disk_free_bytes: None,
        revocation_lists: Vec::new(),
        other_cluster: None,
        level: None,
    }
}

/// Returns the view of these nodes that ming has, which leads.
pub(crate) fn view(voters: u32, voters_in_reach: u32, nodes: Vec<NodeView>) -> ClusterView {
    ClusterView {
        disk_free_bytes_min: None,
        quorum_silent_ms: None,
        join_requests: Vec::new(),
        writes_refused: None,
        cluster: Some(ClusterId(1)),
        asked: name("ming"),
        leader: Some(name("ming")),
        term: 1,
        joint: false,
        voters,
        voters_in_reach,
        may_lose: 0,
        nodes,
        level: None,
    }
}

/// Returns the status of a running node about which nothing else is known.
pub(crate) fn status(text: &str) -> NodeStatus {
    NodeStatus {
        name: name(text),
        address: Address::new("10.0.0.1:7400").unwrap(),
        version: "0.1.0".to_owned(),
        phase: LifecyclePhase::Running,
        uptime_ms: 1,
        raft: None,
        certificate: CertificateStatus { serial: "5a".to_owned(), valid_until_s: u64::from(u32::MAX) },
        started_at_ms: 1,
        disk_free_bytes: None,
        writes_refused: None,
        pace: NodePace::default(),
        left_out: None,
        revocation_lists: Vec::new(),
        level: LEVEL_MAX,
        clock_ms: 0,
    }
}
