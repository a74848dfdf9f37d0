//! What both sides can do, so that each measurement is written once.

use std::{path::PathBuf, time::Duration};

use coffee_client::bench::{Failed, Target, fill};
use coffee_tests::{samples::Samples, usage::Usage};
use tokio::time::{Instant, interval, timeout_at};

use crate::options::Options;

/// How many nodes each side has.
pub(crate) const MEMBERS: usize = 3;

/// Writes in flight while the keys are made.
const FILLING_CLIENTS: usize = 64;

/// When a follower gives its leader up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timers {
    /// As they are where nothing is configured.
    Default,
    /// For nodes in one room.
    Tuned,
}

/// How often a node is asked that is not expected to answer yet.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// A node takes no longer to start, and a cluster to choose a leader.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster of one side. Its nodes are numbered from 0.
pub(crate) trait Contestant: Sized {
    /// What a client does its operations with.
    type Target: Target;

    /// Sets a cluster of so many members up, and starts none of them.
    fn prepare(nodes: usize, timers: Timers) -> Self;

    /// Starts all, and waits until there is a leader.
    async fn found(&mut self);

    /// Starts a process, and waits for nothing that takes time.
    async fn spawn(&mut self, node: usize);

    /// SIGKILL.
    async fn kill(&mut self, node: usize);

    /// SIGTERM, and waits for the end of the process.
    async fn stop(&mut self, node: usize);

    /// Who leads.
    async fn leader(&self) -> usize;

    /// Hands leadership over, as an operator does it.
    async fn transfer(&mut self);

    /// Connections to the leader.
    async fn at_leader(&self, connections: usize) -> Vec<Self::Target>;

    /// Clients as an application has them, which know every member.
    fn anywhere(&self) -> Vec<Self::Target>;

    /// Tries to do operations at this node, and waits for it as long as is
    /// useful if it is not up yet.
    async fn at(&self, node: usize) -> Result<Self::Target, Failed>;

    /// The ids of the processes.
    fn pids(&self) -> Vec<u32>;

    /// The folders of the nodes.
    fn data(&self) -> Vec<PathBuf>;

    /// Sets up and starts a cluster.
    async fn start(nodes: usize, timers: Timers) -> Self {
        let mut cluster = Self::prepare(nodes, timers);
        cluster.found().await;
        cluster
    }

    /// What its servers have used.
    fn usage(&self) -> Usage {
        Usage::of(&self.pids(), &self.data()[0])
    }
}

/// Does something again and again until it succeeds.
///
/// # Panics
/// It takes a minute.
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

/// The same of both sides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Both<T> {
    pub(crate) coffeed: T,
    pub(crate) etcd: T,
}

impl<T> Both<T> {
    /// Does it for one side after the other. Who comes first changes with the
    /// rounds, in case the second pays for the first one's debts.
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

/// A cluster that holds every key, and clients of it.
pub(crate) struct Loaded<C: Contestant> {
    pub(crate) cluster: C,
    pub(crate) targets: Vec<C::Target>,
}

impl<C: Contestant> Loaded<C> {
    /// Three nodes, and so many connections to their leader.
    pub(crate) async fn start(options: &Options, connections: usize) -> Self {
        let cluster = C::start(MEMBERS, options.timers).await;
        let targets = cluster.at_leader(connections).await;
        fill(&options.keys(), FILLING_CLIENTS, &targets).await.expect("the leader takes writes");
        Self { cluster, targets }
    }
}
