//! Data directories with which a node refuses to start, and a full disk.

use std::{fs, path::PathBuf, time::Duration};

use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, NodeProcess},
    load::{Load, LoadOptions, verify},
};

use crate::support::{
    coffeed::{coffeed, word_after},
    refusal::refuses,
};

fn edit(node: &NodeProcess, file: &str, from: &str, to: &str) {
    let path = node.data().join(file);
    let text = fs::read_to_string(&path).expect("readable");
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).expect("writable");
}

#[tokio::test]
async fn a_data_directory_that_is_in_use() {
    let mut cluster = Cluster::of(1).and_waiting(1).start().await;
    let data = cluster.node("ming").data();
    let hong = cluster.node("hong");
    hong.kill().await;
    hong.spawn(&["--data-dir", data.to_str().expect("text")]);
    assert_eq!(hong.ended().await.code(), Some(1));
    hong.says_from(0, "is in use by another process").await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
}

#[tokio::test]
async fn a_data_directory_of_another_node() {
    let mut cluster = Cluster::of(1).and_waiting(1).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    cluster.node("ming").stop().await;
    let from = cluster.node("ming").data();
    let hong = cluster.node("hong");
    hong.kill().await;
    hong.wipe();
    fs::rename(&from, hong.data()).expect("moved");
    refuses(hong, 2, "holds the data of the node ming, not of hong").await;
    // Moved back, the data is unchanged.
    fs::rename(hong.data(), from).expect("moved");
    cluster.node("ming").start().await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
}

#[tokio::test]
async fn a_data_directory_of_a_newer_version_or_damaged() {
    let mut cluster = Cluster::of(1).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let ming = cluster.node("ming");
    ming.stop().await;
    let good = fs::read_to_string(ming.data().join("identity.toml")).expect("readable");
    for (from, to, named) in
        [("format = 3", "format = 99", "format 99"), ("level = 2", "level = 9", "level 9")]
    {
        edit(ming, "identity.toml", from, to);
        refuses(ming, 2, &format!("was written by a newer version of coffeed ({named};")).await;
        fs::write(ming.data().join("identity.toml"), &good).expect("writable");
    }
    edit(ming, "identity.toml", "ming", "hong");
    refuses(ming, 2, "damaged").await;
    fs::remove_file(ming.data().join("identity.toml")).expect("removed");
    refuses(ming, 2, "is missing, but there is data").await;
    fs::write(ming.data().join("identity.toml"), &good).expect("writable");
    ming.start().await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
}

/// A node with another cluster's data does not affect this cluster.
#[tokio::test]
async fn a_data_directory_of_another_cluster() {
    let mut cluster = Cluster::of(3).start().await;
    let mut other = Cluster::of(2).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    cluster.node("hong").kill().await;
    cluster.node("hong").wipe();
    other.node("hong").stop().await;
    let data = cluster.node("hong").data();
    fs::rename(other.node("hong").data(), data).expect("moved");
    cluster.node("hong").spawn(&[]);
    cluster.coffeectl_via("ming", ["set", "order/1", "mocha"]).ok().await;
    assert_eq!(cluster.coffeectl_via("ming", ["get", "order/1"]).ok().await, "mocha");
}

/// A node whose disk is full exits with the cause without losing anything, and resumes
/// once there is space.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.node("hong").stop().await;
    let from = cluster.node("hong").log().len();
    cluster.node("hong").spawn_with_file_limit(8 << 20);
    cluster.coffeectl(["wait", "--for", "voter", "--node", "hong"]).ok().await;
    let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(10));
    let options = LoadOptions { writers: 8, value_bytes: 32 << 10, ..LoadOptions::default() };
    let load = Load::start(std::slice::from_ref(&client), &options);
    assert_eq!(cluster.node("hong").ended().await.code(), Some(1), "it fails");
    cluster.node("hong").says_from(from, "error: ").await;
    cluster.node("hong").says_from(from, "hint: ").await;
    let record = load.stop().await;
    assert_eq!(record.failed(), 0, "the others continue: {:?}", record.failed_by_kind());
    cluster.node("hong").start().await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let report = verify(&client, &record).await.expect("it can be read");
    assert!(report.is_clean(), "{report}");
}

/// `rebuild` typed at the wrong node is undone as the documentation says.
#[tokio::test(flavor = "multi_thread")]
async fn data_that_was_set_aside_is_put_back() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let before = cluster.json(["list"]).await;
    let from = cluster.node("ming").address().to_string();
    let hong = cluster.node("hong");
    hong.stop().await;
    let said = coffeed(hong, &["rebuild", "--from", &from]).await.ok();
    let aside = PathBuf::from(word_after(&said, "the data is now in "));
    assert!(said.contains("to undo it before the next start"), "{said}");
    for file in ["identity.toml", "log.wal", "state.redb"] {
        fs::rename(aside.join(file), hong.data().join(file)).expect("moved back");
    }
    hong.start().await;
    cluster.coffeectl(["wait", "--for", "synced", "--node", "hong"]).ok().await;
    let after = cluster.json(["list"]).await;
    let ids = |list: &serde_json::Value| -> Vec<(String, String)> {
        let nodes = list["nodes"].as_array().expect("nodes").iter();
        nodes.map(|node| (node["name"].to_string(), node["id"].to_string())).collect()
    };
    assert_eq!(ids(&after), ids(&before), "it is the same member as before");
    let local = ["get", "order/1", "--consistency", "local"];
    assert_eq!(cluster.coffeectl_via("hong", local).ok().await, "latte");
}

/// The process before was killed, and the kernel still closes its files.
#[tokio::test]
async fn a_start_right_after_a_kill_waits_for_the_lock() {
    let mut cluster = Cluster::of(1).start().await;
    let ming = cluster.node("ming");
    ming.stop().await;
    let lock = fs::File::options().write(true).open(ming.data().join("LOCK")).expect("it is there");
    lock.lock().expect("it is free");
    let from = ming.log().len();
    ming.spawn(&[]);
    ming.says_from(from, "is still in use").await;
    drop(lock);
    ming.says_from(from, "replica opened").await;
    assert!(ming.stop().await.success());
    // Longer than a second is another process.
    let lock = fs::File::options().write(true).open(ming.data().join("LOCK")).expect("it is there");
    lock.lock().expect("it is free");
    refuses(ming, 1, "is in use by another process").await;
}
