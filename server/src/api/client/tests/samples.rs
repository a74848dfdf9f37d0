//! Larger parts of messages.

use coffee_common::{
    command::{MemberState, NodeRecord},
    feature_level::LEVEL_MIN,
    id::{Address, ClusterId, NodeId, NodeName, Revision},
    protocol::{
        CertificateStatus, ClusterView, ElectionTimers, LeftOut, LifecyclePhase, NodePace, NodeState,
        NodeStatus, NodeView, RaftRole, RaftStatus, RevocationListStatus, RoundTrip, SettingView,
    },
    setting::{ClusterSettings, Setting, SettingName},
};

pub(super) fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("legal")
}

pub(super) fn address() -> Address {
    Address::new("shop.example:7400").expect("legal")
}

pub(super) fn setting() -> SettingView {
    SettingView::of(&ClusterSettings::of([Setting::DataBytesMax(64 << 30)]), SettingName::DataBytesMax)
}

pub(super) fn status() -> NodeStatus {
    let record = NodeRecord {
        id: NodeId(2),
        name: name("hong"),
        address: address(),
        standing: MemberState::Joining,
        since_ms: 1_700_000_000_000,
    };
    let raft = RaftStatus {
        cluster: ClusterId(9),
        id: NodeId(1),
        role: RaftRole::Leader,
        term: 4,
        leader: Some(NodeId(1)),
        last_log: Revision(12),
        committed: Revision(11),
        applied: Revision(10),
        snapshot: Revision(9),
        purged: Revision(8),
        voters: vec![vec![NodeId(1)], vec![NodeId(1), NodeId(2)]],
        learners: vec![NodeId(3)],
        matched: vec![(NodeId(2), Revision(7))],
        quorum_heard_ms: Some(6),
        join_requests: vec![name("peng")],
        nodes: vec![record],
        level: LEVEL_MIN,
        disk_free_bytes_min: 64 << 20,
    };
    NodeStatus {
        pace: pace(),
        writes_refused: None,
        left_out: Some(LeftOut { cluster: ClusterId(8), from: address(), peers: vec![name("hong")] }),
        name: name("ming"),
        address: address(),
        version: "0.1.0".to_owned(),
        phase: LifecyclePhase::Running,
        uptime_ms: 1234,
        raft: Some(raft),
        certificate: certificate(),
        started_at_ms: 1_795_399_453_000,
        disk_free_bytes: Some(64 << 20),
        revocation_lists: revocation_lists(),
        level: LEVEL_MIN,
    }
}

fn revocation_lists() -> Vec<RevocationListStatus> {
    vec![RevocationListStatus { ca: "coffeed CA 4a5b6c7d".to_owned(), number: 7 }]
}

fn pace() -> NodePace {
    NodePace {
        sync_p99_us: Some(1_200),
        commit_p99_us: None,
        stalled_ms: 280,
        round_trips: vec![RoundTrip { peer: name("hong"), now_us: 310, worst_us: 900 }],
        timers: ElectionTimers::for_round_trip(100_000),
    }
}

pub(super) fn certificate() -> CertificateStatus {
    CertificateStatus { serial: "4a5b".to_owned(), valid_until_s: 1_800_000_000 }
}

pub(super) fn cluster_view() -> ClusterView {
    let node = NodeView {
        name: name("ming"),
        id: Some(NodeId(1)),
        address: address(),
        role: Some(RaftRole::Follower),
        state: NodeState::Up,
        lag: Some(3),
        applied: Some(Revision(10)),
        version: Some("0.1.0".to_owned()),
        pace: Some(pace()),
        certificate_until_s: Some(1_800_000_000),
        disk_free_bytes: Some(64 << 20),
        other_cluster: None,
        revocation_lists: revocation_lists(),
        level: None,
    };
    ClusterView {
        disk_free_bytes_min: Some(65 << 20),
        quorum_silent_ms: Some(451),
        join_requests: vec![name("peng")],
        writes_refused: None,
        cluster: Some(ClusterId(9)),
        asked: name("ming"),
        leader: Some(name("ming")),
        term: 4,
        joint: false,
        voters: 3,
        voters_in_reach: 2,
        may_lose: 1,
        nodes: vec![node],
        level: None,
    }
}
