//! The disks of all nodes fill up at once.
//!
//! Equal disks hold equal data. Without a limit, the first write that does not fit
//! would end all nodes, and none could start again.

use std::{fs, thread};

use coffee_common::limits::{DISK_FREE_BYTES_MIN, VALUE_BYTES_MAX};
use coffee_tests::cluster::{Cluster, NodeProcess};
use tokio::runtime::Runtime;

use crate::support::{disk_image::Small, machine::Need, sandbox, wait::within};

/// Room for the limit, the reserve, the log and some data.
const DISK_MB: u64 = 512;

// Otherwise nothing would be reserved.
const _: () = assert!(DISK_MB << 20 > 3 * DISK_FREE_BYTES_MIN);

const SETTINGS: &str = "[storage]\nlog_keep_bytes = 67108864\n";

/// More large values than the disks hold.
const VALUES_MAX: usize = 300;

#[test]
fn full_everywhere() {
    if let Some(reason) = Need::Mounts.missing() {
        println!("skipped: disks full everywhere: {reason}");
        return;
    }
    if sandbox::enter(thread::current().name().expect("tests have names")) {
        Runtime::new().expect("a runtime").block_on(fill_all());
    }
}

async fn fill_all() {
    let mut cluster = Cluster::of(3).with(SETTINGS).prepare();
    let mount = |node: &NodeProcess| Small::mount_of(node.data(), DISK_MB);
    let disks: Vec<Small> = cluster.nodes().iter().map(mount).collect();
    cluster.found(3).await;
    let reserves: Vec<_> = cluster.nodes().iter().map(|node| node.data().join("reserve")).collect();
    within("space is reserved", async || reserves.iter().all(|reserve| reserve.exists())).await;

    let value = cluster.folder().join("large");
    fs::write(&value, vec![b'x'; VALUE_BYTES_MAX]).expect("a file can be made");
    let value = value.to_str().expect("a path that is text");
    let mut written = 0;
    let refused = loop {
        assert!(written < VALUES_MAX, "the disks hold {VALUES_MAX} values");
        let set = cluster.coffeectl(["set", &format!("large-{written}"), "--file", value]).run().await;
        if set.code != Some(0) {
            break set;
        }
        written += 1;
    };
    assert_eq!(refused.code, Some(8), "{refused}");
    assert!(written > 20, "only {written} values fit");

    let list = cluster.json(["list"]).await;
    assert!(list["writes_refused"].as_str().is_some_and(|why| why.contains("disk space")), "{list}");

    // No node has ended, and the cluster serves reads and deletes.
    for node in cluster.nodes() {
        assert!(node.is_started(), "{}", node.log().tail(20));
    }
    assert_eq!(cluster.coffeectl(["get", "large-0"]).ok().await.len(), VALUE_BYTES_MAX);
    for number in 0..written {
        cluster.coffeectl(["del", &format!("large-{number}")]).ok().await;
    }
    let set = async || cluster.coffeectl(["set", "small", "after"]).run().await.code == Some(0);
    within("deletes make room", set).await;

    // Something else fills the disks completely.
    for node in cluster.nodes() {
        assert!(node.stop().await.success(), "{}", node.log().tail(20));
    }
    disks.iter().for_each(Small::fill);
    for node in cluster.nodes() {
        node.spawn(&[]);
    }
    cluster.coffeectl(["wait", "--for", "leader"]).ok().await;
    assert_eq!(cluster.coffeectl(["get", "small"]).ok().await, "after");
    let refused = async || cluster.coffeectl(["set", "other", "value"]).run().await.code == Some(8);
    within("writes are refused", refused).await;
    cluster.coffeectl(["set", "other", "value"]).fails(8, "too little disk space is free at ").await;
    cluster.coffeectl(["del", "small"]).ok().await;
    disks.iter().for_each(Small::clear);
    let set = async || cluster.coffeectl(["set", "small", "again"]).run().await.code == Some(0);
    within("free space makes room", set).await;
    for node in cluster.nodes() {
        assert!(node.stop().await.success(), "{}", node.log().tail(20));
    }
    // Disks must be unmounted before their folder is deleted.
    drop(disks);
}
