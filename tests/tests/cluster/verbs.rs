//! Every verb through every node: leader, follower, and one that waits.

use coffee_client::{Batch, Condition, KeyRange, Operation, OutcomeKind, PageOptions};
use coffee_common::protocol::Role;
use coffee_tests::cluster::{Cluster, SHOPS};

#[tokio::test]
async fn from_the_command() {
    let mut cluster = Cluster::of(4).and_waiting(1).start().await;
    for via in &SHOPS[..4] {
        keys_through(&cluster, via).await;
        nodes_through(&cluster, via).await;
    }
    for via in &SHOPS[..4] {
        leadership_through(&cluster, via).await;
    }
    waiting_node_says_so(&cluster, "hu").await;
    // The last member is added, and removed, through followers.
    let leader = cluster.leader().await;
    let via = SHOPS.into_iter().find(|shop| *shop != leader && *shop != "hu").expect("there are four");
    let address = cluster.node("hu").address();
    let boot = ["boot", "hu", "--address", address.as_str()];
    cluster.coffeectl_via(via, boot).ok().await;
    cluster.coffeectl_via("hu", ["wait", "--for", "synced", "--node", "hu"]).ok().await;
    keys_through(&cluster, "hu").await;
    cluster.coffeectl_via(via, boot).ok().await;
    cluster.coffeectl_via(via, ["down", "hu", "--yes"]).ok().await;
    assert!(cluster.node("hu").ended().await.success(), "a node that was taken down exits with 0");
    let list = cluster.json(["list"]).await;
    let hu = list["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .find(|node| node["name"] == "hu")
        .expect("hu is listed");
    assert_eq!(hu["state"], "shutdown", "{list}");
}

/// set, get, keys, del.
async fn keys_through(cluster: &Cluster, via: &str) {
    let key = format!("order/{via}");
    let run = |words: &[&str]| cluster.coffeectl_via(via, words.iter().copied());
    run(&["set", &key, "latte"]).ok().await;
    assert_eq!(run(&["get", &key]).ok().await, "latte", "through {via}");
    assert_eq!(run(&["get", &key, "--consistency", "local"]).run().await.code, Some(0), "through {via}");
    assert_eq!(run(&["keys", &key, "-o", "plain"]).ok().await.split('\t').next(), Some(key.as_str()));
    run(&["set", &key, "flat white", "--if-absent"]).ends_with(4).await;
    run(&["set", &key, "-"]).stdin([0xff, 0x00, b'\n']).ok().await;
    assert_eq!(run(&["get", &key]).run().await.stdout, [0xff, 0x00, b'\n'], "byte for byte, through {via}");
    run(&["del", &key]).ok().await;
    run(&["get", &key]).ends_with(3).await;
}

/// list, status, can-stop, wait.
async fn nodes_through(cluster: &Cluster, via: &str) {
    let run = |words: &[&str]| cluster.coffeectl_via(via, words.iter().copied());
    let list: serde_json::Value =
        serde_json::from_str(&run(&["list", "-o", "json"]).ok().await).expect("JSON");
    assert_eq!(list["nodes"].as_array().map(Vec::len), Some(4), "{list}");
    assert_eq!(list["voters_in_reach"], 4, "{list}");
    assert!(run(&["status"]).ok().await.contains(via), "its own view");
    run(&["can-stop", "peng"]).ok().await;
    for goal in ["leader", "quorum", "synced"] {
        run(&["wait", "--for", goal]).ok().await;
    }
    run(&["down", "peng", "--dry-run"]).ok().await;
    run(&["node", "remove", "peng", "--dry-run"]).run().await;
}

/// transfer, to the node itself and away from it.
async fn leadership_through(cluster: &Cluster, via: &str) {
    cluster.coffeectl_via(via, ["transfer", "--to", via]).ok().await;
    assert_eq!(cluster.leader().await, via);
    cluster.coffeectl_via(via, ["transfer", "--to", via]).ok().await;
    cluster.coffeectl_via(via, ["transfer"]).ok().await;
    assert_ne!(cluster.leader().await, via);
}

async fn waiting_node_says_so(cluster: &Cluster, via: &str) {
    let run = |words: &[&str]| cluster.coffeectl_via(via, words.iter().copied()).args(["--timeout", "2s"]);
    assert!(run(&["status"]).ok().await.contains("waiting"), "it says that it waits");
    assert!(run(&["list"]).ok().await.contains("waiting"), "it says that it waits");
    for verb in [&["get", "k"][..], &["set", "k", "v"], &["transfer"], &["down", "--yes"]] {
        let ended = run(verb).run().await;
        assert_eq!(ended.code, Some(8), "{ended}");
        ended.assert_errors_are_for_people();
    }
}

#[tokio::test]
async fn from_the_library() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = Cluster::of(3).start().await;
    let admin = cluster.client(Role::Admin);
    for (n, address) in cluster.addresses().into_iter().enumerate() {
        let client = admin.at(address)?;
        let key = |name: &str| format!("{name}/{n}").parse();
        let written = client.set(format!("a/{n}"), "1").await?;
        let unchanged = Condition::RevisionIs(key("a")?, written.revision);
        let both = Batch::of(Operation::Delete(key("a")?)).when(unchanged);
        client.batch(both).await?;
        assert_eq!(client.get(format!("a/{n}")).await?, None);
        client.set_with(format!("b/{n}"), "2", [Condition::Absent(key("b")?)]).await?;
        let again = client.set_with(format!("b/{n}"), "3", [Condition::Absent(key("b")?)]).await;
        assert_eq!(again.expect_err("it is there").outcome(), OutcomeKind::NotApplied);
        let page = client.range(KeyRange::prefix("b/"), PageOptions::default()).await?;
        assert_eq!(page.entries.len(), n + 1);
        assert_eq!(client.cluster().await?.voters, 3);
        assert_eq!(client.status().await?.name.as_str(), SHOPS[n]);
        assert!(client.can_stop(SHOPS[n].parse()?).await?.yes);
        assert_eq!(client.transfer(Some(SHOPS[n].parse()?)).await?.to.as_str(), SHOPS[n]);
    }
    admin.close().await;
    Ok(())
}
