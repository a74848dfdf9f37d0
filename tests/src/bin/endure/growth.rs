//! The cost of more nodes, more keys and larger values.

use std::time::Duration;

use coffee_client::bench::{Keys, Measured, Plan, Run, Work};
use coffee_tests::{
    cluster::Cluster,
    samples::{count, ms},
};

use crate::{
    options::EndureOptions,
    rig::{CLIENTS, Rig, VALUE_BYTES, keys},
};

const NODES: usize = 3;

/// Number of keys while another parameter grows.
const KEYS: u64 = 100_000;

/// Total bytes of values: larger values are fewer.
const VALUES_MAX: u64 = 512 << 20;

const WARM_UP: Duration = Duration::from_millis(500);

#[expect(clippy::print_stdout, reason = "prints each line as it is measured")]
pub(crate) async fn grow(options: &EndureOptions) {
    println!(
        "| nodes | keys | value bytes | put/s | p99 ms | worst | get/s | p99 ms | memory a node MB | disk a node MB | \
         written a put |\n|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for nodes in &options.nodes {
        let nodes = usize::try_from(*nodes).expect("a handful");
        println!("{}", line(options, nodes, KEYS, VALUE_BYTES).await);
    }
    for keys in &options.keys {
        println!("{}", line(options, NODES, *keys, VALUE_BYTES).await);
    }
    for bytes in &options.values {
        let keys = KEYS.min(VALUES_MAX / bytes).max(1);
        println!("{}", line(options, NODES, keys, usize::try_from(*bytes).expect("below 1 MiB")).await);
    }
}

async fn line(options: &EndureOptions, nodes: usize, key_count: u64, value_bytes: usize) -> String {
    let rig = Rig::start(Cluster::of(nodes)).await;
    let keys = keys("growth", key_count, value_bytes);
    rig.fill(&keys).await;
    let before = rig.usage();
    let put = turn(&rig, &keys, Work::Put, options.duration).await;
    let written = rig.usage().since(before).written;
    let get = turn(&rig, &keys, Work::Get, options.duration).await;
    let failed = put.failures() + get.failures();
    assert_eq!(failed, 0, "{:?} {:?}", put.errors, get.errors);
    let a_node = |bytes| count(bytes) / 1e6 / count(nodes as u64);
    let p99 = |measured: &Measured| ms(measured.all_times().percentile(99.0));
    format!(
        "| {nodes} | {key_count} | {value_bytes} | {:.0} | {:.2} | {:.1} | {:.0} | {:.2} | {:.0} | {:.0} | {:.0} |",
        put.rate(),
        p99(&put),
        ms(put.all_times().worst()),
        get.rate(),
        p99(&get),
        a_node(rig.usage().memory),
        a_node(rig.disk()),
        count(written) / count(put.successes().max(1)),
    )
}

async fn turn(rig: &Rig, keys: &Keys, work: Work, duration: Duration) -> Measured {
    let plan = Plan { work, clients: CLIENTS, keys: keys.clone(), warm_up: WARM_UP, duration, rate: None };
    Run::start(&plan, rig.writers()).finish().await
}
