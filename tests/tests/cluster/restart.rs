//! Power cuts of all nodes at once, and clean stops.

use std::time::Duration;

use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::Cluster,
    load::{Load, LoadOptions, verify},
};

/// All five nodes are killed under load: every acknowledged write survives.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_all_nodes_lose_power() {
    let mut cluster = Cluster::of(5).start().await;
    for round in 0..2 {
        let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(2));
        let options = LoadOptions { prefix: format!("round-{round}"), writers: 16, ..LoadOptions::default() };
        let mut load = Load::start(std::slice::from_ref(&client), &options);
        assert!(load.acknowledges(300, Duration::from_secs(60)).await, "writes flow");
        for node in cluster.nodes() {
            node.signal("KILL").await;
        }
        let stopped = tokio::spawn(load.stop());
        for node in cluster.nodes() {
            node.ended().await;
        }
        for node in cluster.nodes() {
            node.start().await;
        }
        cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
        let record = stopped.await.expect("the load ends");
        let report =
            verify(&client.with_timeout(Duration::from_secs(10)), &record).await.expect("it can be read");
        assert!(report.is_clean(), "{report}");
        client.close().await;
    }
}

/// SIGTERM transfers leadership and exits with 0; the node continues after a restart.
#[tokio::test]
async fn a_stop_is_clean_and_a_start_goes_on() {
    let mut cluster = Cluster::of(3).start().await;
    let leader = cluster.leader().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    assert!(cluster.node(&leader).stop().await.success(), "a stop ends with 0");
    assert_ne!(cluster.leader().await, leader);
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
    cluster.coffeectl(["set", "order/1", "mocha"]).ok().await;
    cluster.node(&leader).start().await;
    cluster.coffeectl(["wait", "--for", "synced", "--node", &leader]).ok().await;
    let local = ["get", "order/1", "--consistency", "local"];
    assert_eq!(cluster.coffeectl_via(&leader, local).ok().await, "mocha");
    let list = cluster.json(["list"]).await;
    assert_eq!(list["voters"], 3, "stopping changes no membership: {list}");
}

/// A second signal ends the node at once.
#[tokio::test]
async fn a_second_signal_ends_a_node_at_once() {
    let mut cluster = Cluster::of(1).start().await;
    // Transferring or draining takes time while the others do not answer.
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let node = cluster.node("ming");
        node.signal("STOP").await;
        node.signal(signal).await;
        node.signal("CONT").await;
        let status = node.ended().await;
        assert!(status.success() || status.code() == Some(code), "{status}");
        node.start().await;
    }
}
