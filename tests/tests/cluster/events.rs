//! `events`: each node tells the things that happened to it, and all see the cluster change.

use std::time::Duration;

use coffee_tests::cluster::{Cluster, SHOPS};
use serde_json::Value;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(20);

async fn events(cluster: &Cluster) -> Vec<Value> {
    let lines = cluster.coffeectl(["events", "-n", "1000", "-o", "json"]).ok().await;
    lines.lines().map(|line| serde_json::from_str(line).expect("a document")).collect()
}

/// Waits until a node tells an event of this kind whose text contains this, and returns it.
async fn told(cluster: &Cluster, node: &str, kind: &str, text: &str) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let events = events(cluster).await;
        let is_it = |event: &&Value| {
            event["node"] == node
                && event["kind"] == kind
                && event["text"].as_str().is_some_and(|found| found.contains(text))
        };
        if let Some(event) = events.iter().find(is_it) {
            return event.clone();
        }
        assert!(Instant::now() < until, "{node} tells no {kind} with '{text}': {events:#?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_tells_what_happened_to_it() {
    let mut cluster = Cluster::of(3).start().await;
    for shop in &SHOPS[..3] {
        told(&cluster, shop, "start", "coffeed 0.").await;
        told(&cluster, shop, "open", "takes part in cluster").await;
    }
    told(&cluster, "ming", "joined", "peng is a voter now").await;

    let old = cluster.leader().await;
    let [new, third] = SHOPS[..3].iter().filter(|shop| **shop != old).collect::<Vec<_>>()[..] else {
        panic!("three nodes")
    };
    cluster.coffeectl(["transfer", new]).ok().await;
    let act = told(&cluster, &old, "act", &format!("admin test transfer {new}: done")).await;
    // They may name clients and keys, so they are for admins alone.
    let reader = cluster.coffeectl(["events", "-n", "1000", "-o", "json"]).env("COFFEECTL_AS", "reader-test");
    let reader = reader.ok().await;
    assert!(reader.contains("\"leads\"") && !reader.contains("\"act\""), "{reader}");
    let lost = told(&cluster, &old, "leads-no-longer", "it handed over").await;
    let led = told(&cluster, new, "leads", "leads now").await;
    let followed = told(&cluster, third, "follows", &format!("follows {new}")).await;
    assert_eq!(act["subject"], format!("transfer {new}"));
    assert_eq!((&followed["term"], &followed["subject"]), (&led["term"], &Value::from(*new)));
    assert!(lost["term"].as_u64() < led["term"].as_u64(), "{lost} {led}");

    // In the state of the cluster, so every node sees it.
    cluster.coffeectl(["settings", "set", "data_bytes_max", "1GiB"]).ok().await;
    cluster.coffeectl(["revoke", "writer-test", "--yes"]).ok().await;
    for shop in &SHOPS[..3] {
        told(&cluster, shop, "setting", "data_bytes_max is").await;
        told(&cluster, shop, "revocation", "revocation lists in force: 1 of").await;
    }
    // At one node alone.
    cluster.coffeectl(["reload", third]).ok().await;
    told(&cluster, third, "reload", "reloaded: no change").await;
    let reloads = events(&cluster).await.into_iter().filter(|event| event["kind"] == "reload").count();
    assert_eq!(reloads, 1, "only {third} has reloaded");

    // A restart forgets what was before; the others have seen it.
    let start = told(&cluster, third, "start", "coffeed 0.").await["start"].clone();
    assert!(cluster.node(third).stop().await.success());
    cluster.node(third).start().await;
    told(&cluster, new, "peer-stops", &format!("{third}: peer stops")).await;
    told(&cluster, new, "peer-back", "is reachable again").await;
    let again = told(&cluster, third, "start", "coffeed 0.").await;
    assert!(again["start"] != start && again["number"] == 1, "{again}");
    let reloads = events(&cluster).await.into_iter().filter(|event| event["kind"] == "reload").count();
    assert_eq!(reloads, 0, "it is in its log alone");
}
