//! The real command against scripted nodes: its texts, bytes and exit codes.

mod codes;
mod completion;
mod contexts;
mod events;
#[expect(dead_code, reason = "the tests of the client use the rest")]
#[path = "../../../tests/client/fake.rs"]
mod fake;
mod foreign_tools;
mod many;
mod run;
mod signing;
mod transactions;
mod watching;

use std::{os::unix::ffi::OsStringExt, sync::mpsc};

use coffee_client::{Condition, Key, NodeName, Operation, Response, Revision};
use coffee_common::{
    command::{Batch, Outcome},
    entry::Entry,
    id::{NodeId, RequestId},
    key::{KeyRange, Value},
    limits::VALUE_BYTES_MAX,
    protocol::{ClusterView, NodeState, NodeView, RaftRole, Rejection, Removal, Request},
};

use self::run::{CommandOutput, Desk, bare};
use crate::fake::{Act, FakeNode, Lab, always, applied, unavailable};

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("legal")
}

fn entry(bytes: &[u8]) -> Entry {
    let value = Value::new(bytes.to_vec()).expect("legal");
    Entry { value, created: Revision(3), modified: Revision(7), version: 2 }
}

fn removal(dry_run: bool) -> Removal {
    Removal {
        node: name("hong"),
        changed: true,
        voters_before: 4,
        voters_after: 3,
        leader: (!dry_run).then(|| name("ming")),
        took_ms: 12,
    }
}

/// A desk, and a node that always sends the same response.
fn saying(result: Result<Response, Rejection>) -> (Lab, Desk, FakeNode) {
    let lab = Lab::new();
    let (desk, ming) = (Desk::of(&lab), lab.node("ming", always(result)));
    (lab, desk, ming)
}

fn ask(result: Result<Response, Rejection>, words: &[&str]) -> CommandOutput {
    let (_lab, desk, ming) = saying(result);
    desk.asks(&[&ming], words).go()
}

fn operations(node: &FakeNode) -> Vec<Batch> {
    let batch = |request| match request {
        Request::Write { batch, .. } => Some(batch.as_ref().clone()),
        _ => None,
    };
    node.asks().into_iter().filter_map(|ask| batch(ask.request)).collect()
}

#[test]
fn a_write_prints_its_revision() {
    ask(applied(4711), &["set", "order/1", "latte"]).says("revision 4711\n");
    ask(applied(4711), &["set", "order/1", "latte", "-o", "plain"]).says("4711\n");
    let ran = ask(applied(4711), &["set", "order/1", "latte", "-o", "json"]);
    let json = ran.json();
    assert_eq!((&json["apiVersion"], &json["revision"]), (&"coffee/v1".into(), &4711.into()));
    assert!(json["request_id"].as_str().is_some_and(|id| id.parse::<RequestId>().is_ok()), "{json}");
}

#[test]
fn values_are_byte_exact_on_every_way() {
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let (_lab, desk, ming) = saying(applied(1));
    let file = desk.file("order.bin", &bytes);
    desk.asks(&[&ming], ["set", "k", "-"]).reads(bytes.clone()).go().says("revision 1\n");
    desk.asks(&[&ming], ["set", "k", "--file", &file]).go().says("revision 1\n");
    let word = std::ffi::OsString::from_vec(b"\xff\n ".to_vec());
    desk.asks(&[&ming], ["set".into(), "k".into(), word]).go().says("revision 1\n");
    desk.asks(&[&ming], ["set", "k", ""]).go().says("revision 1\n");
    let set: Vec<Vec<u8>> = operations(&ming)
        .into_iter()
        .flat_map(|batch| batch.operations)
        .map(|operation| match operation {
            Operation::Set(_, value) => value.as_bytes().to_vec(),
            Operation::Delete(_) => panic!("nothing is deleted"),
        })
        .collect();
    assert_eq!(set, [bytes.clone(), bytes.clone(), b"\xff\n ".to_vec(), Vec::new()]);

    let ran = ask(Ok(Response::Value { entry: Some(entry(&bytes)), at: Revision(9) }), &["get", "k"]);
    assert_eq!((ran.code, ran.out == bytes), (Some(0), true));
}

#[test]
fn a_largest_value_is_let_through() {
    let (_lab, desk, ming) = saying(applied(1));
    let ran = desk.asks(&[&ming], ["set", "k", "-"]).reads(vec![7; VALUE_BYTES_MAX]).go();
    ran.says("revision 1\n");
    let ran = desk.asks(&[&ming], ["set", "k", "-"]).reads(vec![7; VALUE_BYTES_MAX + 1]).go();
    ran.fails(2).complaining("too many bytes");
    assert_eq!(ming.asked(), 1);
}

/// A page of a range that goes on: the first one, or one of the same revision.
fn page(request: &Request, entries: Vec<(Key, Entry)>) -> Act {
    let upto = entries.last().map(|(key, _)| key.clone());
    Act::Say(Ok(match request {
        Request::RangeAt { .. } => Response::PastPage { entries, upto },
        _ => Response::Page { entries, more: true, at: Revision(9), upto },
    }))
}

#[test]
fn keys_come_page_by_page_up_to_the_limit() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let ming = lab.node("ming", |nth, request: &Request| {
        let key = |n| (Key::new(format!("order/{n}")).expect("legal"), entry(b"a\tb"));
        page(request, vec![key(2 * nth), key(2 * nth + 1)])
    });
    let ran = desk.asks(&[&ming], ["keys", "order/", "--limit", "4", "--values", "-o", "plain"]).go();
    ran.says("order/0\t7\ta\\tb\norder/1\t7\ta\\tb\norder/2\t7\ta\\tb\norder/3\t7\ta\\tb\n");
    let ranges: Vec<(KeyRange, u32)> = ming
        .asks()
        .into_iter()
        .map(|ask| match ask.request {
            Request::Range { range, limit, keys_only: false, .. }
            | Request::RangeAt { range, limit, keys_only: false, revision: Revision(9), .. } => {
                (range, limit)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let first = KeyRange::prefix("order/");
    let second = first.clone().after(&Key::new("order/1").expect("legal"));
    assert_eq!(ranges, [(first, 4), (second, 2)]);
}

#[test]
fn an_empty_page_is_not_the_last_one() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let key = |name: &str| Key::new(name).expect("legal");
    let ming = lab.node("ming", move |nth, request: &Request| {
        let upto = Some(key("order/5")).filter(|_| nth < 2);
        let entries = if nth == 2 { vec![(key("order/7"), entry(b"v"))] } else { Vec::new() };
        Act::Say(Ok(match request {
            Request::RangeAt { .. } => Response::PastPage { entries, upto },
            _ => Response::Page { entries, more: true, at: Revision(9), upto },
        }))
    });
    desk.asks(&[&ming], ["keys", "order/", "-o", "plain"]).go().says("order/7\t7\n");
    assert_eq!(ming.asked(), 3);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let ming = lab.node("ming", |nth, request: &Request| {
        let key = |n: usize| (Key::new(format!("order/{n:09}")).expect("legal"), entry(b"v"));
        page(request, (0..1000).map(|n| key(1000 * nth + n)).collect())
    });
    let ran = desk.asks(&[&ming], ["keys", "--timeout", "60s"]).cut_short();
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

#[test]
fn no_node_is_removed_without_a_confirmation() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let node = lab.node("ming", |_, request: &Request| {
        Act::Say(match request {
            Request::Down { dry_run, .. } => Ok(Response::Down(removal(*dry_run))),
            Request::Remove { dry_run, .. } => Ok(Response::Removed(removal(*dry_run))),
            other => Err(Rejection::Invalid(format!("{other:?}"))),
        })
    });
    let wet = |node: &FakeNode| {
        let wet = |request: &Request| {
            matches!(request, Request::Down { dry_run: false, .. } | Request::Remove { dry_run: false, .. })
        };
        node.asks().iter().filter(|ask| wet(&ask.request)).count()
    };
    let plan = "plan for hong: remove it from the cluster and shut it down\n  voters       4 -> 3\n  quorum       3 -> 2\n  \
         may be lost  1 -> 1\n";
    desk.asks(&[&node], ["down", "hong", "--dry-run"]).go().says(plan);
    let ran = desk.asks(&[&node], ["down", "hong"]).reads("y\n").go();
    assert_eq!((ran.code, ran.text()), (Some(8), ""), "a pipe cannot be asked for confirmation");
    assert!(ran.err.starts_with(plan), "{}", ran.err);
    ran.complaining("hint: to confirm: coffeectl down hong --yes\n");
    desk.asks(&[&node], ["node", "remove", "hong"]).go().complaining("coffeectl node remove hong --yes");
    assert_eq!(wet(&node), 0);

    let ran = desk.asks(&[&node], ["down", "hong", "--yes"]).go();
    assert_eq!(ran.text(), "hong is down: voters 4 -> 3, leader ming, after 12 ms\n");
    ran.complaining("'coffeectl node remove hong'").complaining("'coffeectl revoke node-hong'");
    let ran = desk.asks(&[&node], ["--yes", "node", "remove", "hong", "-o", "plain"]).go();
    assert_eq!(ran.text(), "hong\ttrue\t4\t3\tming\t12\n");
    assert_eq!((ran.code, ran.err.lines().count()), (Some(0), 1), "{}", ran.err);
    assert_eq!(wet(&node), 2);
}

#[test]
fn ctrl_c_is_code_130_and_says_how_to_repeat_the_write() {
    let lab = Lab::new();
    let (hear, heard) = mpsc::channel();
    let ming = lab.node("ming", move |_, _: &Request| {
        hear.send(()).expect("the test listens");
        Act::Ignore
    });
    let desk = Desk::of(&lab);
    let ran = desk.asks(&[&ming], ["set", "k", "v"]).signalled("INT", &heard);
    ran.fails(130);
    let id = ming.write_ids()[0];
    assert!(ran.err.ends_with(&format!("coffeectl set k v --request-id {id}\n")), "{}", ran.err);
    let ran = desk.asks(&[&ming], ["get", "k"]).signalled("TERM", &heard);
    ran.fails(143);
    assert_eq!(ran.err, "error: interrupted\n");
}

#[test]
fn a_flag_comes_before_a_variable() {
    let (_lab, desk, ming) = saying(applied(5));
    let run = || desk.asks(&[&ming], ["set", "k", "v", "--endpoints", ming.address.as_str(), "-o", "plain"]);
    run().with("COFFEECTL_ENDPOINTS", "127.0.0.1:1").with("COFFEECTL_OUTPUT", "json").go().says("5\n");
    let run = desk.asks(&[&ming], ["set", "k", "v"]).with("COFFEECTL_OUTPUT", "plain");
    run.go().says("5\n");
    desk.asks(&[&ming], ["list"]).with("COFFEECTL_TIMEOUT", "soon").go().fails(2).complaining("--timeout");
}

#[test]
fn lines_on_standard_input_are_carried_out_one_by_one() {
    let (_lab, desk, ming) = saying(applied(5));
    let lines =
        "\n# orders\nset k v\nbrew\nset k -\n  coffeectl set k 'two words' -o plain\nquit\nset never v\n";
    let ran = desk.asks(&[&ming], [] as [&str; 0]).reads(lines).go();
    assert_eq!(ran.text(), "revision 5\n5\n");
    assert_eq!(ran.code, Some(2), "the first line that failed decides: {}", ran.err);
    assert_eq!(ming.asked(), 2);
    let ran = desk.asks(&[&ming], [] as [&str; 0]).reads("set k v").go();
    ran.says("revision 5\n");
    desk.asks(&[&ming], [] as [&str; 0]).go().says("");
}

#[test]
fn values_on_lines_do_not_stick_together() {
    let value = Ok(Response::Value { entry: Some(entry(b"latte")), at: Revision(9) });
    let (_lab, desk, ming) = saying(value);
    desk.asks(&[&ming], [] as [&str; 0]).reads("get a\nget b\n").go().says("latte\nlatte\n");
}

/// The view of these nodes that ming has; the first one leads.
fn shops(names: &[&str]) -> ClusterView {
    let node = |(nth, text): (usize, &&str)| NodeView {
        name: name(text),
        id: Some(NodeId(nth as u64 + 1)),
        address: format!("10.0.0.{}:7400", nth + 1).parse().expect("legal"),
        role: Some(if nth == 0 { RaftRole::Leader } else { RaftRole::Follower }),
        state: NodeState::Up,
        lag: Some(0),
        applied: Some(Revision(9)),
        version: Some("0.1.0".into()),
        pace: None,
        certificate_until_s: None,
        disk_free_bytes: None,
        revocation_lists: Vec::new(),
        other_cluster: None,
        level: None,
    };
    let nodes: Vec<NodeView> = names.iter().enumerate().map(node).collect();
    ClusterView {
        disk_free_bytes_min: None,
        quorum_silent_ms: None,
        join_requests: Vec::new(),
        writes_refused: None,
        cluster: Some(coffee_common::id::ClusterId(7)),
        asked: name("ming"),
        leader: Some(nodes[0].name.clone()),
        term: 2,
        joint: false,
        voters: nodes.len() as u32,
        voters_in_reach: nodes.len() as u32,
        may_lose: 0,
        nodes,
        level: None,
    }
}

/// A node that lists these shops, and whose leader knows no other.
fn listing(view: ClusterView) -> impl Fn(usize, &Request) -> Act + Send + Sync {
    move |_, request| {
        Act::Say(match request {
            Request::List => Ok(Response::Cluster(Box::new(view.clone()))),
            Request::CanStop { node } => Err(Rejection::NotFound(format!("{node} is not a member"))),
            other => Err(Rejection::Invalid(format!("{other:?}"))),
        })
    }
}

#[test]
fn the_list_and_what_waits_for_it() {
    let lab = Lab::new();
    let (desk, ming) = (Desk::of(&lab), lab.node("ming", listing(shops(&["ming", "hong"]))));
    let run = |words: &[&str]| desk.asks(&[&ming], words).go();
    let plain = "ming\tleader\tup\t10.0.0.1:7400\t0\t9\t0.1.0\t-\t-\t-\nhong\tfollower\tup\t10.0.0.2:7400\t0\t9\t0.1.0\t-\t-\t-\n#\t2\t2\t0\tming\t2\n";
    run(&["list", "-o", "plain"]).says(plain);
    run(&["list", "-o", "plain", "--check"]).says(plain);
    for words in [
        &["wait", "--for", "leader"][..],
        &["wait", "--for", "quorum"],
        &["wait", "--for", "synced"],
        &["wait", "--for", "voter", "--node", "hong"],
    ] {
        let ran = run(words);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{words:?}");
    }
    run(&["wait", "--for", "synced", "--node", "hung"]).fails(3).complaining("there is no node hung");
    let ran = run(&["wait", "--for", "leader", "--node", "hong", "--timeout", "300ms"]);
    ran.fails(5).complaining("waited 300 ms for leader: ming leads");
}

#[test]
fn certificates_from_the_first_to_the_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let certs = folder.path().join("certs");
    let cert = |words: &[&str]| {
        bare(["cert"].iter().chain(words)).with("COFFEECTL_CERTS", certs.to_str().expect("UTF-8")).go()
    };
    cert(&["node", "ming"]).fails(7).complaining("coffeectl cert ca");
    for words in
        [&["ca"][..], &["node", "ming", "--host", "10.0.0.1"], &["client", "reader", "till", "--days", "30"]]
    {
        let ran = cert(words);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    cert(&["node", "ming"]).fails(8).complaining("--replace");
    assert_eq!(cert(&["node", "ming", "--replace"]).code, Some(0));
    assert_eq!(cert(&["renew", "reader-till", "--days", "60"]).code, Some(0));
    let json = cert(&["list", "-o", "json"]).json();
    let list = json["certificates"].as_array().expect("a list");
    let names: Vec<_> =
        list.iter().map(|certificate| certificate["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["ca", "node-ming", "reader-till"]);
    assert!(list[2]["days_left"].as_i64().is_some_and(|days| (59..=60).contains(&days)), "{json}");
    assert_eq!((&list[0]["signed_by"], &list[2]["signed_by"]), (&serde_json::Value::Null, &"ca".into()));

    let ran = cert(&["ca", "--drop-old"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), "note: there is no old CA\n"), "nothing is asked");
    assert_eq!(cert(&["ca", "--rotate"]).code, Some(0));
    cert(&["ca", "--drop-old"])
        .fails(8)
        .complaining("still in use: node-ming, reader-till\nhint: renew them");
}
