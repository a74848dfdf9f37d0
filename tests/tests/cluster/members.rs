//! Membership changes under load.

use std::time::Duration;

use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    load::{Load, LoadOptions, verify},
};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(60);

/// Each node in turn is removed, and brought back under a new id, without losing a write.
#[tokio::test(flavor = "multi_thread")]
async fn each_node_in_turn_is_taken_down_and_booted_under_load() {
    let mut cluster = Cluster::of(3).start().await;
    let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(10));
    let mut load =
        Load::start(std::slice::from_ref(&client), &LoadOptions { writers: 8, ..LoadOptions::default() });
    for shop in &SHOPS[..3] {
        let before = id_of(&cluster, shop).await;
        cluster.coffeectl(["down", shop, "--yes"]).ok().await;
        assert!(cluster.node(shop).ended().await.success(), "{shop} ends with 0");
        assert!(load.acknowledges(20, PATIENCE).await, "writes flow without {shop}");
        // It was removed: restarted, it waits.
        cluster.node(shop).start().await;
        cluster.coffeectl(["boot", shop]).ok().await;
        cluster.coffeectl(["wait", "--for", "voter", "--node", shop]).ok().await;
        assert_ne!(id_of(&cluster, shop).await, before, "an id is never used twice");
        assert!(load.acknowledges(20, PATIENCE).await, "writes flow with {shop}");
    }
    let record = load.stop().await;
    let report = verify(&client, &record).await.expect("it can be read");
    assert!(report.is_clean(), "{report}");
    assert_eq!(record.failed(), 0, "{:?}", record.failed_by_kind());
}

/// A node that lost its disk gets a new id and its data back.
#[tokio::test]
async fn a_node_without_its_disk_joins_again() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let before = id_of(&cluster, "hong").await;
    cluster.node("hong").kill().await;
    cluster.node("hong").wipe();
    cluster.node("hong").start().await;
    cluster.coffeectl(["wait", "--for", "voter", "--node", "hong"]).ok().await;
    cluster.coffeectl(["wait", "--for", "synced", "--node", "hong"]).ok().await;
    assert_ne!(id_of(&cluster, "hong").await, before);
    let local = ["get", "order/1", "--consistency", "local"];
    assert_eq!(cluster.coffeectl_via("hong", local).ok().await, "latte");
    let list = cluster.json(["list"]).await;
    assert_eq!(list["voters"], 3, "{list}");
}

/// A node that lost its disk and waits to be booted becomes a voter under a new id only:
/// the vote of its old incarnation stays valid while it joins.
#[tokio::test]
async fn a_node_without_its_disk_is_booted_again() {
    let mut cluster = Cluster::of(3).and_waiting(1).start().await;
    let first = cluster.json(["boot", "long", "--address", cluster.addresses()[3].as_str()]).await;
    cluster.node("long").kill().await;
    cluster.node("long").wipe();
    cluster.node("long").start().await;
    let again = cluster.json(["boot", "long"]).await;
    assert_ne!(again["id"], first["id"], "that is the id of the lost disk");
    let list = cluster.json(["list"]).await;
    let long = list["nodes"].as_array().expect("nodes").iter().find(|node| node["name"] == "long");
    let long = long.expect("it is in the list");
    assert_eq!((&long["state"], &long["role"]), (&"up".into(), &"follower".into()), "{list}");
    assert_eq!((&long["id"], &list["voters"]), (&again["id"], &4.into()), "{list}");
}

/// A permanently lost node is removed, unless that costs the quorum.
#[tokio::test]
async fn a_lost_node_is_removed() {
    let mut cluster = Cluster::of(4).start().await;
    cluster.node("long").kill().await;
    let lost = ["node", "remove", "long"];
    cluster.coffeectl(lost).args(["--dry-run"]).ok().await;
    cluster.coffeectl(lost).fails(8, "").await;
    cluster.coffeectl(lost).args(["--yes"]).ok().await;
    assert_eq!(cluster.json(["list"]).await["voters"], 3);
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    // A node that still answers is not lost.
    cluster.coffeectl(["node", "remove", "absent", "--yes"]).fails(3, "absent").await;
}

/// A change that would lose the quorum is rejected without effect.
#[tokio::test]
async fn the_quorum_is_kept() {
    let mut cluster = Cluster::of(3).start().await;
    let leader = cluster.leader().await;
    let follower = SHOPS[..3].iter().find(|shop| **shop != leader).expect("there are three");
    cluster.node(follower).kill().await;
    let other =
        SHOPS[..3].iter().find(|shop| **shop != leader && shop != &follower).expect("there are three");
    for words in [&["down", other, "--yes"][..], &["down", "--yes"]] {
        cluster.coffeectl(words.iter().copied()).fails(8, "less than a quorum").await;
    }
    cluster.coffeectl(["can-stop", other]).ends_with(8).await;
    assert_eq!(cluster.json(["list"]).await["voters"], 3);
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
}

async fn id_of(cluster: &Cluster, shop: &str) -> String {
    let list = cluster.json(["list"]).await;
    let nodes = list["nodes"].as_array().expect("nodes");
    let node = nodes.iter().find(|node| node["name"] == shop).expect("it is listed");
    node["id"].as_str().expect("ids are strings").to_owned()
}

/// `down` has ended a node when it returns, and keeps no reader of that node waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_taken_down_ends_before_the_command_does() {
    let mut cluster = Cluster::of(3).start().await;
    let leader = cluster.leader().await;
    let shop = SHOPS[..3].iter().copied().find(|shop| *shop != leader).expect("there are three");
    let client = cluster.client(Role::Writer);
    client.set("order/1", "latte").await.expect("it is written");
    let address = cluster.node(shop).address();
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let reader = client.at(address.clone()).expect("a client").with_timeout(Duration::from_secs(5));
            tokio::spawn(async move {
                let mut longest = Duration::ZERO;
                loop {
                    let began = Instant::now();
                    let read = reader.get("order/1").await;
                    match read {
                        Ok(_) => longest = longest.max(began.elapsed()),
                        // The node has gone, and the client has looked for another one in vain.
                        Err(_) => return longest,
                    }
                }
            })
        })
        .collect();
    let began = Instant::now();
    cluster.coffeectl(["down", shop, "--yes"]).ok().await;
    let took = began.elapsed();
    let ended = timeout(Duration::from_millis(500), cluster.node(shop).ended()).await;
    assert!(ended.expect("it has ended").success());
    assert!(took < Duration::from_secs(2), "reads in flight delay it: {took:?}");
    for reader in readers {
        let longest = reader.await.expect("no panic");
        assert!(longest < Duration::from_secs(2), "a read took {longest:?}");
    }
}

/// No daemon runs at the address of a member, so nothing was done, whichever node is asked.
#[tokio::test(flavor = "multi_thread")]
async fn the_boot_of_an_absent_member_leaves_nothing_in_doubt() {
    let mut cluster = Cluster::of(4).start().await;
    let address = cluster.node("long").address().to_string();
    cluster.node("long").kill().await;
    for via in ["ming", "hong", "peng"] {
        let boot = ["boot", "long", "--address", &address, "--timeout", "4s"];
        // Over a connection from before, the invitation may have arrived.
        let first = cluster.coffeectl_via(via, boot).run().await;
        assert!(matches!(first.code, Some(5 | 6)), "{first}");
        cluster.coffeectl_via(via, boot).ends_with(5).await;
    }
    cluster.node("long").start().await;
    cluster.coffeectl(["boot", "long", "--address", &address]).ok().await;
}

/// Nor is a node admitted by its certificate alone, and what an operator announces is remembered by
/// every leader.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_only_if_an_operator_has_announced_it() {
    let mut cluster = Cluster::of(3).and_waiting(1).start().await;
    let (address, ming) = (cluster.node("long").address(), cluster.node("ming").address());
    cluster.node("long").stop().await;
    let join = format!("--join={ming}");
    let from = cluster.node("long").log().len();
    cluster.node("long").start_with(&[&join]).await;
    cluster.node("long").says_from(from, "to admit it: coffeectl boot long").await;
    cluster.node("ming").says_from(0, "a node asks to join and is not announced").await;
    assert_eq!(states(&cluster).await.get("long"), None);
    let listed = cluster.coffeectl(["list"]).run().await;
    assert!(listed.stderr.contains("long asks to join and is not announced"), "{listed}");
    cluster.node("long").stop().await;

    let boot = ["boot", "long", "--address", address.as_str()];
    let announced = cluster.coffeectl(boot).ok().await;
    assert!(announced.contains("long does not answer; it is announced now"), "{announced}");
    assert!(cluster.coffeectl(boot).ok().await.contains("announced already"));
    assert_eq!(states(&cluster).await["long"], "announced");
    cluster.coffeectl(["down", "long", "--yes"]).fails(8, "has not joined").await;
    cluster.coffeectl(["node", "remove", "long", "--yes"]).ok().await;
    assert_eq!(states(&cluster).await.get("long"), None, "the announcement is withdrawn");
    let from = cluster.node("long").log().len();
    cluster.node("long").start_with(&[&join]).await;
    cluster.node("long").says_from(from, "to admit it: coffeectl boot long").await;
    cluster.node("long").stop().await;

    cluster.coffeectl(boot).ok().await;
    cluster.coffeectl(["transfer"]).ok().await;
    cluster.node("long").start_with(&[&join]).await;
    cluster.coffeectl(["wait", "--for", "voter", "--node", "long"]).ok().await;

    // One that was removed has the same certificate.
    cluster.coffeectl(["down", "long", "--yes"]).ok().await;
    assert!(cluster.node("long").ended().await.success());
    cluster.node("long").wipe();
    let from = cluster.node("long").log().len();
    cluster.node("long").start_with(&[&join]).await;
    cluster.node("long").says_from(from, "to admit it: coffeectl boot long").await;
    assert_eq!(cluster.json(["list"]).await["voters"], 3);
    // Its address is on record, and it asks.
    cluster.coffeectl(["boot", "long"]).ok().await;
    assert_eq!(cluster.json(["list"]).await["voters"], 4);
}

/// A cluster in which long takes the place of peng while hong is off.
async fn changed_while_hong_is_off() -> Cluster {
    let mut cluster = Cluster::of(3).and_waiting(1).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    cluster.node("hong").kill().await;
    cluster.coffeectl(["boot", "long", "--address", cluster.addresses()[3].as_str()]).ok().await;
    cluster.coffeectl(["down", "peng", "--yes"]).ok().await;
    cluster.node("peng").ended().await;
    cluster
}

/// hong knows none of the members that are left, so any node with a certificate could say that it is one.
#[tokio::test]
async fn a_voter_that_knows_no_present_member_believes_an_operator() {
    let mut cluster = changed_while_hong_is_off().await;
    cluster.node("ming").kill().await;
    let from = cluster.node("hong").log().len();
    cluster.node("hong").start().await;
    cluster.node("hong").says_from(from, "coffeectl boot long").await;
    let set = cluster.coffeectl(["set", "order/2", "tea", "--timeout", "2s"]).run().await;
    assert!(matches!(set.code, Some(5 | 6)), "{set}");
    // There is no quorum before hong believes it.
    let boot = cluster.coffeectl_via("hong", ["boot", "long"]).run().await;
    assert!(matches!(boot.code, Some(0 | 5)), "{boot}");
    // Two of three voters.
    cluster.coffeectl(["set", "order/2", "mocha", "--timeout", "30s"]).ok().await;
    assert_eq!(cluster.leader().await, "long", "hong lags, so it cannot lead");
}

/// The state of each node in the list.
async fn states(cluster: &Cluster) -> std::collections::BTreeMap<String, String> {
    let list = cluster.json(["list"]).await;
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let nodes = list["nodes"].as_array().expect("nodes").iter();
    nodes.map(|node| (text(&node["name"]), text(&node["state"]))).collect()
}

/// peng returns under a new id and takes long's place. hong knows only the first of these members, and of
/// those only ming could tell it, which dies.
#[tokio::test]
async fn a_voter_that_lags_follows_the_only_node_that_can_lead() {
    let mut cluster = changed_while_hong_is_off().await;
    cluster.node("peng").start().await;
    cluster.coffeectl(["boot", "peng"]).ok().await;
    cluster.coffeectl(["wait", "--for", "voter", "--node", "peng"]).ok().await;
    cluster.coffeectl(["down", "long", "--yes"]).ok().await;
    cluster.node("long").ended().await;
    cluster.node("ming").kill().await;
    cluster.node("hong").start().await;
    // Two of three voters.
    cluster.coffeectl(["set", "order/2", "mocha", "--timeout", "30s"]).ok().await;
    assert_eq!(cluster.leader().await, "peng", "hong lags, so it cannot lead");
    assert!(cluster.node("hong").log().says(0, "believed because of its name", PATIENCE).await);
}
