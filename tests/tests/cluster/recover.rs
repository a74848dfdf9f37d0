//! A cluster that permanently loses its quorum, and continues from the survivors.

use std::{fs, time::Duration};

use coffee_client::Revision;
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    load::{Load, LoadOptions, WriteRecord},
};

use crate::support::{
    coffeed::{coffeed, coffeed_alone, word_after},
    refusal::{is_kept_out, refuses},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The last acknowledged write of each writer.
fn last(record: &WriteRecord) -> Vec<(String, u64, Revision)> {
    let last = |writer: &coffee_tests::load::WriterRecord| {
        let write = writer.acknowledged.last().expect("each has written");
        (writer.key.clone(), write.counter, write.revision)
    };
    record.writers.iter().map(last).collect()
}

/// Three of five lose their disks at once, under load. The survivors' data is compared,
/// the most advanced one continues alone, and the others rejoin. The survivor with old
/// data is rejected until that data is set aside.
#[tokio::test(flavor = "multi_thread")]
async fn two_of_five_are_left_and_go_on() {
    let mut cluster = Cluster::of(5).start().await;
    let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(2));
    let settled = LoadOptions { writers: 8, prefix: "settled".into(), ..LoadOptions::default() };
    let mut load = Load::start(std::slice::from_ref(&client), &settled);
    assert!(load.acknowledges(200, PATIENCE).await, "writes flow");
    let settled = last(&load.stop().await);
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let mut load =
        Load::start(std::slice::from_ref(&client), &LoadOptions { writers: 8, ..LoadOptions::default() });
    assert!(load.acknowledges(100, PATIENCE).await, "writes flow");
    for node in &SHOPS[..3] {
        cluster.node(node).kill().await;
        cluster.node(node).wipe();
    }
    cluster.coffeectl(["get", "order/1", "--timeout", "2s"]).fails(5, "").await;
    drop(load);
    // One of them loses power as well.
    cluster.node("long").stop().await;
    cluster.node("hu").kill().await;

    let furthest = compared(&mut cluster).await;
    let other = if furthest == "long" { "hu" } else { "long" };
    let said = coffeed(cluster.node(&furthest), &["recover", "--yes"]).await.ok();
    assert!(said.contains("is the only member of the new cluster"), "{said}");
    let new = word_after(&said, "--cluster").to_owned();
    cluster.node(&furthest).start().await;
    cluster.coffeectl_via(&furthest, ["wait", "--for", "leader", "--node", &furthest]).ok().await;
    for (key, counter, revision) in &settled {
        let got = cluster.coffeectl_via(&furthest, ["get", key, "-o", "json"]).ok().await;
        let got: serde_json::Value = serde_json::from_str(&got).expect("JSON");
        assert_eq!((&got["version"], &got["revision"]), (&(*counter).into(), &revision.0.into()), "{key}");
    }
    let set = cluster.coffeectl_via(&furthest, ["set", "order/1", "latte", "-o", "plain"]).ok().await;
    let set: u64 = set.trim().parse().expect("a revision");
    assert!(settled.iter().all(|(_, _, revision)| set > revision.0 + 1_000_000_000), "{set}");

    do_not_mix(&mut cluster, &furthest, other, &new).await;
    // New disks for the lost nodes.
    for node in &SHOPS[..3] {
        cluster.node(node).start().await;
        cluster.coffeectl_via(&furthest, ["boot", node]).ok().await;
    }
    let list = cluster.json(["list"]).await;
    assert_eq!((&list["voters"], &list["voters_in_reach"]), (&5.into(), &5.into()), "{list}");
    cluster.coffeectl(["transfer", "--to", "ming"]).ok().await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
    let local = ["get", "order/1", "--consistency", "local"];
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    assert_eq!(cluster.coffeectl_via(other, local).ok().await, "latte");
}

/// Collects a report from each survivor, compares them, and returns the most advanced
/// one. Changes nothing.
async fn compared(cluster: &mut Cluster) -> String {
    let mut reports = Vec::new();
    for node in ["long", "hu"] {
        let identity = cluster.node(node).data().join("identity.toml");
        let before = fs::read_to_string(&identity).expect("readable");
        let report = coffeed(cluster.node(node), &["recover", "--dry-run"]).await.ok();
        assert_eq!(report, coffeed(cluster.node(node), &["recover"]).await.ok(), "looking changes nothing");
        assert_eq!(before, fs::read_to_string(&identity).expect("readable"));
        let path = cluster.folder().join(format!("{node}.report"));
        fs::write(&path, report).expect("writable");
        reports.push(path.display().to_string());
    }
    let words: Vec<&str> =
        ["recover", "compare"].into_iter().chain(reports.iter().map(String::as_str)).collect();
    let verdict = coffeed_alone(&words).await.ok();
    assert!(verdict.contains("2 of 5 voters have a report; missing: ming, hong, peng\n"), "{verdict}");
    assert!(verdict.contains("may be lost: acknowledged writes after entry"), "{verdict}");
    word_after(&verdict, "most advanced:").to_owned()
}

/// Another survivor, with the old cluster's data, does not belong to the new cluster.
async fn do_not_mix(cluster: &mut Cluster, furthest: &str, other: &str, new: &str) {
    cluster.node(other).start().await;
    is_kept_out(cluster, furthest, other).await;
    cluster.coffeectl_via(other, ["get", "order/1", "--timeout", "2s"]).fails(5, "").await;
    let list = cluster.coffeectl_via(furthest, ["list", "-o", "json"]).ok().await;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!((&list["voters"], &list["cluster"]), (&1.into(), &new.into()), "{list}");
    cluster.node(other).stop().await;
    let from = cluster.node(furthest).address().to_string();
    coffeed(cluster.node(other), &["rebuild", "--cluster", new, "--from", &from]).await.ok();
    cluster.node(other).start().await;
    cluster.coffeectl_via(furthest, ["boot", other]).ok().await;
}

#[tokio::test]
async fn what_cannot_be_recovered_is_refused() {
    let mut cluster = Cluster::of(1).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let ming = cluster.node("ming");
    coffeed(ming, &["recover"]).await.fails(1, "is in use by another process");
    ming.stop().await;
    let report = coffeed(ming, &["recover"]).await.ok();
    assert!(report.contains("name = \"ming\"") && report.contains("last_write = \""), "{report}");

    // An interrupted recovery must be completed before a start.
    let note = ming.data().join("unfinished.toml");
    fs::write(&note, "nonsense").expect("writable");
    refuses(ming, 2, "unfinished.toml is damaged").await;
    fs::remove_file(&note).expect("removable");

    let log = ming.data().join("log.wal");
    let whole = fs::read(&log).expect("readable");
    fs::write(&log, &whole[..100]).expect("writable");
    coffeed(ming, &["recover"]).await.fails(2, "log.wal");
    coffeed(ming, &["recover", "--yes"]).await.fails(2, "log.wal");
    fs::write(&log, whole).expect("writable");
    ming.start().await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
    let ming = cluster.node("ming");
    ming.stop().await;
    ming.wipe();
    coffeed(ming, &["recover", "--yes"]).await.fails(2, "holds no data of a node");
}
