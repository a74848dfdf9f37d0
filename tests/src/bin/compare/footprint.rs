//! Memory, disk usage, and bytes written, after many writes.

use std::time::Duration;

use coffee_client::bench::{Plan, Run, Work};
use coffee_tests::{samples::count, usage};
use tokio::time::interval;

use crate::{
    coffeed::Coffeed,
    contestant::{Both, Contestant, Loaded, MEMBERS, samples},
    etcd::EtcdCluster,
    line::{FigureGoal, ResultLine},
    load::turn,
    options::CompareOptions,
    targets,
};

/// Writes in flight.
const CLIENTS: usize = 256;

/// The sides alternate, each with this many slices of the writes.
const SLICES: u64 = 10;

/// Longer than any slice.
const LONGEST: Duration = Duration::from_secs(600);

/// Resources that the servers hold, in MB.
struct FootprintUsage {
    memory: f64,
    disk: f64,
}

pub(crate) async fn measure(options: &CompareOptions) -> Vec<ResultLine> {
    let coffeed = Loaded::<Coffeed>::start(options, options.coffeed_connections).await;
    let etcd = Loaded::<EtcdCluster>::start(options, options.etcd_connections).await;
    let mut ones = Vec::new();
    for round in 0..options.rounds {
        let plan = plan(options, 1, options.duration);
        ones.push(Both::in_turns(round, turn(&coffeed, &plan), turn(&etcd, &plan)).await);
    }
    for slice in 0..SLICES {
        let round = usize::try_from(slice).unwrap_or(0);
        let puts = options.puts / SLICES;
        let both = Both::in_turns(round, write(&coffeed, options, puts), write(&etcd, options, puts)).await;
        tell(slice, both);
    }
    let held = [Both { coffeed: held(&coffeed.cluster), etcd: held(&etcd.cluster) }];
    let after = format!("after {} puts over {} keys", options.puts, options.keys);
    vec![
        ResultLine::new(
            "bytes written per put, 1 client".into(),
            "B",
            samples(&ones, |turn| turn.written),
            targets::WRITTEN,
        ),
        ResultLine::new("rate, 1 client".into(), "/s", samples(&ones, |turn| turn.rate), FigureGoal::None),
        ResultLine::new(
            format!("memory of three servers {after}"),
            "MB",
            samples(&held, |held| held.memory),
            targets::MEMORY,
        ),
        ResultLine::new(
            format!("disk per node {after}"),
            "MB",
            samples(&held, |held| held.disk),
            targets::DISK,
        ),
    ]
}

fn plan(options: &CompareOptions, clients: usize, duration: Duration) -> Plan {
    Plan { work: Work::Put, clients, keys: options.keys(), warm_up: Duration::ZERO, duration, rate: None }
}

/// Writes at least `puts` times: the count is polled, so it may be slightly more.
async fn write<C: Contestant>(loaded: &Loaded<C>, options: &CompareOptions, puts: u64) -> u64 {
    let mut run = Run::start(&plan(options, CLIENTS, LONGEST), &loaded.targets);
    let mut looks = interval(Duration::from_millis(10));
    while run.progress().successes < puts {
        tokio::select! {
            _ = looks.tick() => {}
            _ = run.finish() => break,
        }
    }
    run.progress().successes
}

fn held(cluster: &impl Contestant) -> FootprintUsage {
    let mb = |bytes| count(bytes) / 1e6;
    let nodes = count(MEMBERS as u64);
    FootprintUsage { memory: mb(cluster.usage().memory), disk: mb(usage::disk(&cluster.data())) / nodes }
}

#[expect(clippy::print_stderr, reason = "a command that takes minutes prints its progress")]
fn tell(slice: u64, both: Both<u64>) {
    eprintln!("{} of {SLICES}: {} puts of coffeed, {} of etcd", slice + 1, both.coffeed, both.etcd);
}
