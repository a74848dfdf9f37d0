//! Takes turns, and keeps what each turn gave.

use std::{path::PathBuf, time::Duration};

use coffee_client::{
    Client, Consistency,
    bench::{Keys, Measured, Plan, Run, Target, Work, fill},
};
use coffee_common::protocol::Role;
use coffee_tests::cluster::Cluster;

use crate::{
    etcd::Members,
    etcd_client::Etcd,
    options::Options,
    usage::{self, Usage},
};

const WARM_UP: Duration = Duration::from_millis(500);

const KEY_BYTES: usize = 32;

/// Writes in flight while the keys are made.
const FILLING_CLIENTS: usize = 64;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Coffeed,
    Etcd,
}

/// One turn.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) side: Side,
    pub(crate) work: Work,
    pub(crate) clients: usize,
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) failures: u64,
    /// Operations for a second of CPU of the three servers.
    pub(crate) per_cpu_second: f64,
    /// Bytes that the disk wrote for an operation, for all three servers.
    pub(crate) written: f64,
}

/// All turns, and how the servers stand at the end.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) turns: Vec<Turn>,
    pub(crate) coffeed: Standing,
    pub(crate) etcd: Standing,
    pub(crate) options: Options,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// Bytes of memory of the three servers.
    pub(crate) memory: u64,
    /// Bytes of disk of the three servers.
    pub(crate) disk: u64,
    /// CPU seconds of the three servers in a second without work.
    pub(crate) idle: f64,
}

struct Contestant<T> {
    side: Side,
    targets: Vec<T>,
    pids: Vec<u32>,
    data: Vec<PathBuf>,
}

pub(crate) async fn compare(options: &Options) -> Results {
    let mut cluster = Cluster::of(3).with_default_timers().start().await;
    let members = Members::start().await;
    let coffeed = coffeed(&mut cluster, options);
    let etcd = Contestant::<Etcd> {
        side: Side::Etcd,
        targets: members.connections(options.etcd_connections).await,
        pids: members.pids(),
        data: members.data(),
    };
    let keys =
        Keys::new("compare/".into(), options.keys, KEY_BYTES, options.value_bytes).expect("the keys fit");
    fill(&keys, FILLING_CLIENTS, &coffeed.targets).await.expect("coffeed takes writes");
    fill(&keys, FILLING_CLIENTS, &etcd.targets).await.expect("etcd takes writes");
    let mut turns = Vec::new();
    for round in 0..options.rounds {
        for clients in &options.clients {
            for work in [Work::Put, Work::Get] {
                let plan = Plan {
                    work,
                    clients: *clients,
                    keys: keys.clone(),
                    warm_up: WARM_UP,
                    duration: options.duration,
                    rate: None,
                };
                // Who comes first changes, in case the second pays for the first one's debts.
                if round % 2 == 0 {
                    turns.push(coffeed.turn(&plan).await);
                    turns.push(etcd.turn(&plan).await);
                } else {
                    turns.push(etcd.turn(&plan).await);
                    turns.push(coffeed.turn(&plan).await);
                }
                tell(round, &turns[turns.len() - 2..]);
            }
        }
    }
    let (coffeed, etcd) = (coffeed.standing().await, etcd.standing().await);
    Results { turns, coffeed, etcd, options: options.clone() }
}

fn coffeed(cluster: &mut Cluster, options: &Options) -> Contestant<(Client, Consistency)> {
    let client = |_| (cluster.client(Role::Writer), Consistency::Linearizable);
    let targets = (0..options.coffeed_connections).map(client).collect();
    let nodes = cluster.nodes();
    let pids = nodes.iter().map(|node| node.pid()).collect();
    let data = nodes.iter().map(|node| node.data()).collect();
    Contestant { side: Side::Coffeed, targets, pids, data }
}

impl<T: Target> Contestant<T> {
    async fn turn(&self, plan: &Plan) -> Turn {
        // A run of its own, so that what the servers use for it does not count either.
        let warm_up = Plan { duration: plan.warm_up, warm_up: Duration::ZERO, ..plan.clone() };
        Run::start(&warm_up, &self.targets).finish().await;
        let before = self.usage();
        let plan = Plan { warm_up: Duration::ZERO, ..plan.clone() };
        let measured = Run::start(&plan, &self.targets).finish().await;
        self.result(&plan, &measured, self.usage().since(before))
    }

    fn result(&self, plan: &Plan, measured: &Measured, used: Usage) -> Turn {
        let times = measured.all_times();
        let ms = |percent| times.percentile(percent).as_secs_f64() * 1000.0;
        let operations = measured.rate() * measured.duration.as_secs_f64();
        Turn {
            side: self.side,
            work: plan.work,
            clients: plan.clients,
            rate: measured.rate(),
            p50_ms: ms(50.0),
            p99_ms: ms(99.0),
            failures: measured.failures(),
            per_cpu_second: operations / used.cpu_seconds.max(0.01),
            written: bytes(used.written) / operations.max(1.0),
        }
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.pids, &self.data[0])
    }

    async fn standing(&self) -> Standing {
        let before = self.usage();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let used = self.usage().since(before);
        Standing { memory: used.memory, disk: usage::disk(&self.data), idle: used.cpu_seconds }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody writes 2^53 bytes")]
pub(crate) fn bytes(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::print_stderr, reason = "a command that takes minutes says how far it is")]
fn tell(round: usize, turns: &[Turn]) {
    for turn in turns {
        eprintln!(
            "round {}: {:?} {:?} {} clients: {:.0}/s, p99 {:.2} ms, {} failed",
            round + 1,
            turn.side,
            turn.work,
            turn.clients,
            turn.rate,
            turn.p99_ms,
            turn.failures
        );
    }
}
