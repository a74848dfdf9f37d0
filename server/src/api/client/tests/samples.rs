//! Larger parts of messages.

use coffee_common::{
    command::{MemberState, NodeRecord, Outcome},
    entry::Entry,
    feature_level::LEVEL_MIN,
    id::{Address, ClusterId, NodeId, NodeName, Revision},
    key::{Key, KeyRange, Value},
    protocol::{
        CertificateStatus, ChangeKinds, ChangeView, ClusterView, Consistency, ElectionTimers, LeftOut,
        LifecyclePhase, NodeEvent, NodeEvents, NodePace, NodeState, NodeStatus, NodeView, RaftRole,
        RaftStatus, Request, RevocationListStatus, RoundTrip, SettingView, WatchSpec,
    },
    setting::{ClusterSettings, Setting, SettingName},
    transaction::{Check, ReadOmission, Relation, Step, StepEffect, StepRead, Transaction},
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
        clock_ms: 1_795_399_454_234,
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
        writes: 300,
        reads: 4000,
        elections: 2,
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

fn key() -> Key {
    Key::new("order/1").expect("legal")
}

/// A condition and a step of each kind.
pub(super) fn transaction() -> Transaction {
    let value = || Value::new("latte").expect("legal");
    let range = || KeyRange::prefix("order/");
    Transaction {
        conditions: vec![
            Check::Value(key(), Relation::Equal, value()),
            Check::Modified(key(), Relation::NotEqual, Revision(3)),
            Check::Created(key(), Relation::Less, Revision(300)),
            Check::Version(key(), Relation::Greater, 2),
            Check::Present(key()),
            Check::Absent(key()),
            Check::Empty(range()),
            Check::Deleted(key(), Revision(300)),
        ],
        then: vec![
            Step::Get(key()),
            Step::Range { range: range(), limit: 100, keys_only: true },
            Step::Set(key(), value()),
            Step::Delete(key()),
        ],
        otherwise: vec![
            Step::DeleteRange { range: range(), limit: 100 },
            Step::Add { key: key(), by: -1, min: i64::MIN, max: 9 },
        ],
    }
}

/// The outcome of a transaction, with an effect of each kind.
pub(super) fn transacted() -> Outcome {
    let effects = vec![
        StepEffect::Read,
        StepEffect::Changed(Some(Revision(3))),
        StepEffect::RangeDeleted { count: 300, rest: Some(key()) },
        StepEffect::Added { sum: -7, previous: None },
    ];
    Outcome::Transacted { revision: Revision(300), then: true, effects }
}

/// Reads of steps, of each kind.
pub(super) fn step_reads(entry: &Entry) -> Vec<StepRead> {
    vec![
        StepRead::Entry(Some(entry.clone())),
        StepRead::Page { entries: vec![(key(), entry.clone())], upto: Some(key()) },
        StepRead::Omitted(ReadOmission::Compacted),
    ]
}

pub(super) fn watch() -> Request {
    let range = KeyRange::prefix("order/");
    let spec = WatchSpec { range, kinds: ChangeKinds::Deletes, keys_only: true, with_previous: true };
    let consistency = Consistency::Local;
    Request::Watch { spec, after: Some(Revision(300)), wait_ms: 5000, consistency }
}

/// A key that was set, and one that was deleted.
pub(super) fn changes(entry: &Entry) -> Vec<ChangeView> {
    let change = |entry: Option<&Entry>, previous: Option<u64>, previous_entry: Option<&Entry>| ChangeView {
        revision: Revision(300),
        key: key(),
        entry: entry.cloned(),
        previous: previous.map(Revision),
        previous_entry: previous_entry.cloned(),
        at_ms: 1_795_399_453_000,
        author: "writer till".to_owned(),
    };
    vec![change(Some(entry), None, None), change(None, Some(3), Some(entry))]
}

pub(super) fn events() -> NodeEvents {
    let event = NodeEvent {
        number: 301,
        at_ms: 1_795_399_453_700,
        kind: "follows".to_owned(),
        subject: "hong".to_owned(),
        term: Some(4),
        text: "follows hong, after 612 ms".to_owned(),
        count: 2,
        first_ms: 1_795_399_453_000,
    };
    NodeEvents { node: name("ming"), started_at_ms: 1_795_399_450_000, events: vec![event] }
}
