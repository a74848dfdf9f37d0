//! Two clusters under one CA: their nodes and clients never take one for the other.

use std::time::Duration;

use coffee_client::{Client, Error};
use coffee_common::protocol::Role;
use coffee_tests::cluster::Cluster;

/// Two clusters of one node each, and their ids: ming's and hong's.
async fn two() -> (Cluster, String, String) {
    let cluster = Cluster::of(1).and_waiting(1).start().await;
    cluster.coffeectl_via("hong", ["init", "hong"]).ok().await;
    let ids = [id_of(&cluster, "ming").await, id_of(&cluster, "hong").await];
    assert_ne!(ids[0], ids[1]);
    for node in ["ming", "hong"] {
        cluster.coffeectl_via(node, ["set", "shop", node]).ok().await;
    }
    let [ming, hong] = ids;
    (cluster, ming, hong)
}

async fn id_of(cluster: &Cluster, node: &str) -> String {
    let text = cluster.coffeectl_via(node, ["list", "-o", "json"]).ok().await;
    let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    list["cluster"].as_str().expect("it has a cluster").to_owned()
}

#[tokio::test]
async fn a_command_for_one_cluster_fails_at_the_other() {
    let (mut cluster, ming, hong) = two().await;
    cluster.coffeectl_via("hong", ["get", "shop", "--cluster", &hong]).ok().await;
    for verb in [&["get", "shop"][..], &["set", "shop", "none"], &["list"], &["status"], &["keys"]] {
        let words = verb.iter().copied().chain(["--cluster", ming.as_str()]);
        cluster.coffeectl_via("hong", words).fails(7, "belongs to another cluster").await;
    }
    assert_eq!(cluster.coffeectl_via("hong", ["get", "shop"]).ok().await, "hong");
    // Among several endpoints, those of the cluster are used, and only those.
    for _ in 0..5 {
        assert_eq!(cluster.coffeectl(["get", "shop", "--cluster", &ming]).ok().await, "ming");
        assert_eq!(cluster.coffeectl(["get", "shop", "--cluster", &hong]).ok().await, "hong");
    }
    cluster.node("ming").kill().await;
    let without = ["get", "shop", "--timeout", "1s", "--cluster", &ming];
    cluster.coffeectl(without).fails(5, "").await;
    cluster.coffeectl(["get", "shop", "--cluster", "m.g"]).fails(2, "32 hexadecimal digits").await;
    // The name is that in the certificates.
    cluster.coffeectl_via("hong", ["get", "shop", "--cluster", "shops"]).ok().await;
    let elsewhere = ["get", "shop", "--cluster", "staging"];
    cluster
        .coffeectl_via("hong", elsewhere)
        .fails(7, "the certificate is for cluster shops, not staging")
        .await;
}

/// The first cluster that a client meets is its only one, even if its nodes are gone.
#[tokio::test]
async fn a_client_keeps_to_the_cluster_that_it_met_first() {
    let (mut cluster, ..) = two().await;
    let [ming, hong] = [cluster.addresses()[0].clone(), cluster.addresses()[1].clone()];
    let credentials = cluster.credentials(Role::Admin);
    let client =
        Client::builder().endpoints([ming, hong]).credentials(credentials).build().expect("a client");
    let entry = client.get("shop").await.expect("is read").expect("exists");
    let first = String::from_utf8(entry.value.as_bytes().to_vec()).expect("a name");
    cluster.node(&first).kill().await;
    let lost = client.with_timeout(Duration::from_secs(2)).get("shop").await;
    assert!(matches!(lost, Err(Error::Unavailable(_) | Error::OtherCluster(_))), "{lost:?}");
}

/// A founder lost its disk, and an operator founds another cluster in its place, while
/// the others are down.
#[tokio::test]
async fn a_founder_that_founds_again_gets_no_orders_of_the_old_cluster() {
    let mut cluster = Cluster::of(3).start().await;
    let id = id_of(&cluster, "hong").await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    for node in cluster.nodes() {
        node.kill().await;
    }
    cluster.node("ming").wipe();
    cluster.node("ming").start().await;
    cluster.coffeectl_via("ming", ["init", "ming"]).ok().await;
    cluster.node("hong").start().await;
    cluster.node("peng").start().await;
    cluster.coffeectl_via("hong", ["wait", "--for", "leader"]).ok().await;
    // Each node that is asked, and each that forwards, keeps to its own cluster.
    for (node, order) in [("hong", "order/2"), ("peng", "order/3")] {
        cluster.coffeectl_via(node, ["set", order, "mocha"]).ok().await;
    }
    cluster.coffeectl(["set", "order/4", "mocha", "--cluster", &id]).ok().await;
    let pinned = ["get", "order/1", "--cluster", &id];
    cluster.coffeectl_via("ming", pinned).fails(7, "belongs to another cluster").await;
    assert_eq!(cluster.coffeectl_via("ming", ["list", "-o", "plain"]).ok().await.lines().count(), 2);
    for order in ["order/1", "order/2", "order/3", "order/4"] {
        cluster.coffeectl(["get", order, "--cluster", &id]).ok().await;
        cluster.coffeectl_via("ming", ["get", order]).ends_with(3).await;
    }
}

/// The members of a cluster call the node that lost its disk, so it founds no other one,
/// even if nothing else tells it.
#[tokio::test]
async fn a_node_that_a_cluster_calls_founds_no_other_one() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.node("ming").kill().await;
    cluster.node("ming").wipe();
    cluster.node("ming").start().await;
    cluster.node("ming").says_from(0, "called by a member of a cluster").await;
    cluster.coffeectl_via("ming", ["init", "ming"]).fails(8, "as a member of its cluster").await;
    cluster.coffeectl(["boot", "ming"]).ok().await;
    assert_eq!(cluster.json(["list"]).await["voters"], 3);
}
