//! A cluster of three daemons that is attacked while a good client works, and
//! what has to hold meanwhile.

use std::{collections::BTreeMap, time::Duration};

use coffee_client::{Address, Client, KeyRange, PageOptions};
use coffee_common::protocol::{RaftStatus, Role};
use coffee_tests::{
    cluster::{Cluster, Node},
    usage,
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    bystander::{Bystander, PREFIX, Work},
    tally::Tally,
};

/// How long the good client is watched before the attack.
const QUIET: Duration = Duration::from_millis(500);

/// What is quicker than this is quick, and its multiple too: a machine that
/// does other things as well takes as long for a turn at the processor.
const QUICK: Duration = Duration::from_millis(if cfg!(debug_assertions) { 20 } else { 5 });

/// Under attack, 99 of 100 requests take at most so many times as long as before.
const TIMES_MAX: u32 = 5;

/// No daemon grows by more than this.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// No daemon says more lines than this each time that an attack doubles.
const LINES_MAX: u32 = 16;

/// A cluster that is going to be attacked.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    /// Each node's own word: name, address, and a client that asks it alone.
    nodes: Vec<(String, Address, Client)>,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let cluster = Cluster::of(3).start().await;
        let admin = cluster.client(Role::Admin);
        let nodes = cluster.watched().iter().map(|node| {
            let address = node.address();
            (node.name().to_owned(), address.clone(), admin.at(address).expect("a client"))
        });
        let nodes = nodes.collect();
        let scene = Self { cluster, nodes };
        // The last of the nodes' own entries are everywhere before anything is counted.
        scene.cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
        scene
    }

    /// What a node says of its part in the cluster.
    pub(crate) async fn raft(&self, node: &str) -> RaftStatus {
        let (_, _, client) = self.nodes.iter().find(|(name, ..)| name == node).expect("a node");
        client.status().await.expect("it answers").raft.expect("it takes part")
    }

    /// Where a node listens.
    pub(crate) fn address(&self, node: &str) -> Address {
        let (_, address, _) = self.nodes.iter().find(|(name, ..)| name == node).expect("a node");
        address.clone()
    }

    /// The leader's name, and what it says.
    pub(crate) async fn leader(&self) -> (String, RaftStatus) {
        let name = self.cluster.leader().await;
        let raft = self.raft(&name).await;
        (name, raft)
    }

    /// Where the nodes are, the leader first.
    pub(crate) async fn victims(&self) -> Vec<Address> {
        let (leader, _) = self.leader().await;
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.sort_by_key(|(name, ..)| *name != leader);
        nodes.into_iter().map(|(_, address, _)| address.clone()).collect()
    }

    /// Attacks while a good client works, and holds what happened against what
    /// may happen. Prints a line of the table.
    pub(crate) async fn under(&self, attack: &str, work: impl Future<Output = Tally>) -> Tally {
        let quiet = self.bystander(tokio::time::sleep(QUIET)).await.0;
        let (leader, before) = self.leader().await;
        let lines: Vec<usize> = self.cluster.watched().iter().map(|node| node.log().len()).collect();
        let growth = Growth::watch(&self.cluster);
        let (busy, tally) = self.bystander(work).await;
        let grown = growth.end().await;
        let (leads, after) = self.leader().await;

        row(attack, &tally, grown, &quiet, &busy);
        assert_eq!((&leads, after.term), (&leader, before.term), "{attack}: the leader stays");
        let written = after.last_log.0 - before.last_log.0;
        assert_eq!(written, busy.writes, "{attack}: nothing but the good client's writes is in the log");
        self.holds_only_good_keys(attack).await;
        for (node, from) in self.cluster.watched().iter().zip(lines) {
            let said = node.log().len() - from;
            assert!(
                said <= (LINES_MAX * tally.sent.ilog2()) as usize,
                "{attack}: {} says {said} lines:\n{}",
                node.name(),
                node.log().tail(5)
            );
            let text = node.log().tail(said);
            assert!(!text.contains("panicked"), "{attack}: {} panics:\n{text}", node.name());
        }
        assert!(grown <= GROWTH_BYTES_MAX, "{attack}: a daemon grows by {grown} bytes");
        let limit = TIMES_MAX * quiet.p99().max(QUICK);
        assert!(busy.p99() <= limit, "{attack}: {:?} for a request, {:?} before", busy.p99(), quiet.p99());
        tally
    }

    /// What a good client does while something else goes on.
    async fn bystander<T>(&self, meanwhile: impl Future<Output = T>) -> (Work, T) {
        let bystander = Bystander::begin(&self.cluster);
        let done = meanwhile.await;
        (bystander.end().await, done)
    }

    async fn holds_only_good_keys(&self, attack: &str) {
        let client = self.cluster.client(Role::Reader);
        let page = client.range(KeyRange::all(), PageOptions::default()).await.expect("it can be read");
        assert!(!page.more, "{attack}: there are too many keys");
        let strangers: Vec<_> =
            page.entries.iter().map(|(key, _)| key.as_str()).filter(|key| !key.starts_with(PREFIX)).collect();
        assert!(strangers.is_empty(), "{attack}: {strangers:?}");
    }
}

/// Watches how much memory the daemons take.
struct Growth {
    stop: watch::Sender<bool>,
    task: JoinHandle<u64>,
}

impl Growth {
    fn watch(cluster: &Cluster) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let pids: Vec<u32> = cluster.watched().iter().map(Node::pid).collect();
        let before: BTreeMap<u32, u64> = pids.iter().map(|pid| (*pid, usage::memory(*pid))).collect();
        let task = tokio::spawn(async move {
            let mut most = 0;
            loop {
                let grown = before.iter().map(|(pid, then)| usage::memory(*pid).saturating_sub(*then));
                most = most.max(grown.max().unwrap_or_default());
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(50)) => {}
                    _ = stopped.changed() => return most,
                }
            }
        });
        Self { stop, task }
    }

    /// The most that one of them has grown by.
    async fn end(self) -> u64 {
        self.stop.send_replace(true);
        self.task.await.expect("it goes on to the end")
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what these tests are for")]
fn row(attack: &str, tally: &Tally, grown: u64, quiet: &Work, busy: &Work) {
    let ms = |work: &Work| work.p99().as_secs_f64() * 1000.0;
    println!(
        "{attack} | {} | {tally} | {:.1} MB | {:.1} ms | {:.1} ms",
        tally.sent,
        grown as f64 / f64::from(1 << 20),
        ms(quiet),
        ms(busy),
    );
}
