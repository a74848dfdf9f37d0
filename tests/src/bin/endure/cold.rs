//! All nodes start at once, with a large state and a long log.

use std::time::Duration;

use coffee_client::bench::Target;
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    samples::ms,
};
use tokio::time::{Instant, timeout};

use crate::{
    options::EndureOptions,
    rig::{Rig, VALUE_BYTES, keys, status},
};

/// Longer than any start.
const PATIENCE: Duration = Duration::from_secs(600);

/// How the nodes ended before.
#[derive(Clone, Copy)]
enum LastStop {
    /// Stopped by an operator.
    Stopped,
    /// Like a power failure: the state is that of the last checkpoint, and the log is
    /// replayed.
    Killed,
}

pub(crate) async fn start(options: &EndureOptions) -> String {
    let entries = options.log_entries;
    let keep = format!("[storage]\nsnapshot_every_entries = {entries}\nlog_keep_entries = {entries}\n");
    let mut rig = Rig::start(Cluster::of(3).with(&keep)).await;
    rig.fill_mb(options.state_mb).await;
    // As many writes again, so that the log contains that many small entries.
    rig.fill(&keys("small", entries, VALUE_BYTES)).await;
    let mut text = format!(
        "| three nodes start with {} MB of values | entries in the log | to be applied again | listening ms | \
         first write ms |\n|---|---|---|---|---|\n",
        options.state_mb
    );
    for (what, ending) in [("after a stop", LastStop::Stopped), ("after kill -9", LastStop::Killed)] {
        rig.cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
        let status = status(&rig.observer(SHOPS[0])).await;
        let held = status.last_log.0 - status.purged.0;
        let again = match ending {
            LastStop::Stopped => 0,
            LastStop::Killed => status.applied.0 - status.snapshot.0,
        };
        let (listening, first_write) = restart(&mut rig, ending).await;
        text += &format!("| {what} | {held} | {again} | {:.0} | {:.0} |\n", ms(listening), ms(first_write));
    }
    text
}

/// Returns the time until all nodes listened, and until a write was acknowledged.
async fn restart(rig: &mut Rig, ending: LastStop) -> (Duration, Duration) {
    match ending {
        // Concurrently: the last two have no quorum to wait for.
        LastStop::Stopped => {
            for node in rig.cluster.watched() {
                node.signal("TERM").await;
            }
            for node in rig.cluster.nodes() {
                node.ended().await;
            }
        }
        LastStop::Killed => {
            for node in rig.cluster.nodes() {
                node.kill().await;
            }
        }
    }
    let begin = Instant::now();
    let from: Vec<usize> = rig.cluster.watched().iter().map(|node| node.log().len()).collect();
    for node in rig.cluster.nodes() {
        node.spawn(&[]);
    }
    for (node, from) in rig.cluster.watched().iter().zip(from) {
        assert!(node.log().says(from, "listening", PATIENCE).await, "{}", node.log().tail(20));
    }
    let listening = begin.elapsed();
    let writer = &rig.writers()[0];
    let written = async { while writer.put("cold/first".into(), "write".into()).await.is_err() {} };
    timeout(PATIENCE, written).await.expect("a write is acknowledged");
    (listening, begin.elapsed())
}
