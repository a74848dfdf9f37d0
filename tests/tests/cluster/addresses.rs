//! Nodes whose addresses change keep their id and their data.

use std::time::Duration;

use coffee_client::Address;
use coffee_tests::cluster::{Cluster, SHOPS};
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(60);

/// A follower, then the leader, start under other addresses. The cluster follows them.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_under_another_address_is_followed() {
    let mut cluster = Cluster::of(3).start().await;
    let leader = cluster.leader().await;
    let follower = SHOPS[..3].iter().copied().find(|shop| *shop != leader).expect("there are three");
    for shop in [follower, leader.as_str()] {
        let before = node(&cluster, shop).await;
        cluster.node(shop).stop().await;
        cluster.coffeectl(["set", "order/1", shop]).ok().await;
        cluster.node(shop).move_to_another_port(&[]);
        cluster.node(shop).start().await;
        cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
        let after = node(&cluster, shop).await;
        assert_eq!(after["id"], before["id"], "it is the same node");
        assert_eq!(after["address"], cluster.node(shop).address().as_str(), "{before}");
        assert_eq!(cluster.coffeectl_via(shop, ["get", "order/1"]).ok().await, shop);
    }
    // Both moved nodes are needed for this quorum.
    let third =
        SHOPS[..3].iter().find(|shop| **shop != leader && **shop != follower).expect("there are three");
    cluster.node(third).kill().await;
    cluster.coffeectl(["set", "order/2", "mocha"]).ok().await;
}

/// Everything is renumbered while all nodes are down, and `join` names the new addresses.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_all_renumbered_find_each_other() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    for node in cluster.nodes() {
        node.stop().await;
    }
    let mut moved: Vec<Address> = Vec::new();
    for node in cluster.nodes() {
        // Each names those that moved before it: it is enough that one of two knows the other.
        node.move_to_another_port(&moved);
        moved.push(node.address());
    }
    for node in cluster.nodes() {
        node.start().await;
    }
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
    cluster.coffeectl(["set", "order/2", "mocha"]).ok().await;
    for shop in &SHOPS[..3] {
        let address = cluster.node(shop).address();
        assert_eq!(node(&cluster, shop).await["address"], address.as_str());
    }
}

/// A node that cannot tell its new address, since all others have moved too, is moved by an
/// operator, once it answers at that address.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_moves_a_node_that_cannot_find_the_others() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.node("hong").stop().await;
    let began = Instant::now();
    // One after the other: ming tells peng, and peng tells ming.
    for shop in ["ming", "peng"] {
        cluster.node(shop).stop().await;
        cluster.node(shop).move_to_another_port(&[]);
        cluster.node(shop).start().await;
        // As the other one sees it.
        let other = if shop == "ming" { "peng" } else { "ming" };
        let address = cluster.node(shop).address();
        while node_via(&cluster, other, shop).await["address"] != address.as_str() {
            assert!(began.elapsed() < PATIENCE, "{shop} is not followed");
        }
    }
    cluster.node("hong").move_to_another_port(&[]);
    let (new, other) = (cluster.node("hong").address(), cluster.node("peng").address());
    // Nothing answers there yet, there is another node, and hong was there before.
    let move_to =
        |address: &Address| ["node", "move", "hong", "--address", address.as_str()].map(str::to_owned);
    let run = |cluster: &Cluster, address| {
        let words = move_to(address);
        cluster.coffeectl(words.iter().map(String::as_str))
    };
    run(&cluster, &new).fails(8, "does not answer").await;
    run(&cluster, &other).fails(8, "is not hong").await;
    cluster.node("hong").start().await;
    run(&cluster, &new).ok().await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    assert_eq!(node(&cluster, "hong").await["address"], new.as_str());
    // Again, and as an argument of `boot`: nothing to do.
    let said = run(&cluster, &new).ok().await;
    assert!(said.contains("already"), "{said}");
    let said = cluster.coffeectl(["boot", "hong", "--address", new.as_str()]).ok().await;
    assert!(said.contains("voter already"), "{said}");
    run(&cluster, &"127.0.0.1:1".parse().expect("legal")).fails(8, "does not answer").await;
    let unknown = ["node", "move", "absent", "--address", new.as_str()];
    cluster.coffeectl(unknown).fails(3, "absent").await;
}

/// The node's row in the list of the first node that answers.
async fn node(cluster: &Cluster, shop: &str) -> serde_json::Value {
    row(&cluster.json(["list"]).await, shop)
}

/// The node's row in the list of another one.
async fn node_via(cluster: &Cluster, via: &str, shop: &str) -> serde_json::Value {
    let list = cluster.coffeectl_via(via, ["list", "-o", "json"]).ok().await;
    row(&serde_json::from_str(&list).expect("JSON"), shop)
}

fn row(list: &serde_json::Value, shop: &str) -> serde_json::Value {
    let nodes = list["nodes"].as_array().expect("nodes");
    nodes.iter().find(|node| node["name"] == shop).expect("it is listed").clone()
}
