//! The cost of watches: for writes, in memory, and until watchers are told.

mod delay;
mod stall;
mod watchers;

use std::time::Duration;

use coffee_client::bench::{Keys, Measured, Plan, Run, Work};
use coffee_tests::{
    cluster::{Cluster, ClusterPlan, NodeProcess},
    samples::{Samples, count, ms, verdict},
    usage,
};
use tokio::time::{Instant, interval};

use self::watchers::{Watchers, WatchersPlan};
pub(crate) use self::{delay::delay, stall::stall};
use crate::{
    options::EndureOptions,
    rig::{CLIENTS, Rig, VALUE_BYTES, keys},
};

const NODES: usize = 3;

/// Part of the rate of writes that has to be left with watches.
const RATE_MIN: f64 = 0.9;

/// Time until all watches of a key are told.
const TOLD_MAX: Duration = Duration::from_secs(1);

const WARM_UP: Duration = Duration::from_millis(300);

/// Polling interval for the nodes' counts of watches.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A cluster whose nodes count their watches.
fn plan() -> ClusterPlan {
    Cluster::of(NODES).with("[admin]\nlisten = \"127.0.0.1:0\"\n")
}

/// Waits until nearly all of `watches` wait at the nodes: each comes back every few seconds.
async fn until_they_wait(rig: &Rig, watches: u64) {
    let mut looks = interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        let mut waiting = 0.0;
        for node in rig.cluster.watched() {
            waiting += node.metric("coffeed_watches", &[]).await;
        }
        if waiting >= 0.99 * count(watches) {
            return;
        }
    }
}

fn leader_of<'a>(rig: &'a Rig, name: &str) -> &'a NodeProcess {
    rig.cluster.watched().iter().find(|node| node.name() == name).expect("a node of the cluster")
}

/// Returns whether watches cost writes little, and are told soon.
#[expect(clippy::print_stdout, reason = "prints each line as it is measured")]
pub(crate) async fn watches(options: &EndureOptions) -> bool {
    println!("{}", memory(options).await);
    let told = told(options).await;
    told & cost(options).await
}

/// Memory of a node per watch, each on a key of its own.
async fn memory(options: &EndureOptions) -> String {
    let rig = Rig::start(plan()).await;
    let watched = keys("watched", options.watches, VALUE_BYTES);
    let leader = rig.leader().await;
    let node = leader_of(&rig, leader.as_str());
    let start = |watches| {
        let nodes = vec![node.address()];
        Watchers::start(WatchersPlan { watches, ..WatchersPlan::of(&rig, nodes, watched.clone()) })
    };
    let few = start(1).await;
    until_they_wait(&rig, 1).await;
    let before = usage::memory(node.pid());
    let many = start(options.watches).await;
    until_they_wait(&rig, options.watches).await;
    let after = usage::memory(node.pid());
    many.end();
    few.end();
    format!(
        "{} watches at a node: {:.1} MB more memory, {:.0} bytes per watch with connections\n",
        options.watches,
        (count(after) - count(before)) / 1e6,
        (count(after) - count(before)) / count(options.watches),
    )
}

/// Many watches of one key: the time from the call of a put until all are told.
#[expect(clippy::print_stdout, reason = "prints each line as it is measured")]
async fn told(options: &EndureOptions) -> bool {
    println!(
        "| watches of one key, at | rounds | all told after ms: median | worst | at most | |\n|---|---|---|---|---|---|"
    );
    let rig = Rig::start(plan()).await;
    let all = rig.cluster.addresses();
    let leader = rig.leader().await;
    let mut passed = true;
    for (place, nodes) in
        [("three nodes", all), ("the leader", vec![leader_of(&rig, leader.as_str()).address()])]
    {
        let key = keys("one", 1, VALUE_BYTES);
        let plan = WatchersPlan { watches: options.watches, ..WatchersPlan::of(&rig, nodes, key.clone()) };
        let watchers = Watchers::start(plan).await;
        let mut rounds = Vec::new();
        for _ in 0..options.trials {
            until_they_wait(&rig, options.watches).await;
            let (before, begun) = (watchers.events(), Instant::now());
            rig.writers()[0].0.set(key.key(0), "ready").await.expect("is set");
            watchers.until(before + options.watches).await;
            rounds.push(begun.elapsed());
        }
        watchers.end();
        let rounds: Samples = rounds.into_iter().collect();
        let in_time = rounds.most() <= ms(TOLD_MAX);
        passed &= in_time;
        println!(
            "| {place} | {} | {:.0} | {:.0} | {:.0} | {} |",
            options.trials,
            rounds.median(),
            rounds.most(),
            ms(TOLD_MAX),
            verdict(in_time)
        );
    }
    println!();
    passed
}

/// Writes with and without watches, in turns.
#[expect(clippy::print_stdout, reason = "prints each line as it is measured")]
async fn cost(options: &EndureOptions) -> bool {
    println!(
        "| 64 clients put, for {:?} in turns | put/s | of those without | p99 ms | events/s | CPU of the nodes us per put | |\n|---|---|---|---|---|---|---|",
        options.duration
    );
    let rig = Rig::start(plan()).await;
    let (watched, others) =
        (keys("watched", options.watches, VALUE_BYTES), keys("others", options.watches, VALUE_BYTES));
    rig.fill(&watched).await;
    rig.fill(&others).await;
    let mut turns: [Vec<CostTurn>; 3] = Default::default();
    for _ in 0..options.turns {
        turns[0].push(CostTurn::run(&rig, &others, None, options).await);
        let plan = WatchersPlan::of(&rig, rig.cluster.addresses(), watched.clone());
        let watchers = Watchers::start(plan).await;
        until_they_wait(&rig, options.watches).await;
        turns[1].push(CostTurn::run(&rig, &others, Some(&watchers), options).await);
        turns[2].push(CostTurn::run(&rig, &watched, Some(&watchers), options).await);
        watchers.end();
        until_none_waits(&rig).await;
    }
    let rate =
        |turns: &[CostTurn]| turns.iter().map(|turn| turn.measured.rate()).collect::<Samples>().median();
    let without = rate(&turns[0]);
    let names = [
        "without watches".to_owned(),
        format!("{} watches, of other keys", options.watches),
        format!("{} watches, of the same keys", options.watches),
    ];
    let mut passed = true;
    for (name, turns) in names.into_iter().zip(&turns) {
        let part = rate(turns) / without;
        passed &= part >= RATE_MIN;
        let median = |figure: fn(&CostTurn) -> f64| turns.iter().map(figure).collect::<Samples>().median();
        println!(
            "| {name} | {:.0} | {part:.2} | {:.1} | {:.0} | {:.1} | {} |",
            rate(turns),
            median(|turn| ms(turn.measured.all_times().percentile(99.0))),
            median(|turn| turn.events),
            median(|turn| turn.cpu_us),
            verdict(part >= RATE_MIN)
        );
    }
    println!();
    passed
}

async fn until_none_waits(rig: &Rig) {
    let mut looks = interval(LOOK_EVERY);
    let mut waiting = 1.0;
    while waiting > 0.0 {
        looks.tick().await;
        waiting = 0.0;
        for node in rig.cluster.watched() {
            waiting += node.metric("coffeed_watches", &[]).await;
        }
    }
}

/// A turn of writes.
struct CostTurn {
    measured: Measured,
    /// Events per second at the watchers.
    events: f64,
    /// CPU of all nodes, in microseconds per put.
    cpu_us: f64,
}

impl CostTurn {
    async fn run(rig: &Rig, keys: &Keys, watchers: Option<&Watchers>, options: &EndureOptions) -> Self {
        let plan = Plan {
            work: Work::Put,
            clients: CLIENTS,
            keys: keys.clone(),
            warm_up: WARM_UP,
            duration: options.duration,
            rate: None,
        };
        let events = || watchers.map_or(0, Watchers::events);
        let (begun, before, usage) = (Instant::now(), events(), rig.usage());
        let mut run = Run::start(&plan, rig.writers());
        let measured = run.finish().await;
        assert_eq!(measured.failures(), 0, "{:?}", measured.errors);
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = rig.usage().since(usage).cpu_seconds;
        // The warm-up counts for the CPU and the events.
        let puts = measured.rate() * seconds;
        Self { measured, events: count(events() - before) / seconds, cpu_us: cpu * 1e6 / puts }
    }
}
