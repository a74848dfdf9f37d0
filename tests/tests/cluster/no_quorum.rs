//! Commands while too few voters are up: one sentence, at once, and nothing in doubt.

use std::time::Duration;

use coffee_tests::cluster::{Cluster, SHOPS};
use tokio::time::Instant;

/// Far below the timeout of the commands, also on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn each_command_says_so_at_once_and_that_nothing_was_done() {
    let mut cluster = Cluster::of(5).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    cluster.coffeectl(["list", "--check"]).ok().await;
    let leader = cluster.leader().await;
    let lost: Vec<&str> = std::iter::once(leader.as_str())
        .chain(SHOPS.into_iter().filter(|shop| *shop != leader).take(2))
        .collect();
    let left: Vec<&str> = SHOPS.into_iter().filter(|shop| !lost.contains(shop)).collect();
    for node in &lost {
        cluster.node(node).kill().await;
    }
    let sentence =
        format!("no quorum: 2 of 5 voters are in reach ({}, {}); nothing was done", left[0], left[1]);
    // Waits until the nodes know it.
    let first = cluster.coffeectl(["get", "order/1", "--timeout", "60s"]).run().await;
    assert_eq!(first.code, Some(5), "{first}");
    let backup = format!("{}/0.backup", cluster.folder().display());
    for words in [
        &["get", "order/1"][..],
        &["set", "order/1", "mocha"],
        &["del", "order/1"],
        &["keys"],
        &["can-stop", left[0]],
        &["transfer"],
        &["transfer", left[0]],
        &["node", "remove", lost[1]],
        &["node", "remove", lost[1], "--yes"],
        &["down", left[0], "--yes"],
        &["down", "--yes"],
        &["boot", lost[1]],
        &["backup", &backup],
    ] {
        for via in [None, Some(left[1])] {
            let began = Instant::now();
            let words = words.iter().copied().chain(["--timeout", "60s"]);
            let command = match via {
                Some(via) => cluster.coffeectl_via(via, words),
                None => cluster.coffeectl(words),
            };
            let ended = command.run().await;
            assert_eq!(ended.code, Some(5), "{ended}");
            assert!(began.elapsed() < AT_ONCE, "{:?}: {ended}", began.elapsed());
            assert!(ended.stderr.contains(&sentence), "{sentence}: {ended}");
            assert!(!ended.stderr.contains("UDP"), "the network is not to blame: {ended}");
            ended.assert_errors_are_for_people();
        }
    }
    nothing_is_claimed(&cluster, &left).await;

    // The refused commands have changed nothing, and all goes on.
    for node in &lost {
        cluster.node(node).start().await;
    }
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
    let list = cluster.json(["list"]).await;
    assert_eq!((&list["voters"], &list["voters_in_reach"]), (&5.into(), &5.into()), "{list}");
}

/// `list` and `status` name no leader, and `list --check` is for scripts.
async fn nothing_is_claimed(cluster: &Cluster, left: &[&str]) {
    let list = cluster.coffeectl(["list", "--check"]).run().await;
    assert_eq!(list.code, Some(5), "{list}");
    assert!(list.stdout().contains("2 of 5 voters in reach, no quorum; no leader"), "{list}");
    cluster.coffeectl(["list"]).ok().await;
    let status = cluster.coffeectl(["status", "-o", "json"]).run().await;
    let json: serde_json::Value = serde_json::from_str(&status.stdout()).expect("JSON");
    let nodes = json["nodes"].as_array().expect("nodes");
    assert_eq!(nodes.len(), left.len(), "{status}");
    for node in nodes {
        assert!(
            node["raft"]["leader"].is_null() && node["leader"].is_null(),
            "a lost leader is named: {node}"
        );
    }
}
