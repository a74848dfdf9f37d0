//! A cluster that loses its quorum for good, and goes on with what is left.

use std::{fs, time::Duration};

use coffee_client::Revision;
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    load::{Load, Options, Record},
};

use crate::{
    offline::{coffeed, coffeed_alone, word_behind},
    refused::refuses,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// What each writer had acknowledged last.
fn last(record: &Record) -> Vec<(String, u64, Revision)> {
    let last = |writer: &coffee_tests::load::Writer| {
        let write = writer.acknowledged.last().expect("each has written");
        (writer.key.clone(), write.counter, write.revision)
    };
    record.writers.iter().map(last).collect()
}

/// Three of five lose their disks at once, under load. What the two others have
/// is compared, the furthest goes on alone, and the rest comes in again: the
/// one with old data is kept out until that is set aside.
#[tokio::test(flavor = "multi_thread")]
async fn two_of_five_are_left_and_go_on() {
    let mut cluster = Cluster::of(5).start().await;
    let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(2));
    let settled = Options { writers: 8, prefix: "settled".into(), ..Options::default() };
    let mut load = Load::start(std::slice::from_ref(&client), &settled);
    assert!(load.acknowledges(200, PATIENCE).await, "writes flow");
    let settled = last(&load.stop().await);
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let mut load = Load::start(std::slice::from_ref(&client), &Options { writers: 8, ..Options::default() });
    assert!(load.acknowledges(100, PATIENCE).await, "writes flow");
    for node in &SHOPS[..3] {
        cluster.node(node).kill().await;
        cluster.node(node).wipe();
    }
    cluster.coffeectl(["get", "order/1", "--timeout", "2s"]).fails(5, "").await;
    drop(load);
    // One of them loses its power as well.
    cluster.node("long").stop().await;
    cluster.node("hu").kill().await;

    let furthest = compared(&mut cluster).await;
    let other = if furthest == "long" { "hu" } else { "long" };
    let said = coffeed(cluster.node(&furthest), &["recover", "--yes"]).await.ok();
    assert!(said.contains("is the only member of the new cluster"), "{said}");
    let new = word_behind(&said, "--cluster").to_owned();
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

    strangers(&mut cluster, &furthest, other, &new).await;
    // New disks in the place of the lost ones.
    for node in &SHOPS[..3] {
        cluster.node(node).start_with(&["--bootstrap=false"]).await;
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

/// Takes a report of each that is left, compares them, and gives the furthest.
/// Nothing is changed by it.
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
    assert!(verdict.contains("2 of 5 voters are here; missing: ming, hong, peng\n"), "{verdict}");
    assert!(verdict.contains("may be lost: what was acknowledged behind entry"), "{verdict}");
    word_behind(&verdict, "furthest:").to_owned()
}

/// Another survivor, with the data of the old cluster, is none of the new one.
async fn strangers(cluster: &mut Cluster, furthest: &str, other: &str, new: &str) {
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
    cluster.coffeectl_via(furthest, ["wait", "--for", "voter", "--node", other]).ok().await;
}

/// `stranger` is of another cluster than `member`, which cannot bring it in. On a
/// slow machine the question is asked twice, and then the first time may count
/// as in doubt.
pub(crate) async fn is_kept_out(cluster: &Cluster, member: &str, stranger: &str) {
    let boot = cluster.coffeectl_via(member, ["boot", stranger, "--timeout", "20s"]).run().await;
    assert!(matches!(boot.code, Some(6 | 8)), "{boot}");
    assert!(boot.stderr.contains("belongs to the cluster"), "{boot}");
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

    // One that broke off is gone on with, and nobody starts before.
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
