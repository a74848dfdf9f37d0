//! How long writes stand still while something happens.

use std::{fmt::Write, time::Duration};

use coffee_tests::{
    cluster::{Cluster, SHOPS},
    outage::Outage,
    samples::{Samples, count, ms, verdict},
    timeline::Timeline,
};
use tokio::time::{Instant, interval};

use crate::{
    options::Options,
    scene::{Scene, busy_keys, status},
};

/// No write may stand still for longer during upkeep and snapshots.
const GAP_MAX: Duration = Duration::from_millis(50);

/// How often a leader is asked whether it has made a checkpoint.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// No checkpoint takes longer to come.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is seen of a span of a load.
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

/// The leader makes checkpoints and purges its log, and so do the others.
pub(crate) async fn upkeep(options: &Options) -> String {
    let scene = Scene::start(Cluster::of(3)).await;
    scene.fill(&busy_keys()).await;
    let leader = scene.observer(scene.leader().await.as_str());
    let witness = scene.load();
    witness.succeeds(500).await;
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
    let seen = witness.finish().await;
    let what = format!("{checkpoints} checkpoints, {purges} purges of the leader");
    head() + &row(&what, &seen.timeline, from, to, seen.failures())
}

/// A fourth node comes, and gets a large state.
pub(crate) async fn snapshot(options: &Options) -> String {
    // Far fewer entries than there are keys stay in the log: the new node needs a snapshot.
    let keep = "[storage]\nsnapshot_every_entries = 10000\nlog_keep_entries = 1000\n";
    let mut scene = Scene::start(Cluster::of(3).and_waiting(1).with(keep)).await;
    scene.fill_mb(options.state_mb).await;
    let newcomer = SHOPS[3];
    let address = scene.cluster.node(newcomer).address();
    let witness = scene.load();
    witness.succeeds(500).await;
    let quiet = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let from = Instant::now();
    let booted = scene.admin.boot(newcomer.parse().expect("a name"), Some(address)).await;
    let to = Instant::now();
    booted.expect("it gets a vote");
    let status = status(&scene.observer(newcomer)).await;
    assert!(status.purged.0 > 0, "it got its state from the log, not from a snapshot: {status:?}");
    let seen = witness.finish().await;
    let failed = seen.failures();
    head()
        + &row("before", &seen.timeline, quiet, from, 0)
        + &row(&format!("a new node gets {} MB", options.state_mb), &seen.timeline, from, to, failed)
}

/// Leadership moves, again and again.
pub(crate) async fn transfers(options: &Options) -> String {
    let scene = Scene::start(Cluster::of(3)).await;
    scene.fill(&busy_keys()).await;
    let mut outages = Vec::new();
    for _ in 0..options.trials {
        let moved = async {
            let moved = scene.admin.transfer(None).await.expect("leadership moves");
            assert!(moved.changed, "{moved:?}");
        };
        outages.push(Outage::of(scene.load(), moved).await);
    }
    outage_table("the leader moves", &outages)
}

/// The leader is killed, again and again.
pub(crate) async fn kills(options: &Options) -> String {
    let mut scene = Scene::start(Cluster::of(3)).await;
    scene.fill(&busy_keys()).await;
    let mut outages = Vec::new();
    for _ in 0..options.trials {
        let leader = scene.leader().await;
        let witness = scene.load();
        outages.push(Outage::of(witness, scene.cluster.node(leader.as_str()).kill()).await);
        scene.cluster.node(leader.as_str()).start().await;
        scene.cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
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
