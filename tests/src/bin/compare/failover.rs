//! The leader is killed or moved while clients write.

use coffee_client::bench::Keys;
use coffee_tests::{
    outage::Outage,
    recorder::WriteRecorder,
    samples::{count, ms},
};

use crate::{
    coffeed::Coffeed,
    contestant::{Both, Contestant, Loaded, samples},
    etcd::EtcdCluster,
    line::{FigureGoal, ResultLine},
    options::{CompareOptions, ComparePart},
    restart::until_read,
    targets,
};

/// Clients, with one write in flight each.
const CLIENTS: usize = 64;

pub(crate) async fn measure(options: &CompareOptions, part: ComparePart) -> Vec<ResultLine> {
    let mut coffeed = Loaded::<Coffeed>::start(options, options.coffeed_connections).await;
    let mut etcd = Loaded::<EtcdCluster>::start(options, options.etcd_connections).await;
    let keys = options.keys();
    let mut trials = Vec::new();
    for round in 0..options.trials {
        let (ours, theirs) = (&mut coffeed.cluster, &mut etcd.cluster);
        let both = match part {
            ComparePart::Move => Both::in_turns(round, moved(ours, &keys), moved(theirs, &keys)).await,
            _ => Both::in_turns(round, killed(ours, &keys), killed(theirs, &keys)).await,
        };
        tell(round, &both);
        trials.push(both);
    }
    let line = |what: &str, unit, samples, goal| ResultLine::new(what.to_owned(), unit, samples, goal);
    let first = samples(&trials, |outage| ms(outage.first_write));
    let gap = samples(&trials, |outage| ms(outage.longest_gap));
    let calm = samples(&trials, |outage| ms(outage.calm_gap));
    let failed = samples(&trials, |outage| count(outage.failed));
    match part {
        ComparePart::Move => vec![
            line("planned move: longest gap", "ms", gap, targets::MOVE),
            line("planned move: longest gap in the 2 s before", "ms", calm, FigureGoal::None),
            line("planned move: failed writes", "writes", failed, targets::NONE_FAILED),
        ],
        _ => vec![
            line("kill -9: first write after", "ms", first, targets::failover(options.timers)),
            line("kill -9: longest gap", "ms", gap, FigureGoal::None),
            line("kill -9: longest gap in the 2 s before", "ms", calm, FigureGoal::None),
            line("kill -9: failed writes", "writes", failed, FigureGoal::None),
        ],
    }
}

async fn killed<C: Contestant>(cluster: &mut C, keys: &Keys) -> Outage {
    let leader = cluster.leader().await;
    let recorder = WriteRecorder::start(&cluster.anywhere(), keys, CLIENTS);
    let outage = Outage::of(recorder, cluster.kill(leader)).await;
    cluster.spawn(leader).await;
    until_read(cluster, leader, keys).await;
    outage
}

async fn moved<C: Contestant>(cluster: &mut C, keys: &Keys) -> Outage {
    let recorder = WriteRecorder::start(&cluster.anywhere(), keys, CLIENTS);
    Outage::of(recorder, cluster.transfer()).await
}

#[expect(clippy::print_stderr, reason = "a command that takes minutes prints its progress")]
fn tell(round: usize, both: &Both<Outage>) {
    for (side, outage) in [("coffeed", &both.coffeed), ("etcd", &both.etcd)] {
        eprintln!(
            "trial {}: {side}: first write after {:.1} ms, longest gap {:.1} ms (before: {:.1}), {} failed",
            round + 1,
            ms(outage.first_write),
            ms(outage.longest_gap),
            ms(outage.calm_gap),
            outage.failed
        );
    }
}
