//! A cluster is founded once, by `coffeectl init`.

use coffee_tests::cluster::Cluster;

/// An empty disk, the same configuration: the node must not become a second cluster that
/// takes the clients of the first.
#[tokio::test]
async fn a_founder_with_a_lost_disk_does_not_found_a_second_cluster() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    cluster.node("ming").kill().await;
    cluster.node("ming").wipe();
    cluster.node("ming").start().await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
    cluster.coffeectl_via("ming", ["get", "order/1"]).fails(8, "none of the endpoints belongs").await;
    cluster.coffeectl(["init", "ming"]).fails(8, "belongs to cluster").await;
    cluster.coffeectl(["boot", "ming"]).ok().await;
    assert_eq!(cluster.json(["list"]).await["voters"], 3);
}

/// Nodes that wait for each other are not stuck: one of them founds the cluster.
#[tokio::test]
async fn nodes_that_ask_each_other_are_founded_by_init() {
    let mut cluster = Cluster::of(1).and_waiting(2).prepare();
    let join: Vec<String> = cluster.addresses().iter().map(|at| format!("--join={at}")).collect();
    for node in cluster.nodes() {
        node.start_with(&[join[0].as_str(), &join[1], &join[2]]).await;
    }
    for node in cluster.watched() {
        node.says_from(0, "none of the nodes in 'join' belongs to a cluster").await;
    }
    cluster.coffeectl(["init", "hong"]).ok().await;
    let again = cluster.coffeectl(["init", "hong"]).ok().await;
    assert!(again.contains("already"), "{again}");
    cluster.coffeectl(["boot", "ming"]).ok().await;
    cluster.coffeectl(["init", "ming"]).fails(8, "belongs to cluster").await;
}

/// An endpoint that does not answer may belong to a cluster.
#[tokio::test]
async fn a_silent_endpoint_keeps_init_from_founding() {
    let mut cluster = Cluster::of(1).and_waiting(1).prepare();
    cluster.node("ming").start().await;
    cluster.coffeectl(["boot", "ming", "--timeout", "3s"]).fails(5, "").await;
    cluster.coffeectl_via("ming", ["boot", "ming"]).fails(8, "none of the endpoints belongs").await;
    cluster.coffeectl(["init", "ming"]).fails(8, "may belong to a cluster").await;
    cluster.coffeectl(["init", "ming", "--yes"]).ok().await;
}
