//! The parts for clusters in different states.

use coffee_common::{
    feature_level::LEVEL_MAX,
    id::{Address, ClusterId, NodeId, NodeName, Revision},
    protocol::{NodePace, NodeState},
};

use super::*;
use crate::api::page::document::RenderedPage;

const NOW_MS: u64 = 1_795_399_453_000;
const DAY_S: u64 = 86_400;

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("legal")
}

fn node(text: &str, id: u64, role: RaftRole) -> NodeView {
    NodeView {
        name: name(text),
        id: Some(NodeId(id)),
        address: Address::new(format!("10.0.0.{id}:7400")).expect("legal"),
        role: Some(role),
        state: NodeState::Up,
        lag: Some(0),
        applied: Some(Revision(4711)),
        version: Some("0.1.0".to_owned()),
        pace: Some(NodePace { sync_p99_us: Some(1_200), ..NodePace::default() }),
        certificate_until_s: Some(NOW_MS / 1000 + 300 * DAY_S + 3_600),
        disk_free_bytes: Some(20 << 30),
        revocation_lists: Vec::new(),
        other_cluster: None,
        level: Some(LEVEL_MAX),
    }
}

fn view() -> ClusterView {
    ClusterView {
        cluster: Some(ClusterId(0xc0ffee)),
        asked: name("ming"),
        leader: Some(name("ming")),
        term: 3,
        joint: false,
        voters: 3,
        voters_in_reach: 3,
        may_lose: 1,
        writes_refused: None,
        quorum_silent_ms: None,
        join_requests: Vec::new(),
        nodes: vec![
            node("ming", 1, RaftRole::Leader),
            node("hong", 2, RaftRole::Follower),
            node("peng", 3, RaftRole::Follower),
        ],
        level: Some(LEVEL_MAX),
        disk_free_bytes_min: None,
    }
}

fn lose(view: &mut ClusterView, lost: &str) {
    let found = view.nodes.iter_mut().find(|node| node.name.as_str() == lost).expect("it is there");
    *found = NodeView {
        role: None,
        state: NodeState::Unreachable,
        lag: None,
        applied: None,
        version: None,
        pace: None,
        certificate_until_s: None,
        disk_free_bytes: None,
        level: None,
        ..found.clone()
    };
    view.voters_in_reach -= 1;
    view.may_lose = view.may_lose.saturating_sub(1);
}

fn data(view: ClusterView) -> PageData {
    let sample = |n: u64| ActivitySample {
        writes: 500 + n,
        reads: 40 * (n % 7),
        elections: u64::from(n == 9),
        write_p99: Some(Duration::from_micros(2_300 + 10 * n)),
        sync_p99: (n > 3).then(|| Duration::from_micros(900)),
    };
    PageData {
        now_ms: NOW_MS,
        view: Arc::new(view),
        samples: (0..20).map(sample).collect(),
        own: NodeFacts {
            version: "0.1.0",
            uptime_ms: 3_600_500,
            watches: 4,
            connections: 12,
            connections_max: 16_384,
            data_bytes: 50 << 20,
            data_bytes_max: 200 << 20,
            last_backup_ms: Some(NOW_MS - 7_300_000),
            ..NodeFacts::default()
        },
        events: vec![
            event(1, "stands for election: hong was not heard for 812 ms", 1),
            event(2, "leads now", 2),
        ],
    }
}

fn event(number: u64, text: &str, count: u64) -> NodeEvent {
    NodeEvent {
        number,
        at_ms: NOW_MS - 60_000 + number,
        kind: "leads".to_owned(),
        subject: String::new(),
        term: Some(3),
        text: text.to_owned(),
        count,
        first_ms: NOW_MS - 60_000,
    }
}

#[test]
fn the_latest_event_comes_first() {
    let html = timeline(&data(view())).finish();
    let (first, second) = html.split_once("</li>").expect("two events");
    assert!(first.contains("2026-11-23 02:03:13 UTC</time> <span>leads now (term 3), 2 times"), "{html}");
    assert!(second.contains("hong was not heard"), "{html}");
    let none = timeline(&PageData { events: Vec::new(), ..data(view()) }).finish();
    assert!(none.contains("Nothing since the start."), "{none}");
}

#[track_caller]
fn assert_shows(view: ClusterView, class: &str, sentence: &str, findings: &[&str]) {
    let html = verdict(&data(view)).finish();
    assert!(html.contains(&format!("class=\"{class}\"")), "{html}");
    assert!(html.contains(sentence), "{html}");
    for found in findings {
        assert!(html.contains(found), "{found} in {html}");
    }
    assert_eq!(html.matches("<li>").count() > 0, !findings.is_empty(), "{html}");
}

#[test]
fn a_healthy_cluster_has_nothing_to_do() {
    let sentence = "The cluster is well: 3 of 3 voters in reach, 1 more may be lost; leader ming, term 3.";
    assert_shows(view(), "well", sentence, &[]);
}

#[test]
fn a_node_that_is_down_is_to_be_started() {
    let mut view = view();
    lose(&mut view, "peng");
    let sentence = "The cluster works: 2 of 3 voters in reach, none may be lost; leader ming, term 3.";
    let next = ["<strong>peng does not answer</strong>", "<code>systemctl start coffeed</code>"];
    assert_shows(view.clone(), "at-risk", sentence, &next);
    let table = nodes(&data(view)).finish();
    assert!(table.contains("<tr class=\"lost\"><th scope=\"row\">peng</th>"), "{table}");
    assert!(table.contains("<td data-label=\"State\" class=\"state\">unreachable</td>"), "{table}");
}

#[test]
fn without_a_quorum_the_lost_nodes_are_named_once() {
    let mut view = view();
    lose(&mut view, "peng");
    lose(&mut view, "hong");
    view.leader = None;
    let sentence = "The cluster takes no writes: 1 of 3 voters in reach, no quorum; no leader.";
    let next = [
        "there is no quorum: 1 of 3 voters are in reach",
        "start the daemon on the others (hong, peng): <code>systemctl start coffeed</code>",
        "<code>coffeectl wait --for quorum</code>",
    ];
    assert_shows(view.clone(), "down", sentence, &next);
    assert_eq!(verdict(&data(view)).finish().matches("<li>").count(), 1);
}

#[test]
fn a_leader_that_hears_no_quorum_takes_no_writes() {
    let silent = ClusterView { quorum_silent_ms: Some(42_000), may_lose: 0, ..view() };
    let next = ["the leader ming has heard no quorum for 42 s"];
    assert_shows(silent, "down", "but the leader hears no quorum", &next);
    let election = ClusterView { leader: None, ..view() };
    assert_shows(election, "down", "no leader.", &["an election is in progress"]);
}

#[test]
fn what_ends_soon_or_runs_full_is_shown() {
    let mut view = view();
    view.nodes[0].disk_free_bytes = Some(100 << 20);
    view.nodes[1].certificate_until_s = Some(NOW_MS / 1000 + 12 * DAY_S + 60);
    view.nodes[2].certificate_until_s = Some(NOW_MS / 1000 - 60);
    view.writes_refused = Some("too little disk space is free at ming, hong".to_owned());
    let next = [
        "writes that add data are refused: too little disk space is free at ming, hong",
        "the disk of ming has 100 MiB left",
        "the certificate of hong expires in 12 days",
        "<code>coffeectl cert renew node-hong</code>",
        "the certificate of peng has expired",
    ];
    assert_shows(view.clone(), "at-risk", "needs attention", &next);
    let table = nodes(&data(view)).finish();
    assert!(table.contains("(12 days)") && table.contains("(expired)"), "{table}");
}

#[test]
fn the_floor_of_disk_space_is_that_of_the_cluster() {
    let floor = ClusterView { disk_free_bytes_min: Some(30 << 30), ..view() };
    assert_shows(floor, "at-risk", "needs attention", &["the disk of hong has 20 GiB left"]);
}

#[test]
fn a_node_outside_a_cluster_says_how_to_begin() {
    let waiting = NodeView { state: NodeState::Waiting, ..node("ming", 1, RaftRole::Learner) };
    let outside =
        ClusterView { cluster: None, voters: 0, voters_in_reach: 0, nodes: vec![waiting], ..view() };
    assert_shows(outside, "down", "serves no keys", &["<code>coffeectl init ming</code>"]);
}

#[test]
fn text_from_the_network_never_becomes_markup() {
    let hostile = "<script src=//evil></script>\" onload='x'\r\ndata: y";
    let mut view = view();
    view.nodes[1].version = Some(hostile.to_owned());
    view.writes_refused = Some(hostile.to_owned());
    let page = RenderedPage::new(&PageData { events: vec![event(1, hostile, 1)], ..data(view) });
    for html in [page.document(), page.changes(None).expect("all")] {
        assert!(!html.contains("<script src=//evil>") && !html.contains("onload='"), "{html}");
        assert!(!html.contains("\ndata: y"), "{html}");
    }
}

#[test]
fn an_event_has_the_parts_that_changed() {
    let before = data(view());
    let page = RenderedPage::new(&before);
    let first = page.changes(None).expect("all");
    assert!(first.starts_with("data: <section id=\"part-verdict\"") && first.ends_with("\n\n"), "{first}");
    assert_eq!((first.matches("id=\"part-").count(), first.lines().count()), (PARTS, 2), "{first}");
    assert_eq!(page.changes(Some(&page)), None);
    let later = RenderedPage::new(&PageData { now_ms: NOW_MS + 1000, ..before });
    let event = later.changes(Some(&page)).expect("the time");
    assert_eq!(event.matches("id=\"part-").count(), 1, "{event}");
    assert!(event.contains("2026-11-23 02:04:14 UTC"), "{event}");
}

#[test]
fn the_document_refers_to_nothing_elsewhere() {
    let document = RenderedPage::new(&data(view())).document();
    for forbidden in ["http:", "https:", "//", " style=", "onclick", "<script>"] {
        assert!(!document.contains(forbidden), "{forbidden}: {document}");
    }
    assert!(document.contains("<noscript><meta http-equiv=\"refresh\""), "{document}");
    for shown in ["50 MiB of 200 MiB (25 %)", "12 of at most 16384", "2 h ago", "/metrics", "Elections seen"]
    {
        assert!(document.contains(shown), "{shown}: {document}");
    }
    assert!(document.len() < 32 << 10, "{}", document.len());
    assert!(crate::api::page::SCRIPT.body.lines().count() <= 100);
}
