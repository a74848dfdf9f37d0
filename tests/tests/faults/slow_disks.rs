//! Three of five disks are slow: nothing fails, and every node says what is wrong.
//!
//! A quorum then always waits for a slow disk, so writes take as long as its syncs.

use std::{process::Stdio, time::Duration};

use coffee_tests::cluster::Cluster;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::support::machine::Need;

/// Added to each sync.
const DELAY: Duration = Duration::from_millis(300);

const SLOW: usize = 3;
const WRITES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// Delays each sync of a process until the tracer is dropped.
fn slow_down(pid: u32) -> Child {
    let delay = format!("inject=fdatasync:delay_exit={}", DELAY.as_micros());
    let mut tracer = Command::new("strace");
    tracer.args(["-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &delay, "-p", &pid.to_string()]);
    tracer.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    tracer.spawn().expect("a tracer")
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_disks_of_a_majority_are_named() {
    if let Some(reason) = Need::Tracer.missing() {
        println!("skipped: slow disks: {reason}");
        return;
    }
    let cluster = Cluster::of(5).with("[admin]\nlisten = \"127.0.0.1:0\"\n").start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let leader = cluster.leader().await;
    let slow: Vec<_> = cluster.watched().iter().filter(|node| node.name() != leader).take(SLOW).collect();
    let tracers: Vec<Child> = slow.iter().map(|node| slow_down(node.pid())).collect();
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
    assert!(warning.ends_with("every write waits for one of them"), "{warning}");
    drop(tracers);
}
