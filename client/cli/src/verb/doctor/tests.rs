//! The judgement of made-up answers, and how it is printed.

use std::time::Duration;

use coffee_common::{
    feature_level::FeatureLevel,
    id::{Address, ClusterId, Revision},
    protocol::{ClusterView, ElectionTimers, LeftOut, NodePace, NodeState, NodeView, RaftRole},
    quic::PathMtu,
};

use super::{
    probe::{ClusterSurvey, FailedProbe, NodeProbe},
    *,
};
use crate::{
    printer::{Format, tests::printed},
    sample_view::{self, name},
    warnings::Severity,
    wording::tests::in_days,
};

const SHOPS: [&str; 3] = ["ming", "hong", "peng"];

fn address(text: &str) -> Address {
    let host = SHOPS.iter().position(|shop| *shop == text).unwrap() + 1;
    Address::new(format!("10.0.0.{host}:7400")).unwrap()
}

fn pace(sync_p99_us: u64) -> NodePace {
    let timers = ElectionTimers::for_round_trip(100_000);
    NodePace { sync_p99_us: Some(sync_p99_us), stalled_ms: 3, timers, ..NodePace::default() }
}

fn node(text: &str) -> NodeView {
    let role = if text == "ming" { RaftRole::Leader } else { RaftRole::Follower };
    NodeView {
        address: address(text),
        lag: Some(0),
        applied: Some(Revision(9)),
        version: Some("0.1.0".to_owned()),
        pace: Some(pace(1_400)),
        certificate_until_s: Some(in_days(90)),
        disk_free_bytes: Some(20 << 30),
        level: Some(FeatureLevel(2)),
        ..sample_view::node(text, Some(role), NodeState::Up, None)
    }
}

fn probe(text: &str) -> NodeProbe {
    let view = ClusterView {
        asked: name(text),
        may_lose: 1,
        level: Some(FeatureLevel(2)),
        ..sample_view::view(3, 3, SHOPS.map(node).into())
    };
    NodeProbe {
        name: name(text),
        address: address(text),
        connected: Duration::from_micros(2_140),
        round_trip: Duration::from_micros(310),
        path: PathMtu { bytes: 1_436, probes_lost: 0 },
        status: sample_view::status(text),
        clock: None,
        view: Some(view),
    }
}

fn healthy() -> ClusterSurvey {
    ClusterSurvey { probes: SHOPS.map(probe).into(), failed: Vec::new() }
}

/// Changes the list of each node.
fn with(change: impl Fn(&mut ClusterView)) -> ClusterSurvey {
    let mut survey = healthy();
    survey.probes.iter_mut().filter_map(|probe| probe.view.as_mut()).for_each(change);
    survey
}

/// Returns the checks that do not pass, as check, node, result.
fn problems(survey: &ClusterSurvey) -> Vec<(&'static str, Option<String>, Severity)> {
    let mut rows = judge::judge(survey, None);
    rows.sort_by_key(|row| row.topic);
    assert!(rows.iter().all(|row| row.problem.is_some() != row.hint.is_empty()), "{rows:#?}");
    let problem =
        |row: CheckRow| Some((row.topic.as_str(), row.node.map(|name| name.to_string()), row.problem?));
    rows.into_iter().filter_map(problem).collect()
}

fn at(check: &'static str, node: &str, severity: Severity) -> (&'static str, Option<String>, Severity) {
    (check, (!node.is_empty()).then(|| node.to_owned()), severity)
}

const FAIL: Severity = Severity::Fail;
const WARN: Severity = Severity::Warn;

#[test]
fn a_healthy_cluster_passes_each_check() {
    assert_eq!(problems(&healthy()), []);
    let topics: std::collections::BTreeSet<_> =
        judge::judge(&healthy(), Some(ClusterId(1))).into_iter().map(|row| row.topic.as_str()).collect();
    let all = [
        "certificate",
        "clock",
        "cluster",
        "fsync",
        "level",
        "links",
        "membership",
        "packets",
        "pauses",
        "quorum",
        "reach",
        "revocation",
        "space",
        "state",
        "timers",
        "version",
        "writes",
    ];
    assert_eq!(topics.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn a_node_that_is_down_fails_and_the_others_are_checked() {
    let mut survey = with(|view| {
        view.nodes[2] = NodeView {
            state: NodeState::Unreachable,
            version: None,
            pace: None,
            certificate_until_s: None,
            disk_free_bytes: None,
            ..node("peng")
        };
        (view.voters_in_reach, view.may_lose) = (2, 0);
    });
    survey.probes.pop();
    survey.failed.push(FailedProbe {
        address: address("peng"),
        why: "it is silent".into(),
        is_identity: false,
    });
    assert_eq!(problems(&survey), [at("quorum", "", WARN), at("reach", "peng", FAIL)]);
    let rows = judge::judge(&survey, None);
    let down = rows.iter().find(|row| row.problem == Some(FAIL)).unwrap();
    assert_eq!(down.detail, "10.0.0.3:7400: it is silent");
    assert!(down.hint.starts_with("start coffeed on its host"), "{down:?}");

    // The same, while the other nodes reach it.
    let mut survey = healthy();
    survey.probes.pop();
    survey.failed.push(FailedProbe {
        address: address("peng"),
        why: "it is silent".into(),
        is_identity: false,
    });
    assert_eq!(problems(&survey), [at("reach", "peng", FAIL)]);
    let rows = judge::judge(&survey, None);
    let cut = rows.iter().find(|row| row.problem == Some(FAIL)).unwrap();
    assert!(cut.hint.starts_with("the other nodes reach it: let UDP"), "{cut:?}");
}

#[test]
fn without_any_answer_there_is_a_line_per_endpoint() {
    let failed = |is_identity| FailedProbe { address: address("ming"), why: "no".into(), is_identity };
    let survey = ClusterSurvey { probes: Vec::new(), failed: vec![failed(false), failed(true)] };
    assert_eq!(problems(&survey), [at("quorum", "", FAIL), at("reach", "", FAIL), at("reach", "", FAIL)]);
    let rows = judge::judge(&survey, None);
    assert!(rows[1].hint.contains("'coffeectl cert list'"), "{:?}", rows[1]);

    // A certificate for backups reads statuses alone.
    let mut survey = healthy();
    survey.probes.iter_mut().for_each(|probe| probe.view = None);
    assert_eq!(problems(&survey), [at("quorum", "", FAIL)]);
}

#[test]
fn a_lost_quorum_and_a_membership_change_that_needs_it_fail() {
    let survey = with(|view| {
        (view.voters_in_reach, view.may_lose, view.leader, view.joint) = (1, 0, None, true);
    });
    assert_eq!(problems(&survey), [at("quorum", "", FAIL), at("membership", "", FAIL)]);
    let survey = with(|view| view.joint = true);
    assert_eq!(problems(&survey), [at("membership", "", WARN)]);
    let silent = with(|view| view.quorum_silent_ms = Some(42_000));
    assert_eq!(problems(&silent), [at("quorum", "", FAIL), at("quorum", "", FAIL)]);
}

#[test]
fn an_even_number_of_voters_bears_no_more_than_one_less() {
    for (voters, problem) in [(1, Some(WARN)), (2, Some(WARN)), (3, None), (4, Some(WARN)), (5, None)] {
        let survey = with(|view| (view.voters, view.voters_in_reach) = (voters, voters));
        let expected: Vec<_> = problem.map(|severity| at("membership", "", severity)).into_iter().collect();
        assert_eq!(problems(&survey), expected, "{voters}");
    }
    let survey = with(|view| (view.voters, view.voters_in_reach) = (4, 4));
    let rows = judge::judge(&survey, None);
    assert!(rows.iter().any(|row| row.detail == "4 voters bear the loss of 1, as 3 would"), "{rows:#?}");
}

#[test]
fn the_warnings_of_list_are_problems_of_the_same_nodes() {
    let survey = with(|view| {
        view.nodes[0].certificate_until_s = Some(in_days(-1));
        view.nodes[1].certificate_until_s = Some(in_days(9));
        view.nodes[1].disk_free_bytes = Some(1 << 20);
        view.nodes[2].pace = Some(pace(310_000));
        view.writes_refused = Some("too little disk space is free at hong".to_owned());
        view.join_requests.push(name("hu"));
    });
    assert_eq!(
        problems(&survey),
        [
            at("certificate", "ming", FAIL),
            at("certificate", "hong", WARN),
            at("membership", "", WARN),
            at("fsync", "peng", WARN),
            at("space", "hong", WARN),
            at("writes", "", FAIL),
        ]
    );
}

#[test]
fn versions_that_differ_and_a_level_that_can_be_raised_are_named() {
    let survey = with(|view| {
        view.nodes[1].version = Some("0.2.0".to_owned());
        view.nodes[1].level = Some(FeatureLevel(3));
    });
    assert_eq!(problems(&survey), [at("version", "", WARN), at("level", "", WARN)]);
    let rows = judge::judge(&survey, None);
    assert!(rows.iter().any(|row| row.detail == "0.1.0 at ming, peng; 0.2.0 at hong"), "{rows:#?}");
}

#[test]
fn a_node_that_lags_far_or_is_on_its_way_is_named() {
    for (lag, problem) in [(0, None), (10_000, None), (10_001, Some(WARN))] {
        let survey = with(|view| view.nodes[1].lag = Some(lag));
        let expected: Vec<_> = problem.map(|severity| at("state", "hong", severity)).into_iter().collect();
        assert_eq!(problems(&survey), expected, "{lag}");
    }
    for (state, problem) in [
        (NodeState::Joining, Some(WARN)),
        (NodeState::Starting, Some(WARN)),
        (NodeState::Announced, Some(WARN)),
        (NodeState::Shutdown, None),
    ] {
        let survey = with(|view| view.nodes[1].state = state);
        let expected: Vec<_> = problem.map(|severity| at("state", "hong", severity)).into_iter().collect();
        assert_eq!(problems(&survey), expected, "{state:?}");
    }
}

#[test]
fn packets_that_stay_at_the_minimum_are_worth_a_warning() {
    for (bytes, probes_lost, problem) in [(1_201, 9, None), (1_200, 2, None), (1_200, 3, Some(WARN))] {
        let mut survey = healthy();
        survey.probes[0].path = PathMtu { bytes, probes_lost };
        let expected: Vec<_> = problem.map(|severity| at("packets", "ming", severity)).into_iter().collect();
        assert_eq!(problems(&survey), expected, "{bytes} {probes_lost}");
    }
}

#[test]
fn another_cluster_than_the_named_one_fails() {
    let rows = judge::judge(&healthy(), Some(ClusterId(9)));
    let failed: Vec<_> = rows.iter().filter(|row| row.problem.is_some()).map(|row| row.topic).collect();
    assert_eq!(failed, [Topic::Cluster]);
    let mut left_out = healthy();
    left_out.probes[2].status.left_out =
        Some(LeftOut { cluster: ClusterId(8), from: address("ming"), peers: vec![name("ming")] });
    assert_eq!(problems(&left_out), [at("cluster", "peng", FAIL)]);
}

fn sample() -> DoctorReport {
    let peng = name("peng");
    DoctorReport::new(vec![
        CheckRow::fail(Topic::Reach, Some(&peng), "10.0.0.3:7400: \u{1b}[2J", "start\tit"),
        CheckRow::pass(Topic::Certificate, None, "own: admin-ops"),
        CheckRow::warn(Topic::Quorum, None, "2 of 3 voters in reach", "start the others"),
    ])
}

#[test]
fn golden() {
    let report = sample();
    assert!(report.fails());
    assert_eq!(
        printed(Format::Table, &report),
        "\
CHECK        NODE  RESULT  DETAIL
certificate  -     PASS    own: admin-ops
quorum       -     WARN    2 of 3 voters in reach
  hint: start the others
reach        peng  FAIL    10.0.0.3:7400: \\x1b[2J
  hint: start\\tit
3 checks: 1 PASS, 1 WARN, 1 FAIL
"
    );
    assert_eq!(
        printed(Format::Plain, &report),
        "certificate\t-\tPASS\town: admin-ops\t-\n\
         quorum\t-\tWARN\t2 of 3 voters in reach\tstart the others\n\
         reach\tpeng\tFAIL\t10.0.0.3:7400: \\x1b[2J\tstart\\tit\n"
    );
    assert_eq!(
        printed(Format::Json, &report),
        "{\"apiVersion\":\"coffee/v1\",\"passed\":1,\"warned\":1,\"failed\":1,\"checks\":[\
         {\"check\":\"certificate\",\"node\":null,\"result\":\"PASS\",\"detail\":\"own: admin-ops\",\"hint\":null},\
         {\"check\":\"quorum\",\"node\":null,\"result\":\"WARN\",\"detail\":\"2 of 3 voters in reach\",\"hint\":\"start the others\"},\
         {\"check\":\"reach\",\"node\":\"peng\",\"result\":\"FAIL\",\"detail\":\"10.0.0.3:7400: \\u001b[2J\",\"hint\":\"start\\tit\"}]}\n"
    );
}
