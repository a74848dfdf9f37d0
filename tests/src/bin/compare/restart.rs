//! How long a node takes from its start until it is of use.

use std::time::Duration;

use bytes::Bytes;
use coffee_client::bench::{Keys, Target};
use coffee_tests::samples::ms;
use tokio::time::Instant;

use crate::{
    coffeed::Coffeed,
    contestant::{Both, Contestant, Loaded, Timers, samples, until_done},
    etcd::EtcdCluster,
    line::Line,
    options::Options,
    targets,
};

pub(crate) async fn measure(options: &Options) -> Vec<Line> {
    let mut first_writes = Vec::new();
    for round in 0..options.trials {
        first_writes.push(Both::in_turns(round, fresh::<Coffeed>(), fresh::<EtcdCluster>()).await);
    }
    let mut coffeed = Loaded::<Coffeed>::start(options, options.coffeed_connections).await;
    let mut etcd = Loaded::<EtcdCluster>::start(options, options.etcd_connections).await;
    let keys = options.keys();
    let (mut stopped, mut killed) = (Vec::new(), Vec::new());
    for round in 0..options.trials {
        for (ending, times) in [(Ending::Stop, &mut stopped), (Ending::Kill, &mut killed)] {
            let (ours, theirs) = (&mut coffeed.cluster, &mut etcd.cluster);
            times.push(Both::in_turns(round, again(ours, &keys, ending), again(theirs, &keys, ending)).await);
        }
    }
    let line = |what: String, times: &[Both<Duration>], goal| {
        Line::new(what, "ms", samples(times, |time| ms(*time)), goal)
    };
    let with = format!("with {} keys to its first linearizable read", options.keys);
    vec![
        line("new node to its first write".into(), &first_writes, targets::FRESH),
        line(format!("follower stopped, restarted {with}"), &stopped, targets::RESTART),
        line(format!("follower killed, restarted {with}"), &killed, targets::RESTART),
    ]
}

/// A new node that is a cluster by itself, until it has acknowledged a write.
async fn fresh<C: Contestant>() -> Duration {
    let mut node = C::prepare(1, Timers::Default);
    let begin = Instant::now();
    node.spawn(0).await;
    until_done("a first write", async || {
        node.at(0).await?.put("compare/first".into(), Bytes::from_static(b"write")).await
    })
    .await;
    begin.elapsed()
}

#[derive(Clone, Copy)]
enum Ending {
    Stop,
    Kill,
}

/// A follower that ends and starts again, until it has answered a read that
/// tells of every write acknowledged before.
async fn again<C: Contestant>(cluster: &mut C, keys: &Keys, ending: Ending) -> Duration {
    let follower = (cluster.leader().await + 1) % cluster.data().len();
    match ending {
        Ending::Stop => cluster.stop(follower).await,
        Ending::Kill => cluster.kill(follower).await,
    }
    let begin = Instant::now();
    cluster.spawn(follower).await;
    until_read(cluster, follower, keys).await;
    begin.elapsed()
}

/// Waits until a node that was started has caught up.
pub(crate) async fn until_read<C: Contestant>(cluster: &C, node: usize, keys: &Keys) {
    until_done("a first read", async || cluster.at(node).await?.get(keys.key(0)).await).await;
}
