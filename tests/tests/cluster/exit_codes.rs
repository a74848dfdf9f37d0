//! Each exit code of `coffeectl`, produced by a cluster in the corresponding state.

use std::{fs::OpenOptions, time::Duration};

use coffee_tests::cluster::{Cluster, SHOPS};

/// 0, 2, 3, 4, 7 and 8 need only a healthy cluster; 1 needs a full disk for the output.
#[tokio::test]
async fn of_a_cluster_that_is_well() {
    let mut cluster = Cluster::of(1).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ends_with(0).await;
    let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let ended = cluster.coffeectl(["get", "order/1"]).stdout_to(full).run().await;
    assert_eq!(ended.code, Some(1), "{ended}");
    ended.assert_errors_are_for_people();
    cluster.coffeectl(["set", "order/1"]).fails(2, "VALUE").await;
    cluster.coffeectl(["get", "order/2"]).fails(3, "order/2").await;
    cluster.coffeectl(["down", "hong", "--yes"]).fails(3, "hong").await;
    cluster.coffeectl(["set", "order/1", "mocha", "--if-absent"]).fails(4, "").await;
    cluster.coffeectl(["set", "order/1", "mocha", "--if-rev", "1"]).fails(4, "").await;
    let as_reader = |words: [&'static str; 3]| cluster.coffeectl(words).env("COFFEECTL_AS", "reader-test");
    as_reader(["set", "order/1", "mocha"]).fails(7, "reader").await;
    cluster.coffeectl(["transfer"]).env("COFFEECTL_AS", "writer-test").fails(7, "writer").await;
    cluster.coffeectl(["down"]).fails(8, "").await;
    cluster.coffeectl(["down", "--yes"]).fails(8, "").await;
    cluster.coffeectl(["help", "exit-codes"]).ok().await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte", "what failed changed nothing");
    assert!(cluster.node("ming").stop().await.success());
}

/// 5: nothing was written.
#[tokio::test]
async fn of_a_cluster_that_is_not_there() {
    let mut cluster = Cluster::of(3).start().await;
    let leader = cluster.leader().await;
    // The leader is gone, and the remaining node cannot be elected.
    let left = SHOPS[..3].iter().rfind(|shop| **shop != leader).expect("there are three");
    for shop in SHOPS[..3].iter().filter(|shop| *shop != left) {
        cluster.node(shop).kill().await;
    }
    let quick = |words: &[&'static str]| cluster.coffeectl(words.iter().copied()).args(["--timeout", "3s"]);
    quick(&["get", "order/1"]).fails(5, "").await;
    quick(&["wait", "--for", "quorum"]).fails(5, "").await;
    assert!(quick(&["list"]).ok().await.contains("no quorum"), "list works without one");
    quick(&["get", "order/1", "--consistency", "local"]).fails(3, "").await;
    cluster.node(left).kill().await;
    let quick = |words: &[&'static str]| cluster.coffeectl(words.iter().copied()).args(["--timeout", "1s"]);
    quick(&["set", "order/1", "latte"]).fails(5, "").await;
    quick(&["list"]).fails(5, "").await;
}

/// 6: a write was sent, and its outcome is unknown; the same request tells it later.
#[tokio::test]
async fn of_a_write_in_doubt() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let leader = cluster.leader().await;
    for shop in SHOPS[..3].iter().filter(|shop| **shop != leader) {
        cluster.node(shop).signal("STOP").await;
    }
    let ended = cluster.coffeectl_via(&leader, ["set", "order/1", "mocha", "--timeout", "2s"]).run().await;
    assert_eq!(ended.code, Some(6), "{ended}");
    ended.assert_errors_are_for_people();
    let (_, request) = ended.stderr.split_once("--request-id ").expect("it says how to repeat");
    let request = request.split_whitespace().next().expect("an id").trim_matches(['\'', '`', '"']);
    for shop in SHOPS[..3].iter().filter(|shop| **shop != leader) {
        cluster.node(shop).signal("CONT").await;
    }
    let again = ["set", "order/1", "mocha", "--request-id", request];
    let first = cluster.coffeectl(again).ok().await;
    assert_eq!(cluster.coffeectl(again).ok().await, first, "the same write has the same revision");
    let keys = cluster.json(["keys", "order/"]).await;
    assert_eq!(keys["keys"][0]["version"], 2, "it was done once: {keys}");
    cluster.coffeectl(["set", "order/1", "tea", "--request-id", request]).fails(2, "").await;
}

/// 130 and 143: ended by a signal.
#[tokio::test]
async fn of_a_command_that_is_interrupted() {
    let cluster = Cluster::of(1).start().await;
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let wait = cluster.coffeectl(["wait", "--for", "voter", "--node", "hu", "--timeout", "60s"]);
        let ended = wait.signalled(signal, Duration::from_millis(500)).await;
        assert_eq!(ended.code, Some(code), "{ended}");
    }
}

/// The wrong CA: neither side accepts the other.
#[tokio::test]
async fn with_certificates_of_another_cluster() {
    let (cluster, other) = (Cluster::of(1).start().await, Cluster::of(1).prepare());
    let stranger = cluster.coffeectl(["list"]).env("COFFEECTL_CERTS", other.certs());
    stranger.fails(7, "").await;
    // The right CA, and a certificate that it did not sign.
    let ca = cluster.certs().join("ca.crt");
    let stranger = cluster.coffeectl(["list"]).env("COFFEECTL_CERTS", other.certs()).env("COFFEECTL_CA", ca);
    stranger.fails(7, "").await;
    cluster.coffeectl(["list"]).ok().await;
}
