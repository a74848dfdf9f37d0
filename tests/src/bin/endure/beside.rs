//! This build beside others: a cluster of each, loaded in turns.
//!
//! The others are paths of `coffeed`. All clusters run at once and only one is loaded, so that all have the
//! same machine at the same time; only ratios of the same run count.

use std::{path::PathBuf, time::Duration};

use coffee_client::bench::{Keys, Plan, Run, Work};
use coffee_common::{
    command::{Batch, Operation},
    key::Value,
    limits::BATCH_OPERATIONS_MAX,
};
use coffee_tests::{
    cluster::Cluster,
    samples::{Samples, count, ms},
};
use futures_util::{StreamExt, stream};

use crate::{
    options::EndureOptions,
    rig::{Rig, VALUE_BYTES, keys},
};

const NODES: usize = 3;

/// A separate run before each turn, which does not count.
const WARM_UP: Duration = Duration::from_millis(300);

/// Batches in flight while keys are written first.
const BATCHES: usize = 16;

/// A build and its cluster.
struct BuildRig {
    name: String,
    rig: Rig,
}

/// A turn of a build with some load.
struct BuildTurn {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// CPU of the nodes, in microseconds per operation.
    cpu_us: f64,
    /// Bytes that the disk wrote, per operation.
    written: f64,
}

/// Starts clusters of this build, and of the others.
async fn start(options: &EndureOptions) -> Vec<BuildRig> {
    let mut rigs = Vec::new();
    for build in builds(options) {
        let name = build.as_ref().map_or("this build".to_owned(), |path| path.display().to_string());
        rigs.push(BuildRig { name, rig: Rig::start(Cluster::of(NODES).built_as(build)).await });
    }
    rigs
}

/// Puts and gets of several numbers of clients, at each number of keys.
#[expect(clippy::print_stdout, reason = "prints each line as it is measured")]
pub(crate) async fn beside(options: &EndureOptions) {
    for key_count in &options.keys {
        let rigs = start(options).await;
        let keys = keys("beside", *key_count, VALUE_BYTES);
        for build in &rigs {
            fill(&build.rig, &keys).await;
        }
        let mut turns: Vec<Vec<Vec<BuildTurn>>> = Vec::new();
        turns.resize_with(options.loads.len(), || rigs.iter().map(|_| Vec::new()).collect());
        for round in 0..options.turns {
            for (load, turns) in options.loads.iter().zip(&mut turns) {
                let mut order: Vec<usize> = (0..rigs.len()).collect();
                order.rotate_left(usize::try_from(round).expect("few rounds") % rigs.len());
                for build in order {
                    turns[build].push(turn(&rigs[build].rig, &keys, *load, options.duration).await);
                }
            }
        }
        println!("{}", table(&rigs, &options.loads, &turns, *key_count));
    }
}

fn table(
    rigs: &[BuildRig],
    loads: &[(Work, usize)],
    turns: &[Vec<Vec<BuildTurn>>],
    key_count: u64,
) -> String {
    let mut text = format!(
        "| {key_count} keys | build | /s | x | p50 ms | p99 ms | x | CPU us per operation | x | written per operation | x |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for ((work, clients), turns) in loads.iter().zip(turns) {
        for (build, own) in rigs.iter().zip(turns) {
            let median = |figure: fn(&BuildTurn) -> f64| own.iter().map(figure).collect::<Samples>().median();
            // Of turns that followed each other.
            let ratio = |figure: fn(&BuildTurn) -> f64| {
                let pairs =
                    own.iter().zip(&turns[0]).map(|(own, first)| figure(own) / figure(first).max(1e-9));
                pairs.collect::<Samples>().median()
            };
            text += &format!(
                "| {work:?} {clients} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.2} | {:.0} | {:.2} |\n",
                build.name,
                median(|turn| turn.rate),
                ratio(|turn| turn.rate),
                median(|turn| turn.p50_ms),
                median(|turn| turn.p99_ms),
                ratio(|turn| turn.p99_ms),
                median(|turn| turn.cpu_us),
                ratio(|turn| turn.cpu_us),
                own.iter().map(|turn| turn.written).sum::<f64>() / count(own.len() as u64),
                ratio(|turn| turn.written),
            );
        }
    }
    for build in rigs {
        let a_node = |bytes| count(bytes) / 1e6 / count(NODES as u64);
        text += &format!(
            "{}: {:.0} MB of memory per node, {:.0} MB of disk\n",
            build.name,
            a_node(build.rig.usage().memory),
            a_node(build.rig.disk())
        );
    }
    text
}

/// Writes every key once, in batches.
pub(crate) async fn fill(rig: &Rig, keys: &Keys) {
    let client = &rig.writers()[0].0;
    let batch = |first: u64| {
        let numbers = first..keys.count().min(first + BATCH_OPERATIONS_MAX as u64);
        let set = |number| {
            let value = Value::new(vec![b'v'; VALUE_BYTES]).expect("a legal value");
            Operation::Set(keys.key(number).parse().expect("a legal key"), value)
        };
        Batch { conditions: Vec::new(), operations: numbers.map(set).collect() }
    };
    let batches = (0..keys.count()).step_by(BATCH_OPERATIONS_MAX).map(|first| client.batch(batch(first)));
    let mut done = stream::iter(batches).buffer_unordered(BATCHES);
    while let Some(written) = done.next().await {
        written.expect("the cluster takes writes");
    }
}

async fn turn(rig: &Rig, keys: &Keys, (work, clients): (Work, usize), duration: Duration) -> BuildTurn {
    let plan =
        |duration| Plan { work, clients, keys: keys.clone(), warm_up: Duration::ZERO, duration, rate: None };
    Run::start(&plan(WARM_UP), rig.writers()).finish().await;
    settle().await;
    let usage = rig.usage();
    let measured = Run::start(&plan(duration), rig.writers()).finish().await;
    assert_eq!(measured.failures(), 0, "{:?}", measured.errors);
    let used = rig.usage().since(usage);
    let (times, operations) = (measured.all_times(), count(measured.successes().max(1)));
    BuildTurn {
        rate: measured.rate(),
        p50_ms: ms(times.percentile(50.0)),
        p99_ms: ms(times.percentile(99.0)),
        cpu_us: used.cpu_seconds * 1e6 / operations,
        written: count(used.written) / operations,
    }
}

/// Has the disk write what waits: the next turn would be charged for it.
async fn settle() {
    let synced = tokio::process::Command::new("sync").status().await;
    assert!(synced.is_ok_and(|status| status.success()), "sync(1) runs");
}

/// The builds whose clusters are started one after another: this one last.
pub(crate) fn builds(options: &EndureOptions) -> Vec<Option<PathBuf>> {
    options.others.iter().cloned().map(Some).chain([None]).collect()
}
