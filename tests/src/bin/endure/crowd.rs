//! Far more clients than a small cluster has: what they get, and whether the
//! cluster minds.

use std::{pin::pin, time::Duration};

use coffee_client::{
    Client, Consistency,
    bench::{Measured, Plan, Run, Work},
};
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::Cluster,
    samples::{count, ms, verdict},
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    options::Options,
    scene::{Scene, VALUE_BYTES, keys, status},
};

/// Each has a write in flight at any time.
const CLIENTS: usize = 10_000;

/// Programs that they are part of: each has connections of its own.
const PROGRAMS: usize = 10;

/// Which keys they write.
const KEYS: u64 = 20_000;

/// So many of these are more than a node takes on at once
/// ([`coffee_common::limits::PROPOSAL_BYTES_IN_FLIGHT_MAX`]).
const LARGE_BYTES: usize = 16 << 10;

/// No node takes more memory than this on top, whoever comes: what it takes on
/// of writes, twice on their way through it, and what their connections hold.
const GROWTH_BYTES_MAX: u64 = 512 << 20;

/// A leader that has not heard a quorum for so long is close to losing it.
const SILENCE_MAX: Duration = Duration::from_millis(300);

/// Some are served all the time, however many are turned away.
const GAP_MAX: Duration = Duration::from_secs(1);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Returns whether the cluster bears it.
#[expect(clippy::print_stdout, reason = "each line as soon as it is there")]
pub(crate) async fn crowd(options: &Options) -> bool {
    println!(
        "| clients | value bytes | writes/s | p50 ms | p99 | worst | failed | longest gap ms | quorum silent ms | \
         status takes ms | memory of a node MB | at most | elections | |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let mut borne = true;
    for (clients, value_bytes) in [(64, VALUE_BYTES), (CLIENTS, VALUE_BYTES), (CLIENTS, LARGE_BYTES)] {
        borne &= come(clients, value_bytes, options.duration).await;
    }
    borne
}

#[expect(clippy::print_stdout, reason = "each line as soon as it is there")]
async fn come(clients: usize, value_bytes: usize, duration: Duration) -> bool {
    let scene = Scene::start(Cluster::of(3)).await;
    let program = |_| (scene.cluster.client(Role::Writer), Consistency::Linearizable);
    let programs: Vec<_> = (0..PROGRAMS).map(program).collect();
    let leader = scene.observer(scene.leader().await.as_str());
    let term = status(&leader).await.term;
    let before = scene.most_memory();

    let keys = keys("crowd", KEYS, value_bytes);
    let plan = Plan { work: Work::Put, clients, keys, warm_up: Duration::ZERO, duration, rate: None };
    let mut run = Run::start(&plan, &programs);
    let mut load = pin!(run.finish());
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen { memory: before, ..Seen::default() };
    let measured = loop {
        tokio::select! {
            measured = &mut load => break measured,
            _ = looks.tick() => seen.look(&scene, &leader).await,
        }
    };
    let elections = status(&leader).await.term - term;
    let passed = elections == 0
        && seen.silent <= SILENCE_MAX
        && seen.memory <= before + GROWTH_BYTES_MAX
        && measured.longest_gap <= GAP_MAX;
    let (times, mb) = (measured.all_times(), |bytes: u64| count(bytes) / 1e6);
    println!(
        "| {clients} | {value_bytes} | {:.0} | {:.1} | {:.1} | {:.1} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | \
         {elections} | {} |",
        measured.rate(),
        ms(times.percentile(50.0)),
        ms(times.percentile(99.0)),
        ms(times.worst()),
        failures(&measured),
        ms(measured.longest_gap),
        ms(seen.silent),
        ms(seen.answer),
        mb(before),
        mb(seen.memory),
        verdict(passed),
    );
    passed
}

/// The worst of all looks.
#[derive(Debug, Default)]
struct Seen {
    /// For how long the leader had not heard a quorum.
    silent: Duration,
    /// How long it took to say so.
    answer: Duration,
    /// What the largest node took.
    memory: u64,
}

impl Seen {
    async fn look(&mut self, scene: &Scene, leader: &Client) {
        let asked = Instant::now();
        let silent = status(leader).await.quorum_heard_ms;
        self.answer = self.answer.max(asked.elapsed());
        self.silent = self.silent.max(Duration::from_millis(silent.unwrap_or_default()));
        self.memory = self.memory.max(scene.most_memory());
    }
}

/// How many of which kind, or that there were none.
fn failures(measured: &Measured) -> String {
    let kinds = measured.errors.iter().map(|(kind, errors)| format!("{} {kind}", errors.count));
    let kinds = kinds.collect::<Vec<_>>().join(", ");
    if kinds.is_empty() { "0".to_owned() } else { kinds }
}
