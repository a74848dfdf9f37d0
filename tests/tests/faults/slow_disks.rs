//! Disks of a majority that are slow or stall: nothing fails and nothing is elected, and every node
//! says what is wrong.
//!
//! A quorum then always waits for such a disk, so writes take as long as its syncs.

use std::time::Duration;

use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::Cluster,
    samples::ms,
    tracer::{DelayedSyncs, SyncDelay},
};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use crate::rounds;

/// Added to each sync.
const DELAY: Duration = Duration::from_millis(300);

const SLOW: usize = 3;
const WRITES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the disks of both followers stall; many times an election timeout.
const STALL: Duration = Duration::from_secs(4);
/// The longest linearizable read meanwhile, on a busy machine.
const READ_MAX: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn slow_disks_of_a_majority_are_named() {
    if let Some(reason) = SyncDelay::missing() {
        println!("skipped: slow disks: {reason}");
        return;
    }
    let cluster = Cluster::of(5).with("[admin]\nlisten = \"127.0.0.1:0\"\n").start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let leader = cluster.leader().await;
    let slow: Vec<_> = cluster.watched().iter().filter(|node| node.name() != leader).take(SLOW).collect();
    let tracers = join_all(slow.iter().map(|node| SyncDelay::of(node.pid(), DELAY, DelayedSyncs::All))).await;
    let slow_syncs = async || {
        let mut counts = Vec::new();
        for node in &slow {
            counts.push(node.metric("coffeed_log_slow_syncs_total", &[]).await);
        }
        counts
    };
    let before = slow_syncs().await;
    let all_are_slow = async || {
        loop {
            for _ in 0..WRITES {
                cluster.coffeectl(["set", "order/1", "mocha"]).ok().await;
            }
            if slow_syncs().await.iter().zip(&before).all(|(now, before)| now > before) {
                return;
            }
        }
    };
    assert!(timeout(PATIENCE, all_are_slow()).await.is_ok(), "{:?}", slow_syncs().await);
    for node in &slow {
        assert!(node.log().says(0, "the disk took ", PATIENCE).await, "{}", node.log().tail(20));
        let p99 = node.metric("coffeed_log_sync_p99_seconds", &[]).await;
        assert!(p99 >= 0.9 * DELAY.as_secs_f64(), "{}: {p99}", node.name());
    }
    cluster.coffeectl(["set", "order/1", "espresso"]).ok().await;
    let told = cluster.coffeectl(["list", "-o", "json"]).run().await;
    let list: serde_json::Value = serde_json::from_str(&told.stdout()).expect("it is JSON");
    for node in &slow {
        let row = list["nodes"].as_array().expect("nodes").iter().find(|row| row["name"] == node.name());
        let p99 = row.expect("it is there")["pace"]["sync_p99_us"].as_u64();
        assert!(p99.is_some_and(|us| us >= 270_000), "{}: {list}", node.name());
    }
    let warning = told.stderr.lines().find(|line| line.starts_with("warning: the disks of "));
    let warning = warning.unwrap_or_else(|| panic!("no warning: {told}"));
    assert!(slow.iter().all(|node| warning.contains(node.name())), "{warning}");
    assert!(warning.contains("every write waits for one of them: see what"), "{warning}");
    drop(tracers);
}

async fn term_and_leader(cluster: &Cluster) -> (u64, String) {
    let list = cluster.json(["list"]).await;
    let leader = list["leader"].as_str().unwrap_or("none").to_owned();
    (list["term"].as_u64().expect("a term"), leader)
}

/// The leader is healthy and can be heard: it keeps its term, and reads go on. The write waits.
#[tokio::test(flavor = "multi_thread")]
async fn followers_whose_disks_stall_elect_no_other_leader() {
    if let Some(reason) = SyncDelay::missing() {
        println!("skipped: disks that stall: {reason}");
        return;
    }
    let cluster = Cluster::of(3).start().await;
    let client = cluster.client(Role::Writer).with_timeout(3 * STALL);
    client.set("order/1", "latte").await.expect("it is written");
    println!(
        "| both followers stall | term, leader before | after | write | worst read |\n|---|---|---|---|---|"
    );
    for n in 0..rounds() {
        cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
        let before = term_and_leader(&cluster).await;
        let followers = cluster.watched().iter().filter(|node| node.name() != before.1);
        let stalls =
            join_all(followers.map(|node| SyncDelay::of(node.pid(), STALL, DelayedSyncs::First))).await;
        assert_eq!(stalls.len(), 2);
        let began = Instant::now();
        let write = async {
            let written = client.set("order/1", "mocha").await;
            (written, began.elapsed())
        };
        let reads = async {
            let mut worst = Duration::ZERO;
            while began.elapsed() < STALL - Duration::from_millis(500) {
                let began = Instant::now();
                client.get("order/1").await.expect("reads go on");
                worst = worst.max(began.elapsed());
            }
            worst
        };
        let ((written, took), worst) = tokio::join!(write, reads);
        drop(stalls);
        let after = term_and_leader(&cluster).await;
        println!(
            "| round {n} | {}, {} | {}, {} | {} in {:.0} ms | {:.0} ms |",
            before.0,
            before.1,
            after.0,
            after.1,
            if written.is_ok() { "acknowledged" } else { "failed" },
            ms(took),
            ms(worst)
        );
        written.expect("it is acknowledged once a disk goes on");
        assert!(took > STALL / 2, "no disk stalled: {took:?}");
        assert_eq!(after, before, "another leader, or another term");
        assert!(worst < READ_MAX, "a read took {worst:?}");
    }
    client.close().await;
}
