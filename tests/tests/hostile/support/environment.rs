//! A cluster of three daemons that is attacked while a valid client works, and the
//! assertions that must hold meanwhile.

use std::{collections::BTreeMap, time::Duration};

use coffee_client::{Address, Client, KeyRange, PageOptions};
use coffee_common::protocol::{RaftStatus, Role};
use coffee_tests::{
    cluster::{Cluster, ClusterPlan, NodeProcess},
    usage,
};
use tokio::{sync::watch, task::JoinHandle};

use crate::support::{
    background_client::{BackgroundClient, BackgroundWork, PREFIX},
    tally::Tally,
};

/// How long the valid client is measured before the attack.
const QUIET: Duration = Duration::from_millis(500);

/// Latencies below this are acceptable, and so is this multiple of them: on a busy
/// machine a time slice takes as long.
const QUICK: Duration = Duration::from_millis(if cfg!(debug_assertions) { 20 } else { 5 });

/// Maximum growth factor of the p99 under attack.
const TIMES_MAX: u32 = 5;

/// Maximum memory growth of a daemon because of one client.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// Small memtables: every write fills them, that of a valid client too, and they would hide the memory that an
/// attack costs.
const MEMTABLES: &str = "[storage]\nflush_bytes = 16777216\n";

/// Maximum number of pages of keys: a page of large values has one.
const PAGES_MAX: usize = 1000;

/// Maximum number of log lines of a daemon, each time that an attack doubles.
const LINES_MAX: u32 = 16;

/// The bounds of an attack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttackBounds {
    /// How long the valid client is measured before the attack.
    pub(crate) quiet: Duration,
    /// Latencies below this are acceptable, and so is a multiple of them.
    pub(crate) quick: Duration,
    /// Maximum growth factor of the p99.
    pub(crate) times_max: u32,
    /// Writes of the valid client that it may send again, so that the log has them twice.
    pub(crate) retries_max: u64,
    /// How much the memory of a daemon may grow, in bytes.
    pub(crate) growth_bytes_max: u64,
}

impl Default for AttackBounds {
    fn default() -> Self {
        Self {
            quiet: QUIET,
            quick: QUICK,
            times_max: TIMES_MAX,
            retries_max: 0,
            growth_bytes_max: GROWTH_BYTES_MAX,
        }
    }
}

/// A cluster under attack.
pub(crate) struct HostileEnvironment {
    pub(crate) cluster: Cluster,
    /// Name, address, and a client that asks only this node.
    nodes: Vec<(String, Address, Client)>,
}

impl HostileEnvironment {
    pub(crate) async fn set() -> Self {
        Self::with("").await
    }

    /// Adds these lines, with sections other than `[storage]`, to each configuration.
    pub(crate) async fn with(settings: &str) -> Self {
        Self::of(Cluster::of(3).with(&format!("{settings}{MEMTABLES}"))).await
    }

    /// With nodes that serve HTTP, too.
    pub(crate) async fn over_http() -> Self {
        Self::of(Cluster::of(3).with(MEMTABLES).over_http()).await
    }

    async fn of(plan: ClusterPlan) -> Self {
        let cluster = plan.start().await;
        let admin = cluster.client(Role::Admin);
        let nodes = cluster.watched().iter().map(|node| {
            let address = node.address();
            (node.name().to_owned(), address.clone(), admin.at(address).expect("a client"))
        });
        let nodes = nodes.collect();
        let environment = Self { cluster, nodes };
        // The nodes' own last entries must be replicated before the counters are read.
        environment.cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
        environment
    }

    /// A node's Raft status.
    pub(crate) async fn raft(&self, node: &str) -> RaftStatus {
        let (_, _, client) = self.nodes.iter().find(|(name, ..)| name == node).expect("a node");
        client.status().await.expect("it answers").raft.expect("it takes part")
    }

    /// A node's address.
    pub(crate) fn address(&self, node: &str) -> Address {
        let (_, address, _) = self.nodes.iter().find(|(name, ..)| name == node).expect("a node");
        address.clone()
    }

    /// The leader's name and status.
    pub(crate) async fn leader(&self) -> (String, RaftStatus) {
        let name = self.cluster.leader().await;
        let raft = self.raft(&name).await;
        (name, raft)
    }

    /// Addresses of the nodes, leader first.
    pub(crate) async fn victims(&self) -> Vec<Address> {
        let (leader, _) = self.leader().await;
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.sort_by_key(|(name, ..)| *name != leader);
        nodes.into_iter().map(|(_, address, _)| address.clone()).collect()
    }

    /// Runs an attack while a valid client works, asserts the bounds, and prints a line
    /// of the table.
    pub(crate) async fn under(&self, attack: &str, work: impl Future<Output = Tally>) -> Tally {
        self.within(AttackBounds::default(), attack, work).await
    }

    /// Like [`Self::under`], with other bounds.
    pub(crate) async fn within(
        &self,
        AttackBounds { quiet, quick, times_max, retries_max, growth_bytes_max }: AttackBounds,
        attack: &str,
        work: impl Future<Output = Tally>,
    ) -> Tally {
        let quiet = self.with_background_client(tokio::time::sleep(quiet)).await.0;
        let (leader, before) = self.leader().await;
        let lines: Vec<usize> = self.cluster.watched().iter().map(|node| node.log().len()).collect();
        let growth = Growth::watch(&self.cluster);
        let (busy, tally) = self.with_background_client(work).await;
        let grown = growth.end().await;
        let (leads, after) = self.leader().await;

        row(attack, &tally, grown, &quiet, &busy);
        assert_eq!((&leads, after.term), (&leader, before.term), "{attack}: the leader changed");
        let written = after.last_log.0 - before.last_log.0;
        let ours = busy.writes..=busy.writes + retries_max;
        assert!(
            ours.contains(&written),
            "{attack}: the log contains {written} writes, the valid client's {ours:?}"
        );
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
        assert!(grown <= growth_bytes_max, "{attack}: a daemon grows by {grown} bytes");
        let limit = times_max * quiet.p99().max(quick);
        assert!(busy.p99() <= limit, "{attack}: {:?} for a request, {:?} before", busy.p99(), quiet.p99());
        tally
    }

    /// Runs the valid client during `meanwhile`.
    async fn with_background_client<T>(&self, meanwhile: impl Future<Output = T>) -> (BackgroundWork, T) {
        let client = BackgroundClient::begin(&self.cluster);
        let done = meanwhile.await;
        (client.end().await, done)
    }

    async fn holds_only_good_keys(&self, attack: &str) {
        let client = self.cluster.client(Role::Reader);
        let options = PageOptions { keys_only: true, ..PageOptions::default() };
        let mut range = KeyRange::all();
        for _ in 0..PAGES_MAX {
            let page = client.range(range.clone(), options).await.expect("it can be read");
            let keys = page.entries.iter().map(|(key, _)| key);
            let foreign: Vec<_> = keys.filter(|key| !key.as_bytes().starts_with(PREFIX.as_bytes())).collect();
            assert!(foreign.is_empty(), "{attack}: {foreign:?}");
            match page.upto {
                Some(upto) => range = range.after(&upto),
                None => return,
            }
        }
        panic!("{attack}: there are too many keys");
    }
}

/// Measures the daemons' memory.
struct Growth {
    stop: watch::Sender<bool>,
    task: JoinHandle<u64>,
}

impl Growth {
    fn watch(cluster: &Cluster) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let pids: Vec<u32> = cluster.watched().iter().map(NodeProcess::pid).collect();
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

    /// Returns the largest growth of one daemon.
    async fn end(self) -> u64 {
        self.stop.send_replace(true);
        self.task.await.expect("it runs to the end")
    }
}

#[expect(clippy::print_stdout, reason = "these tests exist for their figures")]
fn row(attack: &str, tally: &Tally, grown: u64, quiet: &BackgroundWork, busy: &BackgroundWork) {
    let ms = |work: &BackgroundWork| work.p99().as_secs_f64() * 1000.0;
    println!(
        "{attack} | {} | {tally} | {:.1} MB | {:.1} ms | {:.1} ms",
        tally.sent,
        grown as f64 / f64::from(1 << 20),
        ms(quiet),
        ms(busy),
    );
}
