//! Verbs that ask several nodes, of which some fail.

use std::time::Duration;

use coffee_common::{
    feature_level::LEVEL_MAX,
    protocol::{CertificateStatus, LifecyclePhase, NodeStatus, Reload},
};
use tokio::time::Instant;

use super::*;

fn certificate() -> CertificateStatus {
    CertificateStatus { serial: "4a5b".into(), valid_until_s: u64::from(u32::MAX) }
}

fn status(text: &str) -> Result<Response, Rejection> {
    Ok(Response::Status(Box::new(NodeStatus {
        pace: Default::default(),
        left_out: None,
        writes_refused: None,
        name: name(text),
        address: "127.0.0.1:7400".parse().expect("legal"),
        version: "0.1.0".into(),
        phase: LifecyclePhase::Waiting,
        uptime_ms: 61_000,
        raft: None,
        certificate: certificate(),
        started_at_ms: 1,
        disk_free_bytes: Some(5 << 30),
        revocation_lists: Vec::new(),
        level: LEVEL_MAX,
        clock_ms: 1,
    })))
}

#[test]
fn status_does_not_wait_long_for_dead_nodes() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let (mut hong, ming, mut peng) = (
        lab.node("hong", always(status("hong"))),
        lab.node("ming", always(status("ming"))),
        lab.node("peng", always(status("peng"))),
    );
    hong.kill();
    peng.kill();
    let start = Instant::now();
    let ran = desk.asks(&[&hong, &ming, &peng], ["status"]).go();
    // The dead nodes would take five seconds.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    let rows: Vec<&str> = ran.text().lines().collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows[1].starts_with("ming  -     waiting"), "{rows:?}");
    let errors: Vec<&str> = ran.err.lines().collect();
    assert_eq!(errors.len(), 3, "two nodes and one hint: {errors:?}");
    assert!(errors[0].starts_with("error: ") && errors[0].contains(hong.address.as_str()), "{errors:?}");
    assert!(errors[1].starts_with("error: ") && errors[1].contains(peng.address.as_str()), "{errors:?}");
    assert!(errors[2].starts_with("hint: "), "{errors:?}");
    let pages = desk.asks(&[&ming], ["status", "-v"]).go();
    assert!(pages.text().contains("\ncertificate  4a5b until "), "{}", pages.text());
}

#[test]
fn a_reload_goes_on_and_names_the_nodes_that_failed() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let reloaded = |node: &str| Reload {
        node: name(node),
        changed: vec!["tls.cert".into()],
        needs_restart: Vec::new(),
        ended: Vec::new(),
        certificate: certificate(),
    };
    let refused = Rejection::Refused { reason: "unknown setting logs".into(), hint: "remove it".into() };
    let ming = lab.node("ming", always(Ok(Response::Reloaded(Box::new(reloaded("ming"))))));
    let hong = lab.node("hong", always(Err(refused)));
    let peng = lab.node("peng", always(unavailable()));
    let hu = lab.node("hu", always(Ok(Response::Reloaded(Box::new(reloaded("hu"))))));
    let ran = desk.asks(&[&ming, &hong, &peng, &hu], ["reload", "-o", "json", "--timeout", "1s"]).go();
    assert_eq!(ran.code, Some(8), "the first failure decides: {}", ran.err);
    let json = ran.json();
    assert_eq!(json["not_reloaded"], serde_json::json!([hong.address.as_str(), peng.address.as_str()]));
    let names: Vec<_> = json["nodes"].as_array().expect("nodes").iter().map(|node| &node["name"]).collect();
    assert_eq!(names, ["ming", "hu"]);
    ran.complaining("unknown setting logs\nhint: remove it\n");
    ran.complaining(&format!("hint: not reloaded: {}, {}\n", hong.address, peng.address));
    let forced =
        |node: &FakeNode| node.asks().iter().any(|ask| ask.request == Request::Reload { force: true });
    assert!(!forced(&hu));
    desk.asks(&[&hu], ["reload", "--force"]).go();
    assert!(forced(&hu));
}

/// ming lags: it does not list hu yet, which its leader has.
#[test]
fn a_list_that_is_old_hides_no_node() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let mut known = shops(&["peng", "ming", "hu"]);
    known.asked = name("peng");
    let hu = lab.node("hu", always(status("hu")));
    known.nodes[2].address = hu.address.clone();
    let of_leader = known.clone();
    let peng = lab.node("peng", always(Ok(Response::Cluster(Box::new(of_leader)))));
    let mut old = shops(&["peng", "ming"]);
    old.nodes[0].address = peng.address.clone();
    let ming = lab.node("ming", move |nth, request: &Request| {
        Act::Say(match request {
            // It catches up.
            Request::List if nth > 6 => Ok(Response::Cluster(Box::new(known.clone()))),
            Request::List => Ok(Response::Cluster(Box::new(old.clone()))),
            Request::CanStop { node } if *node == name("hu") => {
                Ok(Response::CanStop { yes: true, reason: "2 voters remain".into() })
            }
            Request::CanStop { node } => Err(Rejection::NotFound(format!("{node} is not a member"))),
            other => Err(Rejection::Invalid(format!("{other:?}"))),
        })
    });
    let ran = desk.asks(&[&ming], ["status", "hu"]).go();
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.text());
    let ran = desk.asks(&[&ming], ["wait", "--for", "synced", "--node", "hu"]).go();
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    desk.asks(&[&ming], ["status", "hung"]).go().fails(3).complaining("there is no node hung");
}

#[test]
fn without_a_leader_to_ask_an_unlisted_node_may_exist() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let ming = lab.node("ming", |_, request: &Request| {
        Act::Say(match request {
            Request::List => Ok(Response::Cluster(Box::new(shops(&["ming", "hong"])))),
            _ => Err(Rejection::NoQuorum { reached: vec![name("ming")], voters: 3 }),
        })
    });
    let ran = desk.asks(&[&ming], ["status", "hu"]).go();
    ran.fails(5).complaining("ming does not list hu yet, and the leader cannot be asked: ");
    let ran = desk.asks(&[&ming], ["wait", "--for", "leader", "--node", "hu", "--timeout", "300ms"]).go();
    ran.fails(5).complaining("hu is not in the list");
}
