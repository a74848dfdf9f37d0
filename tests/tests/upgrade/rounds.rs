//! Rounds of rolling upgrades and downgrades of five nodes under load, with crashes, snapshots to
//! nodes that lag, transfers and joins in the middle.

use std::{env, iter, time::Duration};

use coffee_client::Client;
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, NodeProcess, SHOPS},
    load::{FailedRead, Load, LoadOptions, ReadRecord, Readers, verify},
};
use tokio::time::Instant;

use crate::{PATIENCE, future};

/// Frequent snapshots and a short log, so that a node which misses a round gets a snapshot.
const SETTINGS: &str = "[storage]\nsnapshot_every_entries = 500\nlog_keep_entries = 100\n";

/// Rounds: 20 for figures.
fn rounds() -> usize {
    env::var("COFFEE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// The disturbance of a round, at a node that is not the one being restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    /// The node is killed, and started with the build that it had.
    Crash,
    /// The node misses so much that it gets a snapshot.
    Lag,
    /// Leadership is moved to it.
    Transfer,
    /// It leaves the cluster and joins again.
    Join,
}

const DISTURBANCES: [Disturbance; 4] =
    [Disturbance::Crash, Disturbance::Lag, Disturbance::Transfer, Disturbance::Join];

impl Disturbance {
    async fn strike(self, cluster: &mut Cluster, name: &str, load: &mut Load) {
        match self {
            Self::Crash => {
                cluster.node(name).kill().await;
                assert!(load.acknowledges(50, PATIENCE).await, "writes flow without {name}");
                cluster.node(name).start().await;
            }
            Self::Lag => {
                cluster.node(name).kill().await;
                assert!(load.acknowledges(1500, PATIENCE).await, "writes flow without {name}");
                cluster.node(name).start().await;
            }
            Self::Transfer => {
                cluster.coffeectl(["transfer", name]).ok().await;
            }
            Self::Join => {
                cluster.coffeectl(["down", name, "--yes"]).ok().await;
                assert!(cluster.node(name).ended().await.success(), "{name}");
                cluster.node(name).start().await;
                cluster.coffeectl(["boot", name]).ok().await;
            }
        }
        cluster.coffeectl(["wait", "--for", "synced", "--node", name]).ok().await;
    }
}

/// When nodes were stopped, until they had caught up again.
#[derive(Default)]
struct Absences(Vec<(&'static str, Instant, Instant)>);

impl Absences {
    fn add(&mut self, node: &'static str, since: Instant) {
        self.0.push((node, since, Instant::now()));
    }

    /// Whether no absence of the node that a read asked explains its failure.
    fn blame(&self, node: &str, read: &FailedRead) -> bool {
        let explains =
            |(name, from, to): &(_, _, _)| *name == node && read.begun < *to && read.call.at > *from;
        !self.0.iter().any(explains)
    }
}

/// Starts 64 readers with 8 clients, and one more per node, which asks that node alone. They keep
/// their connections through all rounds. Returns them with what they ask.
fn start_readers(cluster: &Cluster, load: &Load) -> Vec<(&'static str, Readers)> {
    let client = || cluster.client(Role::Reader).with_timeout(Duration::from_secs(20));
    let clients: Vec<Client> = iter::repeat_with(client).take(8).collect();
    let alone = |node: &NodeProcess| clients[0].at(node.address()).expect("a client of one node");
    let at_nodes = SHOPS.into_iter().zip(cluster.watched());
    let at_nodes = at_nodes.map(|(name, node)| (name, Readers::start(&[alone(node)], load.floors(), 1)));
    iter::once(("any node", Readers::start(&clients, load.floors(), 64))).chain(at_nodes).collect()
}

/// Up and back under 64 writers and readers, as many times as `COFFEE_ROUNDS` says, then up and
/// finished. Nothing is lost, no read is stale, and no node calls its data damaged.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "compiles all crates a second time, for minutes; tests/README.md has the command"]
async fn five_nodes_are_upgraded_and_taken_back_while_they_are_disturbed() {
    let coffeed = future::command("coffeed");
    let mut cluster = Cluster::of(5).with(SETTINGS).start().await;
    let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(20));
    let options = LoadOptions { writers: 64, ..LoadOptions::default() };
    let mut load = Load::start(std::slice::from_ref(&client), &options);
    assert!(load.acknowledges(100, PATIENCE).await, "writes flow");
    let readers = start_readers(&cluster, &load);
    let mut absences = Absences::default();
    for round in 0..2 * rounds() + 1 {
        let build = round.is_multiple_of(2).then(|| coffeed.clone());
        for (place, name) in SHOPS.iter().copied().enumerate() {
            let since = Instant::now();
            let node = cluster.node(name);
            assert_eq!(node.stop().await.code(), Some(0), "{name}");
            node.use_build(build.clone());
            node.start().await;
            cluster.coffeectl(["wait", "--for", "synced", "--node", name]).ok().await;
            absences.add(name, since);
            let other = SHOPS[(place + 1 + round % 4) % SHOPS.len()];
            let disturbance = DISTURBANCES[(round + place) % DISTURBANCES.len()];
            let since = Instant::now();
            disturbance.strike(&mut cluster, other, &mut load).await;
            if disturbance != Disturbance::Transfer {
                absences.add(other, since);
            }
        }
        println!("round {round}: {} writes acknowledged", load.acknowledged());
    }
    cluster.coffeectl(["upgrade", "finish", "--yes"]).ok().await;
    assert!(load.acknowledges(200, PATIENCE).await, "writes flow at the new level");
    for (asked, readers) in readers {
        let ReadRecord { answered, failures, stale } = readers.stop().await;
        println!("reads of {asked}: {answered} answered, {} failed, {} stale", failures.len(), stale.len());
        let blamed: Vec<_> = failures.iter().filter(|read| absences.blame(asked, read)).collect();
        assert!(answered > 0 && stale.is_empty() && blamed.is_empty(), "{asked}: {stale:?} {blamed:?}");
    }
    let record = load.stop().await;
    println!("writes: {} acknowledged", record.acknowledged());
    println!("failed writes: {} {:?}", record.failed(), record.failed_by_kind());
    let found = verify(&client, &record).await.expect("it can be read");
    assert!(found.is_clean(), "{found}");
    for node in cluster.watched() {
        let log = node.log().tail(usize::MAX);
        assert!(!log.contains("state differs") && !log.contains("damaged"), "{}", node.name());
    }
    assert_eq!(record.failed(), 0, "{:?}", record.failed_by_kind());
    client.close().await;
}
