//! The operations of both sides, so that each measurement is written once.

use std::{path::PathBuf, time::Duration};

use coffee_client::bench::{Failed, Target, fill};
use coffee_tests::{samples::Samples, usage::Usage};
use tokio::time::{Instant, interval, timeout_at};

use crate::{http::HttpEndpoint, options::CompareOptions};

/// Number of nodes of each side.
pub(crate) const MEMBERS: usize = 3;

/// Writes in flight during the initial fill.
const FILLING_CLIENTS: usize = 64;

/// Timeouts after which a follower gives up its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimerSetting {
    /// Defaults of the side.
    Default,
    /// For nodes in one room.
    Tuned,
}

/// Polling interval for a node that may not answer yet.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// Longer than a start of a node, or an election.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster of one side. Nodes are numbered from 0.
pub(crate) trait Contestant: Sized {
    /// Target of a client's operations.
    type Target: Target;

    /// Prepares a cluster of `nodes` members, and starts none.
    fn prepare(nodes: usize, timers: TimerSetting) -> Self;

    /// Starts all nodes, and waits for a leader.
    async fn found(&mut self);

    /// Starts a process, without waiting until it serves.
    async fn spawn(&mut self, node: usize);

    /// Kills a node with SIGKILL.
    async fn kill(&mut self, node: usize);

    /// Stops a node with SIGTERM, and waits for its end.
    async fn stop(&mut self, node: usize);

    /// Returns the leader.
    async fn leader(&self) -> usize;

    /// Transfers leadership, as an operator would.
    async fn transfer(&mut self);

    /// Opens connections to the leader.
    async fn at_leader(&self, connections: usize) -> Vec<Self::Target>;

    /// Clients of an application, which know every member.
    fn anywhere(&self) -> Vec<Self::Target>;

    /// Returns a target at this node. Waits as long as is useful if the node is not up
    /// yet.
    async fn at(&self, node: usize) -> Result<Self::Target, Failed>;

    /// Where each node serves HTTP and JSON, for clients of one certificate after another.
    fn http(&self) -> Vec<Vec<HttpEndpoint>>;

    /// Process ids.
    fn pids(&self) -> Vec<u32>;

    /// Data directories of the nodes.
    fn data(&self) -> Vec<PathBuf>;

    /// Prepares and starts a cluster.
    async fn start(nodes: usize, timers: TimerSetting) -> Self {
        let mut cluster = Self::prepare(nodes, timers);
        cluster.found().await;
        cluster
    }

    /// Resources used by its servers.
    fn usage(&self) -> Usage {
        Usage::of(&self.pids(), &self.data()[0])
    }
}

/// Retries until success.
///
/// # Panics
/// After a minute.
pub(crate) async fn until_done<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, Failed>) -> T {
    let mut ticks = interval(ASK_EVERY);
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    let trying = async {
        loop {
            ticks.tick().await;
            match attempt().await {
                Ok(done) => return done,
                Err(failed) => last = Some(failed),
            }
        }
    };
    let done = timeout_at(deadline, trying).await;
    done.unwrap_or_else(|_| panic!("{what} takes more than {PATIENCE:?}: {last:?}"))
}

/// A value per side.
#[derive(Debug, Clone, Default)]
pub(crate) struct Both<T> {
    pub(crate) coffeed: T,
    pub(crate) etcd: T,
}

impl<T> Both<T> {
    /// Runs one side after the other. The order alternates with the rounds, in case the
    /// second pays for work that the first has deferred.
    pub(crate) async fn in_turns(
        round: usize,
        coffeed: impl Future<Output = T>,
        etcd: impl Future<Output = T>,
    ) -> Self {
        if round.is_multiple_of(2) {
            let coffeed = coffeed.await;
            Self { coffeed, etcd: etcd.await }
        } else {
            let etcd = etcd.await;
            Self { coffeed: coffeed.await, etcd }
        }
    }
}

/// One figure of each trial.
pub(crate) fn samples<T>(trials: &[Both<T>], figure: impl Fn(&T) -> f64) -> Both<Samples> {
    Both {
        coffeed: trials.iter().map(|trial| figure(&trial.coffeed)).collect(),
        etcd: trials.iter().map(|trial| figure(&trial.etcd)).collect(),
    }
}

/// A cluster that holds every key, and its clients.
pub(crate) struct Loaded<C: Contestant> {
    pub(crate) cluster: C,
    pub(crate) targets: Vec<C::Target>,
}

impl<C: Contestant> Loaded<C> {
    /// Starts three nodes, opens connections to their leader, and writes every key.
    pub(crate) async fn start(options: &CompareOptions, connections: usize) -> Self {
        let cluster = C::start(MEMBERS, options.timers).await;
        let targets = cluster.at_leader(connections).await;
        fill(&options.keys(), FILLING_CLIENTS, &targets).await.expect("the leader takes writes");
        Self { cluster, targets }
    }
}
