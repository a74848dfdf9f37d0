//! The outlook as a table: what the leader ming sees of the others, and whether it goes on waiting.

use coffee_common::id::{ClusterId, NodeId};

use super::*;

/// The view of ming: a letter per other voter, `u` for up, `s` for stopping, `-` for silent.
fn view(others: &str) -> ClusterView {
    let names = ["hong", "peng", "long", "hu"];
    let node = |(name, letter): (&str, char)| {
        let state = match letter {
            'u' => NodeState::Up,
            's' => NodeState::Stopping,
            _ => NodeState::Unreachable,
        };
        let role = (state != NodeState::Unreachable).then_some(RaftRole::Follower);
        NodeView {
            name: name.parse().expect("legal"),
            id: Some(NodeId(2)),
            address: "127.0.0.1:7400".parse().expect("legal"),
            role,
            state,
            lag: None,
            applied: None,
            version: None,
            certificate_until_s: None,
            disk_free_bytes: None,
            revocation_lists: Vec::new(),
            other_cluster: None,
            pace: None,
            level: None,
        }
    };
    ClusterView {
        cluster: Some(ClusterId(1)),
        asked: "ming".parse().expect("legal"),
        leader: None,
        term: 1,
        joint: false,
        voters: others.len() as u32 + 1,
        voters_in_reach: 1,
        may_lose: 0,
        writes_refused: None,
        disk_free_bytes_min: None,
        quorum_silent_ms: None,
        join_requests: Vec::new(),
        nodes: names.into_iter().zip(others.chars()).map(node).collect(),
        level: None,
    }
}

#[test]
fn a_stop_waits_only_for_an_election_that_can_take_place() {
    for (looks, hopeless_at) in [
        // One other is enough, since this node votes.
        (&["u-", "u-", "us"][..], None),
        // All stop at the same time.
        (&["ss"], Some(0)),
        (&["us", "us", "ss"], Some(2)),
        // The one that said that it stops is gone, and so is the other one.
        (&["us", "u-", "s-"], Some(2)),
        // Two of five do not make a quorum with this one, which two more would.
        (&["u-ss"], None),
        (&["usss"], Some(0)),
        (&["uu--", "uu--"], None),
        // Silence may be a busy node, once.
        (&["--", "u-", "--", "--"], Some(3)),
        // It was started again.
        (&["us", "uu", "u-", "u-"], None),
        (&["s"], Some(0)),
        (&["-", "-"], Some(1)),
    ] {
        let mut outlook = ElectionOutlook::default();
        let own = "ming".parse().expect("legal");
        let found = looks.iter().position(|others| outlook.is_hopeless(&own, &view(others)));
        assert_eq!(found, hopeless_at, "{looks:?}");
    }
}
