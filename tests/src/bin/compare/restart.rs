//! Time from a node's start until it is useful.

use std::time::Duration;

use bytes::Bytes;
use coffee_client::bench::{Keys, Target};
use coffee_tests::samples::ms;
use tokio::time::Instant;

use crate::{
    coffeed::Coffeed,
    contestant::{Both, Contestant, Loaded, TimerSetting, samples, until_done},
    etcd::EtcdCluster,
    line::ResultLine,
    options::CompareOptions,
    targets,
};

pub(crate) async fn measure(options: &CompareOptions) -> Vec<ResultLine> {
    let mut first_writes = Vec::new();
    for round in 0..options.trials {
        first_writes.push(Both::in_turns(round, fresh::<Coffeed>(), fresh::<EtcdCluster>()).await);
    }
    let mut coffeed = Loaded::<Coffeed>::start(options, options.coffeed_connections).await;
    let mut etcd = Loaded::<EtcdCluster>::start(options, options.etcd_connections).await;
    let keys = options.keys();
    let (mut stopped, mut killed) = (Vec::new(), Vec::new());
    for round in 0..options.trials {
        for (ending, times) in [(StopKind::Stop, &mut stopped), (StopKind::Kill, &mut killed)] {
            let (ours, theirs) = (&mut coffeed.cluster, &mut etcd.cluster);
            times.push(Both::in_turns(round, again(ours, &keys, ending), again(theirs, &keys, ending)).await);
        }
    }
    let line = |what: String, times: &[Both<Duration>], goal| {
        ResultLine::new(what, "ms", samples(times, |time| ms(*time)), goal)
    };
    let with = format!("with {} keys to its first linearizable read", options.keys);
    vec![
        line("new node to its first write".into(), &first_writes, targets::FRESH),
        line(format!("follower stopped, restarted {with}"), &stopped, targets::RESTART),
        line(format!("follower killed, restarted {with}"), &killed, targets::RESTART),
    ]
}

/// Starts a new single-node cluster, and waits until it has acknowledged a write.
async fn fresh<C: Contestant>() -> Duration {
    let mut node = C::prepare(1, TimerSetting::Default);
    let begin = Instant::now();
    node.spawn(0).await;
    until_done("a first write", async || {
        node.at(0).await?.put("compare/first".into(), Bytes::from_static(b"write")).await
    })
    .await;
    begin.elapsed()
}

#[derive(Clone, Copy)]
enum StopKind {
    Stop,
    Kill,
}

/// Ends and restarts a follower, and waits until it has answered a read that reflects
/// every write acknowledged before.
async fn again<C: Contestant>(cluster: &mut C, keys: &Keys, ending: StopKind) -> Duration {
    let follower = (cluster.leader().await + 1) % cluster.data().len();
    match ending {
        StopKind::Stop => cluster.stop(follower).await,
        StopKind::Kill => cluster.kill(follower).await,
    }
    let begin = Instant::now();
    cluster.spawn(follower).await;
    until_read(cluster, follower, keys).await;
    begin.elapsed()
}

/// Waits until a started node has caught up.
pub(crate) async fn until_read<C: Contestant>(cluster: &C, node: usize, keys: &Keys) {
    until_done("a first read", async || cluster.at(node).await?.get(keys.key(0)).await).await;
}
