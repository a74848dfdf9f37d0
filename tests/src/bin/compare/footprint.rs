//! Memory, disk, and bytes written, after many writes.

use std::time::Duration;

use coffee_client::bench::{Plan, Run, Work};
use coffee_tests::{samples::count, usage};
use tokio::time::interval;

use crate::{
    coffeed::Coffeed,
    contestant::{Both, Contestant, Loaded, MEMBERS, samples},
    etcd::EtcdCluster,
    line::{Goal, Line},
    load::turn,
    options::Options,
    targets,
};

/// Writes in flight.
const CLIENTS: usize = 256;

/// Both sides take turns, each with so many parts of the writes.
const SLICES: u64 = 10;

/// No slice takes longer.
const LONGEST: Duration = Duration::from_secs(600);

/// What the servers hold of the machine, in MB.
struct Held {
    memory: f64,
    disk: f64,
}

pub(crate) async fn measure(options: &Options) -> Vec<Line> {
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
        Line::new(
            "bytes written a put, 1 client".into(),
            "B",
            samples(&ones, |turn| turn.written),
            targets::WRITTEN,
        ),
        Line::new("rate, 1 client".into(), "/s", samples(&ones, |turn| turn.rate), Goal::None),
        Line::new(
            format!("memory of three servers {after}"),
            "MB",
            samples(&held, |held| held.memory),
            targets::MEMORY,
        ),
        Line::new(format!("disk a node {after}"), "MB", samples(&held, |held| held.disk), targets::DISK),
    ]
}

fn plan(options: &Options, clients: usize, duration: Duration) -> Plan {
    Plan { work: Work::Put, clients, keys: options.keys(), warm_up: Duration::ZERO, duration, rate: None }
}

/// Writes so often, or a little more often: the count is looked at now and then.
async fn write<C: Contestant>(loaded: &Loaded<C>, options: &Options, puts: u64) -> u64 {
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

fn held(cluster: &impl Contestant) -> Held {
    let mb = |bytes| count(bytes) / 1e6;
    let nodes = count(MEMBERS as u64);
    Held { memory: mb(cluster.usage().memory), disk: mb(usage::disk(&cluster.data())) / nodes }
}

#[expect(clippy::print_stderr, reason = "a command that takes minutes says how far it is")]
fn tell(slice: u64, both: Both<u64>) {
    eprintln!("{} of {SLICES}: {} puts of coffeed, {} of etcd", slice + 1, both.coffeed, both.etcd);
}
