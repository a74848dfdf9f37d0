//! The audit log: one event for every act but reads and writes of keys, at one node, with its
//! author; and a bounded number of events about denials.

use std::time::Duration;

use coffee_client::{Client, EndpointOptions, Envelope, Error, LogLevel, Pool};
use coffee_common::{
    id::ClusterId,
    protocol::{Rejection, Request, Role},
    quic::{Endpoint, Expect},
};
use coffee_tests::cluster::{Cluster, NodeLog, SHOPS};
use serde_json::Value;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(20);

/// The position in each node's log from which events count.
struct Mark(Vec<(String, NodeLog, usize)>);

impl Mark {
    fn set(cluster: &Cluster) -> Self {
        let logs = cluster.watched().iter();
        Self(logs.map(|node| (node.name().to_owned(), node.log().clone(), node.log().len())).collect())
    }

    /// Waits for the event of an act, and returns it with its node. No other node has one.
    async fn only(&self, verb: &str) -> (String, Value) {
        let all = self.all(verb).await;
        assert_eq!(all.len(), 1, "{verb} is logged once: {all:#?}");
        all.into_iter().next().expect("one")
    }

    /// Waits for an event of an act, and returns all of them with their nodes.
    async fn all(&self, verb: &str) -> Vec<(String, Value)> {
        let words = format!("\"verb\":\"{verb}\"");
        let mut waiting = JoinSet::new();
        for (_, log, from) in &self.0 {
            let (log, from, words) = (log.clone(), *from, words.clone());
            waiting.spawn(async move { log.says(from, &words, PATIENCE).await });
        }
        let said = waiting.join_next().await.expect("a node").expect("it does not panic");
        let events = self.events();
        assert!(said, "{verb} is not logged: {events:#?}");
        events.into_iter().filter(|(_, event)| event["verb"] == verb).collect()
    }

    fn events(&self) -> Vec<(String, Value)> {
        let of_node = |(name, log, from): &(String, NodeLog, usize)| {
            let text = log.tail(log.len() - from);
            let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let events = events.filter(|event| event["target"] == "audit");
            events.map(|event| (name.clone(), event)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of_node).collect()
    }
}

#[track_caller]
fn assert_has(event: &Value, fields: &[(&str, Value)]) {
    for (field, value) in fields {
        assert_eq!(event[field], *value, "{field} of {event:#}");
    }
}

/// The certificate that `coffeectl` uses in these tests.
async fn serial_of_admin(cluster: &Cluster) -> Value {
    Value::from(cluster.credentials(Role::Admin).serial())
}

async fn of_json(members: usize, waiting: usize) -> Cluster {
    Cluster::of(members).and_waiting(waiting).with("[log]\nformat = \"json\"\n").start().await
}

fn admin_at(cluster: &Cluster, node: &str) -> Client {
    let node = cluster.watched().iter().find(|known| known.name() == node).expect("a node");
    cluster.client(Role::Admin).at(node.address()).expect("a client")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_is_logged_once_with_its_author() {
    let mut cluster = of_json(3, 1).await;
    let serial = serial_of_admin(&cluster).await;
    let ops = [("role", "admin".into()), ("name", "test".into()), ("serial", serial.clone())];
    let start =
        Mark(cluster.watched().iter().map(|node| (node.name().to_owned(), node.log().clone(), 0)).collect());
    let (node, init) = start.only("init").await;
    assert_eq!(node, "ming");
    assert_has(&init, &ops);
    assert_has(&init, &[("object", "ming".into()), ("outcome", "done".into()), ("changed", true.into())]);
    assert_eq!(init["message"], "admin test init ming: done");
    assert!(init["address"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")), "{init}");
    let joins = start.all("join").await;
    for shop in &SHOPS[1..3] {
        let of = |(_, event): &&(String, Value)| event["name"] == *shop && event["outcome"] == "done";
        let (_, event) = joins.iter().find(of).unwrap_or_else(|| panic!("{shop}: {joins:#?}"));
        assert_has(event, &[("role", "node".into()), ("changed", true.into())]);
    }

    // A request that another node forwards is logged by the leader, with the client's certificate.
    let leader = cluster.leader().await;
    let [via, target] = SHOPS[..3].iter().filter(|shop| **shop != leader).collect::<Vec<_>>()[..] else {
        panic!("three nodes")
    };
    let mark = Mark::set(&cluster);
    let moved = admin_at(&cluster, via).transfer(Some(target.parse().expect("legal"))).await;
    assert!(moved.expect("it leads").changed);
    let (node, event) = mark.only("transfer").await;
    assert_eq!(node, leader);
    assert_has(&event, &ops);
    assert_has(&event, &[("via", (*via).into()), ("object", (*target).into()), ("outcome", "done".into())]);
    assert!(event["address"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")), "{event}");

    // Each verb, and what it is about.
    let file = cluster.folder().join("backup");
    let file = file.to_str().expect("UTF-8").to_owned();
    let peng = cluster.node("peng").address().to_string();
    let long = cluster.node("long").address().to_string();
    for (words, verb, object, changed) in [
        (&["boot", "long", "--address", &long][..], "boot", format!("long at {long}"), true),
        (&["node", "move", "peng", "--address", &peng], "node move", format!("peng at {peng}"), false),
        (&["backup", &file], "backup", String::new(), false),
        (&["reload", "hong"], "reload", String::new(), false),
        (&["log-level", "error", "--node", "hong"], "log-level", "error".to_owned(), true),
        (&["log-level", "info", "--node", "hong"], "log-level", "info".to_owned(), true),
        (&["down", "long", "--yes"], "down", "long".to_owned(), true),
        (&["node", "remove", "long", "--yes"], "node remove", "long".to_owned(), true),
        (&["revoke", "node-long", "--yes"], "revoke", "list 1".to_owned(), true),
    ] {
        let mark = Mark::set(&cluster);
        cluster.coffeectl(words.iter().copied()).ok().await;
        let (_, event) = mark.only(verb).await;
        assert_has(&event, &ops);
        assert_has(&event, &[("outcome", "done".into()), ("changed", changed.into())]);
        assert_eq!(event["object"].as_str().unwrap_or_default(), object, "{event}");
    }

    let mark = Mark::set(&cluster);
    cluster.coffeectl(["transfer", "absent"]).run().await;
    let (_, event) = mark.only("transfer").await;
    assert_has(&event, &ops);
    assert_has(&event, &[("object", "absent".into()), ("outcome", "refused".into())]);
    assert!(event["reason"].as_str().is_some_and(|reason| reason.contains("absent")), "{event}");

    let mark = Mark::set(&cluster);
    cluster.node("hong").signal("HUP").await;
    let (node, event) = mark.only("reload").await;
    assert_eq!(node, "hong");
    assert_has(&event, &[("role", "host".into()), ("outcome", "done".into())]);
    assert_eq!((&event["name"], &event["via"]), (&Value::Null, &Value::Null), "{event}");
}

/// Denials name the certificate that was shown, not the identity that it claims.
#[tokio::test(flavor = "multi_thread")]
async fn denials_are_logged_in_bounded_number() {
    let cluster = of_json(1, 0).await;
    let mark = Mark::set(&cluster);
    let reader = cluster.client(Role::Reader);
    let serial = cluster.credentials(Role::Reader).serial().to_owned();
    let denied = reader.set("order/secret", "latte").await;
    assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
    let (_, event) = mark.only("write").await;
    assert_has(
        &event,
        &[
            ("role", "reader".into()),
            ("name", "test".into()),
            ("serial", serial.into()),
            ("outcome", "denied".into()),
            ("reason", "test has the role reader; this request needs the role writer".into()),
        ],
    );
    assert!(!event.to_string().contains("secret"), "no key is logged: {event}");

    let mark = Mark::set(&cluster);
    let (lanes, each) = (100, 100);
    let mut attack = JoinSet::new();
    for _ in 0..lanes {
        let reader = reader.clone();
        attack.spawn(async move {
            for _ in 0..each {
                let denied = reader.transfer(None).await;
                assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
            }
        });
    }
    while let Some(ended) = attack.join_next().await {
        ended.expect("it is denied");
    }
    // Others are still named, and acts of admins are never left out.
    let writer = cluster.client(Role::Writer);
    assert!(matches!(writer.log_level(Some(LogLevel::Debug)).await, Err(Error::Denied(_))));
    let admin = cluster.client(Role::Admin);
    let acts = 50;
    for _ in 0..acts {
        admin.log_level(None).await.expect("an admin may");
    }
    cluster.coffeectl(["reload"]).ok().await;
    mark.only("reload").await;
    let events = mark.events();
    let count = |verb: &str, role: &str| {
        let of = |event: &Value| event["verb"] == verb && event["role"] == role;
        events.iter().filter(|(_, event)| of(event)).count()
    };
    let denials = count("transfer", "reader");
    assert!((5..=20).contains(&denials), "{denials} lines about {} denials", lanes * each);
    assert_eq!(count("log-level", "admin"), acts);
    let of_writer = events.iter().find(|(_, event)| event["role"] == "writer").expect("it is named");
    let suppressed = of_writer.1["suppressed"].as_u64().expect("a number");
    assert!(suppressed as usize >= lanes * each - 30, "{suppressed} left out");
}

/// An admin who means another cluster is refused, and the audit log of this one says so.
#[tokio::test(flavor = "multi_thread")]
async fn acts_for_another_cluster_are_logged() {
    let mut cluster = of_json(1, 0).await;
    let own: ClusterId =
        cluster.json(["list"]).await["cluster"].as_str().expect("an id").parse().expect("legal");
    let other = ClusterId(own.0 ^ 1);
    let endpoint = Endpoint::dial_only(&cluster.credentials(Role::Admin), &EndpointOptions::default());
    let (pool, address) = (Pool::new(endpoint.expect("a socket")), cluster.node("ming").address());
    let ask = async |request: Request| {
        let envelope = Envelope::from(Some(other));
        let reply = pool.ask(&address, &Expect::AnyNode, &request, envelope, PATIENCE).await;
        let rejection = reply.expect("it answers").result.expect_err("it is another cluster");
        assert!(matches!(rejection, Rejection::OtherCluster { .. }), "{request:?}: {rejection}");
    };
    let mark = Mark::set(&cluster);
    // A read is not logged.
    ask(Request::List).await;
    ask(Request::Transfer { to: None }).await;
    let (_, event) = mark.only("transfer").await;
    assert_has(&event, &[("role", "admin".into()), ("name", "test".into()), ("outcome", "refused".into())]);
    assert_has(&event, &[("serial", serial_of_admin(&cluster).await)]);
    assert!(event["reason"].as_str().is_some_and(|reason| reason.contains("another cluster")), "{event}");
    assert_eq!(mark.events().len(), 1, "{:#?}", mark.events());
}
