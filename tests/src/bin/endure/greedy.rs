//! Small writes of one client beside another client that writes large values, one at a time.

use std::time::Duration;

use coffee_client::{
    Consistency,
    bench::{Measured, Plan, Run, Work},
};
use coffee_common::{limits::VALUE_BYTES_MAX, protocol::Role};
use coffee_tests::{
    cluster::Cluster,
    samples::{Samples, ms},
};

use crate::{
    options::EndureOptions,
    rig::{Rig, VALUE_BYTES, keys},
};

const NODES: usize = 5;

/// Values of the other client; 0 for none.
const LARGE: [usize; 4] = [0, VALUE_BYTES_MAX, 256 << 10, 64 << 10];

const LARGE_KEYS: u64 = 16;

const WARM_UP: Duration = Duration::from_millis(300);

/// Turns beside each size of values.
#[expect(clippy::print_stdout, reason = "a command prints its results")]
pub(crate) async fn greedy(options: &EndureOptions) {
    let rig = Rig::start(Cluster::of(NODES)).await;
    let other = [(rig.cluster.client(Role::Writer), Consistency::Linearizable)];
    let mut turns: [Vec<(Measured, f64)>; LARGE.len()] = Default::default();
    for _ in 0..options.turns {
        for (bytes, turns) in LARGE.iter().zip(&mut turns) {
            let plan = |prefix, count, bytes| Plan {
                work: Work::Put,
                clients: 1,
                keys: keys(prefix, count, bytes),
                warm_up: WARM_UP,
                duration: options.duration,
                rate: None,
            };
            let mut small = Run::start(&plan("small", 1000, VALUE_BYTES), rig.writers());
            let large = async {
                match bytes {
                    0 => 0.0,
                    bytes => Run::start(&plan("large", LARGE_KEYS, *bytes), &other).finish().await.rate(),
                }
            };
            turns.push(tokio::join!(small.finish(), large));
        }
    }
    println!(
        "| five nodes, one client puts 256 bytes; beside values of | large/s | MB/s | puts/s | p50 ms | p99 ms | worst |\n\
         |---|---|---|---|---|---|---|"
    );
    for (bytes, turns) in LARGE.iter().zip(&turns) {
        let median =
            |figure: &dyn Fn(&(Measured, f64)) -> f64| turns.iter().map(figure).collect::<Samples>().median();
        let large = median(&|(_, large)| *large);
        println!(
            "| {bytes} | {large:.0} | {:.1} | {:.0} | {:.2} | {:.2} | {:.1} |",
            large * f64::from(u32::try_from(*bytes).expect("a size of values")) / 1e6,
            median(&|(small, _)| small.rate()),
            median(&|(small, _)| ms(small.all_times().percentile(50.0))),
            median(&|(small, _)| ms(small.all_times().percentile(99.0))),
            turns.iter().map(|(small, _)| ms(small.all_times().worst())).collect::<Samples>().most(),
        );
    }
}
