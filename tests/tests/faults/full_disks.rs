//! The disks of all nodes fill up at once.
//!
//! Equal disks hold equal data. Without a limit, the first write that does not fit
//! would end all nodes, and none could start again.

use std::{fs, thread, time::Duration};

use coffee_client::Client;
use coffee_common::{
    command::{Batch, Condition, Operation},
    key::Key,
    limits::{
        BATCH_CONDITIONS_MAX, BATCH_OPERATIONS_MAX, DISK_FREE_BYTES_MIN, KEY_BYTES_MAX, VALUE_BYTES_MAX,
    },
    protocol::Role,
};
use coffee_tests::cluster::{Cluster, NodeProcess};
use tokio::{
    runtime::Runtime,
    task::JoinSet,
    time::{Instant, timeout},
};

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

/// A cluster of three on small disks.
async fn small_cluster() -> (Cluster, Vec<Small>) {
    let mut cluster = Cluster::of(3).with(SETTINGS).prepare();
    let mount = |node: &NodeProcess| Small::mount_of(node.data(), DISK_MB);
    let disks: Vec<Small> = cluster.nodes().iter().map(mount).collect();
    cluster.found(3).await;
    let reserves: Vec<_> = cluster.nodes().iter().map(|node| node.data().join("reserve")).collect();
    within("space is reserved", async || reserves.iter().all(|reserve| reserve.exists())).await;
    (cluster, disks)
}

/// Sets large values until they are refused, and returns their number.
async fn fill(cluster: &Cluster) -> usize {
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
    written
}

async fn fill_all() {
    let (mut cluster, disks) = small_cluster().await;
    let written = fill(&cluster).await;
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

#[test]
fn full_everywhere_and_a_writer_goes_on() {
    if let Some(reason) = Need::Mounts.missing() {
        println!("skipped: a hostile writer on full disks: {reason}");
        return;
    }
    if sandbox::enter(thread::current().name().expect("tests have names")) {
        Runtime::new().expect("a runtime").block_on(go_on_writing());
    }
}

/// For how long the hostile writer goes on.
const SIEGE: Duration = Duration::from_secs(15);

/// Batches of the hostile writer in flight.
const SIEGE_TASKS: usize = 16;

async fn go_on_writing() {
    let (mut cluster, disks) = small_cluster().await;
    let written = fill(&cluster).await;
    let end = Instant::now() + SIEGE;
    let mut siege = JoinSet::new();
    for task in 0..SIEGE_TASKS {
        siege.spawn(delete_nothing(cluster.client(Role::Writer), task, end));
    }
    // Deletes of others get through meanwhile. One may be late: the machine has few cores.
    let mut deleted = 0;
    while Instant::now() < end && deleted < written {
        let delete = cluster.coffeectl(["del", &format!("large-{deleted}")]).run().await;
        deleted += usize::from(delete.code == Some(0));
    }
    let sent: usize = siege.join_all().await.into_iter().sum();
    assert!(deleted > 0 && sent > SIEGE_TASKS, "{deleted} deletes beside {sent} batches of a hostile writer");
    for node in cluster.nodes() {
        assert!(node.is_started(), "{}", node.log().tail(20));
    }
    for number in deleted..written {
        let key = format!("large-{number}");
        let delete = async || cluster.coffeectl(["del", &key]).run().await.code == Some(0);
        within("a delete gets through", delete).await;
    }
    let set = async || cluster.coffeectl(["set", "small", "after"]).run().await.code == Some(0);
    within("deletes make room", set).await;
    for node in cluster.nodes() {
        assert!(node.stop().await.success(), "{}", node.log().tail(20));
    }
    drop(disks);
}

/// Sends the largest batches that add no data until `end`, and returns how many: each is a log entry
/// of a quarter of a megabyte, and a full cluster admits it.
async fn delete_nothing(client: Client, task: usize, end: Instant) -> usize {
    let key = |number: usize| {
        let start = format!("nothing/{task}/{number}/");
        Key::new(format!("{start:x<width$}", width = KEY_BYTES_MAX)).expect("legal")
    };
    let conditions = (0..BATCH_CONDITIONS_MAX).map(|number| Condition::Absent(key(number)));
    let operations = (0..BATCH_OPERATIONS_MAX).map(|number| Operation::Delete(key(number)));
    let batch = Batch { conditions: conditions.collect(), operations: operations.collect() };
    let mut sent = 0;
    while Instant::now() < end {
        // An error is what a hostile writer may expect.
        let _ = timeout(Duration::from_secs(5), client.batch(batch.clone())).await;
        sent += 1;
    }
    client.close().await;
    sent
}
