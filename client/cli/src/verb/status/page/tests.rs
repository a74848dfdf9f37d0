//! The page, the row and the document of a node.

use coffee_common::{
    command::{MemberState, NodeRecord},
    feature_level::{LEVEL_MAX, LEVEL_MIN},
    id::{Address, ClusterId, NodeName, Revision},
    protocol::{CertificateStatus, ElectionTimers, LifecyclePhase, RaftRole},
};

use super::*;
use crate::printer::{Format, tests::printed};

fn record(id: u64, name: &str) -> NodeRecord {
    NodeRecord {
        id: NodeId(id),
        name: NodeName::new(name).unwrap(),
        address: Address::new("10.0.0.1:7400").unwrap(),
        standing: MemberState::Member,
        since_ms: 0,
    }
}

fn status() -> NodeStatus {
    NodeStatus {
        pace: NodePace {
            sync_p99_us: Some(1_200),
            commit_p99_us: Some(25_000),
            stalled_ms: 3,
            round_trips: vec![RoundTrip { peer: NodeName::new("ming").unwrap(), now_us: 310, worst_us: 900 }],
            timers: ElectionTimers::for_round_trip(100_000),
            ..NodePace::default()
        },
        left_out: None,
        writes_refused: None,
        name: NodeName::new("ming").unwrap(),
        address: Address::new("10.0.0.1:7400").unwrap(),
        version: "0.1.0".into(),
        phase: LifecyclePhase::Running,
        uptime_ms: 61_000,
        raft: Some(RaftStatus {
            cluster: ClusterId(0xc0ffee),
            id: NodeId(1),
            role: RaftRole::Leader,
            term: 3,
            leader: Some(NodeId(1)),
            last_log: Revision(12),
            committed: Revision(11),
            applied: Revision(10),
            snapshot: Revision(5),
            purged: Revision(4),
            voters: vec![vec![NodeId(1)], vec![NodeId(1), NodeId(7)]],
            learners: vec![NodeId(9)],
            matched: Vec::new(),
            quorum_heard_ms: Some(40),
            join_requests: Vec::new(),
            nodes: vec![record(1, "ming"), record(7, "hong")],
            level: LEVEL_MIN,
            disk_free_bytes_min: 128 << 20,
        }),
        certificate: CertificateStatus { serial: "4a5b".into(), valid_until_s: 1_795_399_453 },
        started_at_ms: 1_795_399_392_000,
        clock_ms: 1_795_399_453_000,
        disk_free_bytes: Some(5 << 30),
        revocation_lists: Vec::new(),
        level: LEVEL_MAX,
    }
}

#[test]
fn golden() {
    let status = status();
    let status = StatusReport::new(&status);
    assert_eq!(
        printed(Format::Table, &status),
        "\
name          ming
address       10.0.0.1:7400
version       0.1.0
phase         running
uptime        61 s
cluster       00000000000000000000000000c0ffee
id            1
role          leader
term          3
leader        ming
last log      12
committed     11
applied       10
snapshot      5
purged        4
voters        ming -> ming hong
learners      9
quorum heard  40 ms ago
certificate   4a5b until 2026-11-23T02:04:13Z
disk free     5120 MiB
sync p99      1.2 ms
commit p99    25 ms
stalled       3 ms at most
round trip    0.3 ms to ming, 0.9 ms at most
timers bear   round trips of 100 ms
"
    );
    assert_eq!(
        printed(Format::Plain, &status),
        "ming\t10.0.0.1:7400\t0.1.0\trunning\t61000\t1\tleader\t3\tming\t12\t11\t10\t5\t4\n"
    );
    let json = printed(Format::Json, &status);
    assert!(json.contains(r#""id":"1","role":"leader","term":3,"leader":"ming","last_log":12,"#), "{json}");
    assert!(json.contains(r#""voters":[["ming"],["ming","hong"]],"learners":["9"]"#), "{json}");
}

#[test]
fn a_node_without_a_cluster_has_less_to_say() {
    let status = NodeStatus { phase: LifecyclePhase::Waiting, raft: None, ..status() };
    let status = StatusReport::new(&status);
    assert_eq!(printed(Format::Table, &status).lines().count(), 12);
    assert_eq!(printed(Format::Plain, &status).matches('\t').count(), 13);
    assert!(printed(Format::Json, &status).contains(r#""member":null"#));
}

#[test]
fn a_node_that_was_left_out_of_a_restore_shows_it() {
    let left_out = LeftOut {
        cluster: ClusterId(8),
        from: Address::new("10.0.0.2:7400").unwrap(),
        peers: vec![NodeName::new("hong").unwrap()],
    };
    let status = NodeStatus { left_out: Some(left_out), ..status() };
    let report = StatusReport::new(&status);
    let theirs = ClusterId(8);
    let page = printed(Format::Table, &report);
    assert!(page.contains(&format!("left out      its peers are in another cluster, {theirs}\n")), "{page}");
    let json = printed(Format::Json, &report);
    let wanted = format!(r#""left_out":{{"cluster":"{theirs}","from":"10.0.0.2:7400","peers":["hong"]}}"#);
    assert!(json.contains(&wanted), "{json}");
    assert!(summary(&[report]).contains(" left out "));
}

fn status_of(name: &str, id: u64) -> NodeStatus {
    NodeStatus {
        name: NodeName::new(name).unwrap(),
        raft: status().raft.map(|raft| RaftStatus { id: NodeId(id), role: RaftRole::Follower, ..raft }),
        ..status()
    }
}

#[test]
fn a_summary_has_a_row_per_node_and_fits_a_terminal() {
    let waiting = NodeStatus {
        phase: LifecyclePhase::Waiting,
        raft: None,
        disk_free_bytes: None,
        revocation_lists: Vec::new(),
        pace: NodePace::default(),
        ..status_of("hu", 9)
    };
    let statuses = [status(), status_of("hong", 7), waiting];
    let reports: Vec<StatusReport> = statuses.iter().map(StatusReport::new).collect();
    assert_eq!(
        summary(&reports),
        "\
NAME  ROLE      STATE    LEADER  APPLIED    SYNC  COMMIT     RTT  UPTIME
ming  leader    running  ming         10  1.2 ms   25 ms  0.3 ms  61 s
hong  follower  running  ming         10  1.2 ms   25 ms  0.3 ms  61 s
hu    -         waiting  -             -       -       -       -  61 s
"
    );
    let name = "really-ming";
    let long =
        NodeStatus { uptime_ms: 864_000_000, disk_free_bytes: Some(u64::MAX >> 24), ..status_of(name, 7) };
    assert!(summary(&[StatusReport::new(&long)]).lines().all(|line| line.len() <= 80));
    assert_eq!(summary(&[]), "");
    assert_eq!(pages(&reports).matches("\n\n").count(), 2);
}
