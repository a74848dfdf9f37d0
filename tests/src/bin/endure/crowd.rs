//! Far more clients than usual for a small cluster: how they are served, and whether the
//! cluster stays healthy.

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
    options::EndureOptions,
    rig::{Rig, VALUE_BYTES, keys, status},
};

/// Each client has one write in flight at any time.
const CLIENTS: usize = 10_000;

/// Programs that the clients belong to; each has its own connections.
const PROGRAMS: usize = 10;

/// Number of keys.
const KEYS: u64 = 20_000;

/// Values of this size exceed what a node admits at once
/// ([`coffee_common::limits::PROPOSAL_BYTES_IN_FLIGHT_MAX`]).
const LARGE_BYTES: usize = 16 << 10;

/// Maximum additional memory of a node: admitted writes, held twice on their way through
/// it, and buffers of its connections.
const GROWTH_BYTES_MAX: u64 = 512 << 20;

/// A leader without contact to a quorum for this long is close to losing it.
const SILENCE_MAX: Duration = Duration::from_millis(300);

/// Some clients are served at all times, however many are rejected.
const GAP_MAX: Duration = Duration::from_secs(1);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Returns whether the cluster stays healthy.
#[expect(clippy::print_stdout, reason = "prints each line as it is measured")]
pub(crate) async fn crowd(options: &EndureOptions) -> bool {
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

#[expect(clippy::print_stdout, reason = "prints each line as it is measured")]
async fn come(clients: usize, value_bytes: usize, duration: Duration) -> bool {
    let rig = Rig::start(Cluster::of(3)).await;
    let program = |_| (rig.cluster.client(Role::Writer), Consistency::Linearizable);
    let programs: Vec<_> = (0..PROGRAMS).map(program).collect();
    let leader = rig.observer(rig.leader().await.as_str());
    let term = status(&leader).await.term;
    let before = rig.most_memory();

    let keys = keys("crowd", KEYS, value_bytes);
    let plan = Plan { work: Work::Put, clients, keys, warm_up: Duration::ZERO, duration, rate: None };
    let mut run = Run::start(&plan, &programs);
    let mut load = pin!(run.finish());
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = CrowdFigures { memory: before, ..CrowdFigures::default() };
    let measured = loop {
        tokio::select! {
            measured = &mut load => break measured,
            _ = looks.tick() => seen.look(&rig, &leader).await,
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

/// Worst figures of all observations.
#[derive(Debug, Default)]
struct CrowdFigures {
    /// Time since the leader's last contact to a quorum.
    silent: Duration,
    /// Response time of that status request.
    answer: Duration,
    /// Memory of the largest node.
    memory: u64,
}

impl CrowdFigures {
    async fn look(&mut self, rig: &Rig, leader: &Client) {
        let asked = Instant::now();
        let silent = status(leader).await.quorum_heard_ms;
        self.answer = self.answer.max(asked.elapsed());
        self.silent = self.silent.max(Duration::from_millis(silent.unwrap_or_default()));
        self.memory = self.memory.max(rig.most_memory());
    }
}

/// Failures by kind, or none.
fn failures(measured: &Measured) -> String {
    let kinds = measured.errors.iter().map(|(kind, errors)| format!("{} {kind}", errors.count));
    let kinds = kinds.collect::<Vec<_>>().join(", ");
    if kinds.is_empty() { "0".to_owned() } else { kinds }
}
