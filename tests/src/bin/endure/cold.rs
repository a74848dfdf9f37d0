//! All nodes start at once, with a large state and a long log.

use std::time::Duration;

use coffee_client::bench::Target;
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    samples::ms,
};
use tokio::time::{Instant, timeout};

use crate::{
    options::Options,
    scene::{Scene, VALUE_BYTES, keys, status},
};

/// No start takes longer.
const PATIENCE: Duration = Duration::from_secs(600);

/// How they ended before.
#[derive(Clone, Copy)]
enum Ending {
    /// As an operator does it.
    Stopped,
    /// As when power fails: the state is that of its last checkpoint, and the log is applied again.
    Killed,
}

pub(crate) async fn start(options: &Options) -> String {
    let entries = options.log_entries;
    let keep = format!("[storage]\nsnapshot_every_entries = {entries}\nlog_keep_entries = {entries}\n");
    let mut scene = Scene::start(Cluster::of(3).with(&keep)).await;
    scene.fill_mb(options.state_mb).await;
    // As many entries again, so that the log holds that many small ones.
    scene.fill(&keys("small", entries, VALUE_BYTES)).await;
    let mut text = format!(
        "| three nodes start with {} MB of values | entries in the log | to be applied again | listening ms | \
         first write ms |\n|---|---|---|---|---|\n",
        options.state_mb
    );
    for (what, ending) in [("after a stop", Ending::Stopped), ("after kill -9", Ending::Killed)] {
        scene.cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
        let status = status(&scene.observer(SHOPS[0])).await;
        let held = status.last_log.0 - status.purged.0;
        let again = match ending {
            Ending::Stopped => 0,
            Ending::Killed => status.applied.0 - status.snapshot.0,
        };
        let (listening, first_write) = restart(&mut scene, ending).await;
        text += &format!("| {what} | {held} | {again} | {:.0} | {:.0} |\n", ms(listening), ms(first_write));
    }
    text
}

/// Returns how long it took until all listened, and until a write was acknowledged.
async fn restart(scene: &mut Scene, ending: Ending) -> (Duration, Duration) {
    match ending {
        // All at once: the last two have no quorum to wait for.
        Ending::Stopped => {
            for node in scene.cluster.watched() {
                node.signal("TERM").await;
            }
            for node in scene.cluster.nodes() {
                node.ended().await;
            }
        }
        Ending::Killed => {
            for node in scene.cluster.nodes() {
                node.kill().await;
            }
        }
    }
    let begin = Instant::now();
    let from: Vec<usize> = scene.cluster.watched().iter().map(|node| node.log().len()).collect();
    for node in scene.cluster.nodes() {
        node.spawn(&[]);
    }
    for (node, from) in scene.cluster.watched().iter().zip(from) {
        assert!(node.log().says(from, "listening", PATIENCE).await, "{}", node.log().tail(20));
    }
    let listening = begin.elapsed();
    let writer = &scene.writers()[0];
    let written = async { while writer.put("cold/first".into(), "write".into()).await.is_err() {} };
    timeout(PATIENCE, written).await.expect("a write is acknowledged");
    (listening, begin.elapsed())
}
