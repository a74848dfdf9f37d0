//! `events` against scripted nodes.

use std::sync::atomic::{AtomicU64, Ordering};

use coffee_common::protocol::{NodeEvent, NodeEvents};

use super::*;

fn event(number: u64, at_ms: u64, kind: &str, text: &str) -> NodeEvent {
    NodeEvent {
        number,
        at_ms,
        kind: kind.to_owned(),
        subject: String::new(),
        term: None,
        text: text.to_owned(),
        count: 1,
        first_ms: at_ms,
    }
}

fn told(node: &str, started_at_ms: u64, events: Vec<NodeEvent>) -> Result<Response, Rejection> {
    Ok(Response::Events(NodeEvents { node: name(node), started_at_ms, events }))
}

/// A node that lists these others.
fn entry_to(lab: &Lab, others: &[(&str, &FakeNode)]) -> FakeNode {
    let mut view = shops(&others.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (node, (_, other)) in view.nodes.iter_mut().zip(others) {
        node.address = other.address.clone();
    }
    lab.node("ming", always(Ok(Response::Cluster(Box::new(view)))))
}

const AT_MS: u64 = 1_795_399_453_000;

#[test]
fn events_of_all_nodes_are_merged_by_time() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let of_hong = vec![
        event(1, AT_MS, "leads-no-longer", "leads no longer: it handed over"),
        event(2, AT_MS + 2000, "brewed", "a newer\u{1b}[2J kind"),
    ];
    let hong = lab.node("hong", always(told("hong", 1, of_hong)));
    let peng = lab.node("peng", always(told("peng", 1, vec![event(7, AT_MS + 1000, "leads", "leads now")])));
    let ming = entry_to(&lab, &[("hong", &hong), ("peng", &peng)]);
    let table = "\
TIME                  NODE  EVENT            WHAT HAPPENED
2026-11-23T02:04:13Z  hong  leads-no-longer  leads no longer: it handed over
2026-11-23T02:04:14Z  peng  leads            leads now
2026-11-23T02:04:15Z  hong  brewed           a newer\u{fffd}[2J kind
";
    desk.asks(&[&ming], ["events"]).go().says(table);
    let last = desk.asks(&[&ming], ["events", "-n", "1", "-o", "plain"]).go();
    last.says("2026-11-23T02:04:15Z\thong\tbrewed\t\t-\t1\ta newer\u{fffd}[2J kind\n");
    desk.asks(&[&ming], ["events", "--node", "peng", "--since", "2026-11-23T02:04:14Z", "-o", "plain"])
        .go()
        .says("2026-11-23T02:04:14Z\tpeng\tleads\t\t-\t1\tleads now\n");
    desk.asks(&[&ming], ["events", "--since", "90s"]).go().says("");
    let json = desk.asks(&[&ming], ["events", "-o", "json"]).go();
    let lines: Vec<serde_json::Value> =
        json.text().lines().map(|line| serde_json::from_str(line).expect("a document")).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[1]["node"], &lines[1]["number"]), (&"peng".into(), &7.into()));
}

#[test]
fn a_node_that_is_older_or_lost_is_named_and_the_others_are_shown() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let hong = lab.node("hong", always(told("hong", 1, vec![event(1, AT_MS, "start", "coffeed starts")])));
    let old = lab.node("peng", always(Err(Rejection::Unsupported("an unknown request".to_owned()))));
    let mut hu = lab.node("hu", always(unavailable()));
    hu.kill();
    let ming = entry_to(&lab, &[("hong", &hong), ("peng", &old), ("hu", &hu)]);
    let ran = desk.asks(&[&ming], ["events"]).go();
    assert!(ran.text().ends_with("hong  start            coffeed starts\n"), "{}", ran.text());
    assert_eq!(ran.code, Some(1), "the first one that is missing decides: {}", ran.err);
    ran.complaining(&format!("error: peng ({}): an unknown request\n", old.address));
    ran.complaining("error: hu");
    ran.complaining("hint: compare 'coffeectl --version'");
}

/// Numbers begin again with a restart, and the first events of the new start are not missed.
#[test]
fn a_restart_is_noticed_while_a_node_is_followed() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let looks = AtomicU64::new(0);
    let (tell, heard) = mpsc::channel();
    let hong = lab.node("hong", move |_, request: &Request| {
        let Request::Events { after, .. } = request else { return Act::Say(unavailable()) };
        let look = looks.fetch_add(1, Ordering::Relaxed);
        if look == 3 {
            tell.send(()).expect("the test listens");
        }
        let (start, all) = match look {
            0 => (1, vec![event(1, AT_MS, "start", "one"), event(2, AT_MS, "leads", "two")]),
            // It is asked again, for all.
            _ => (9, vec![event(1, AT_MS + 1, "start", "three"), event(2, AT_MS + 2, "follows", "four")]),
        };
        Act::Say(told("hong", start, all.into_iter().filter(|event| event.number > *after).collect()))
    });
    let ming = entry_to(&lab, &[("hong", &hong)]);
    let followed = desk.asks(&[&ming], ["events", "-f", "-o", "plain"]).signalled("INT", &heard);
    assert_eq!(followed.code, Some(130), "{}", followed.err);
    let texts: Vec<&str> = followed.text().lines().filter_map(|line| line.split('\t').next_back()).collect();
    assert_eq!(texts, ["one", "two", "three", "four"]);
}
