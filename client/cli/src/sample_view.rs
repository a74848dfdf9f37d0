//! Views of a cluster for tests.

use coffee_common::{
    id::{Address, ClusterId, NodeId, NodeName, Revision},
    protocol::{ClusterView, NodeState, NodeView, RaftRole},
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
