//! How long writes stall during an operation or a fault.

use std::{fmt::Write, time::Duration};

use coffee_tests::{
    cluster::{Cluster, SHOPS},
    outage::Outage,
    samples::{Samples, count, ms, verdict},
    timeline::Timeline,
};
use tokio::time::{Instant, interval};

use crate::{
    options::EndureOptions,
    rig::{Rig, busy_keys, status},
};

/// Maximum stall during checkpoints, purges and snapshots.
const GAP_MAX: Duration = Duration::from_millis(50);

/// Polling interval for the leader's checkpoints.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Longer than any wait for a checkpoint.
const PATIENCE: Duration = Duration::from_secs(600);

/// A table row for a span of a load.
fn row(what: &str, timeline: &Timeline, from: Instant, to: Instant, failed: u64) -> String {
    let part = timeline.between(from, to);
    let latency = |per_thousand| part.latency(per_thousand).map_or(0.0, ms);
    let (gap, worst) = (ms(timeline.longest_gap_between(from, to).span), latency(1000));
    let verdict = verdict(worst <= ms(GAP_MAX) && failed == 0);
    format!(
        "| {what} | {:.1} | {} | {:.1} | {:.1} | {:.1} | {worst:.1} | {gap:.1} | {failed} | at most 50 | {verdict} |\n",
        (to - from).as_secs_f64(),
        part.count(),
        latency(500),
        latency(990),
        latency(999),
    )
}

fn head() -> String {
    "| 64 clients write | s | writes | p50 ms | p99 | p99.9 | worst | longest gap | failed | target for the worst | |\n\
     |---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned()
}

/// Checkpoints and purges of the log, by all nodes.
pub(crate) async fn upkeep(options: &EndureOptions) -> String {
    let rig = Rig::start(Cluster::of(3)).await;
    rig.fill(&busy_keys()).await;
    let leader = rig.observer(rig.leader().await.as_str());
    let recorder = rig.load();
    recorder.succeeds(500).await;
    let (from, mut checkpoints, mut purges) = (Instant::now(), 0, 0);
    let mut before = status(&leader).await;
    let mut looks = interval(LOOK_EVERY);
    while checkpoints < options.checkpoints {
        looks.tick().await;
        let now = status(&leader).await;
        checkpoints += u64::from(now.snapshot > before.snapshot);
        purges += u64::from(now.purged > before.purged);
        before = now;
        assert!(from.elapsed() < PATIENCE, "the leader makes no checkpoints");
    }
    let to = Instant::now();
    let seen = recorder.finish().await;
    let what = format!("{checkpoints} checkpoints, {purges} purges of the leader");
    head() + &row(&what, &seen.timeline, from, to, seen.failures())
}

/// A fourth node joins, and receives a large state.
pub(crate) async fn snapshot(options: &EndureOptions) -> String {
    // The log keeps far fewer entries than there are keys, so the new node needs a
    // snapshot.
    let keep = "[storage]\nsnapshot_every_entries = 10000\nlog_keep_entries = 1000\n";
    let mut rig = Rig::start(Cluster::of(3).and_waiting(1).with(keep)).await;
    rig.fill_mb(options.state_mb).await;
    let newcomer = SHOPS[3];
    let address = rig.cluster.node(newcomer).address();
    let recorder = rig.load();
    recorder.succeeds(500).await;
    let quiet = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let from = Instant::now();
    let booted = rig.admin.boot(newcomer.parse().expect("a name"), Some(address)).await;
    let to = Instant::now();
    booted.expect("it gets a vote");
    let status = status(&rig.observer(newcomer)).await;
    assert!(status.purged.0 > 0, "it got its state from the log, not from a snapshot: {status:?}");
    let seen = recorder.finish().await;
    let failed = seen.failures();
    head()
        + &row("before", &seen.timeline, quiet, from, 0)
        + &row(&format!("a new node gets {} MB", options.state_mb), &seen.timeline, from, to, failed)
}

/// Leadership moves repeatedly.
pub(crate) async fn transfers(options: &EndureOptions) -> String {
    let rig = Rig::start(Cluster::of(3)).await;
    rig.fill(&busy_keys()).await;
    let mut outages = Vec::new();
    for _ in 0..options.trials {
        let moved = async {
            let moved = rig.admin.transfer(None).await.expect("leadership moves");
            assert!(moved.changed, "{moved:?}");
        };
        outages.push(Outage::of(rig.load(), moved).await);
    }
    outage_table("the leader moves", &outages)
}

/// The leader is killed repeatedly.
pub(crate) async fn kills(options: &EndureOptions) -> String {
    let mut rig = Rig::start(Cluster::of(3)).await;
    rig.fill(&busy_keys()).await;
    let mut outages = Vec::new();
    for _ in 0..options.trials {
        let leader = rig.leader().await;
        let recorder = rig.load();
        outages.push(Outage::of(recorder, rig.cluster.node(leader.as_str()).kill()).await);
        rig.cluster.node(leader.as_str()).start().await;
        rig.cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    }
    outage_table("the leader is killed", &outages)
}

fn outage_table(what: &str, outages: &[Outage]) -> String {
    let mut text =
        format!("| {what}, {} times; 64 clients write | median | worst |\n|---|---|---|\n", outages.len());
    let mut line = |figure: &str, samples: Samples| {
        let _ = writeln!(text, "| {figure} | {:.1} | {:.1} |", samples.median(), samples.most());
    };
    let latency = |outage: &Outage, per_thousand| {
        let Outage { seen, at, .. } = outage;
        seen.timeline.between(*at, seen.ended).latency(per_thousand).unwrap_or_default()
    };
    line("first write after, ms", outages.iter().map(|outage| outage.first_write).collect());
    line("longest gap, ms", outages.iter().map(|outage| outage.longest_gap).collect());
    line("longest gap in the 2 s before, ms", outages.iter().map(|outage| outage.calm_gap).collect());
    line(
        "p99 from the fault to 2 s after it, ms",
        outages.iter().map(|outage| latency(outage, 990)).collect(),
    );
    line("slowest write, ms", outages.iter().map(|outage| latency(outage, 1000)).collect());
    line("failed writes", outages.iter().map(|outage| count(outage.failed)).collect());
    text
}
