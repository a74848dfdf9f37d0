//! This node, as its operations see it: its name, how to reach others, and
//! its part in a cluster, while it has one.
//!
//! What only the server above can do (join a cluster, stop for good) it is
//! asked for with an [`LifecycleCommand`]; nothing here knows it.

pub mod leader_contact;
pub mod propose;
pub mod raft;
pub mod replica;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use coffee_client::Pool;
use coffee_common::{
    clock,
    id::{Address, ClusterId, NodeId, NodeName},
    protocol::{CertificateStatus, Identity, Leader, LifecyclePhase, LogLevel, Rejection, Reload, Role},
    tls::Credentials,
};
use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{metrics::NodeMetrics, node::replica::Replica, storage::disk::SpaceProbe};

/// The version of coffeed.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Orders that may wait for the server.
const COMMANDS_MAX: usize = 16;

/// What an operation asks of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifecycleCommand {
    /// Ask these members to be let in.
    Join {
        /// The cluster.
        cluster: ClusterId,
        /// Its members.
        members: Vec<Address>,
    },
    /// Stop, and stay down: the cluster has taken this node out.
    ShutDownRemoved {
        /// Which incarnation is meant.
        id: NodeId,
    },
}

/// Takes up what configuration and certificates are by now.
pub type Reloader = Box<dyn Fn() -> BoxFuture<'static, Result<Reload, Rejection>> + Send + Sync>;

/// Changes how much is logged, if a level is given, and says what was logged before.
pub type LogControl = Arc<dyn Fn(Option<LogLevel>) -> LogLevel + Send + Sync>;

/// This node.
pub struct Node {
    identity: Identity,
    address: Address,
    lease: Duration,
    started: Instant,
    started_at_ms: u64,
    phase: watch::Sender<LifecyclePhase>,
    replica: watch::Sender<Option<Arc<Replica>>>,
    pool: Pool,
    space: SpaceProbe,
    metrics: NodeMetrics,
    log_control: OnceLock<LogControl>,
    commands: mpsc::Sender<LifecycleCommand>,
    reloader: OnceLock<Reloader>,
}

impl Node {
    /// A node that belongs to no cluster yet, and where its commands come out.
    /// `lease` is how long a leader's heartbeat lasts.
    pub fn new(
        name: NodeName,
        address: Address,
        lease: Duration,
        pool: Pool,
        data_dir: PathBuf,
    ) -> (Arc<Self>, mpsc::Receiver<LifecycleCommand>) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let node = Self {
            identity: Identity { name, role: Role::Node },
            address,
            lease,
            started: Instant::now(),
            started_at_ms: clock::now_ms(),
            phase: watch::Sender::new(LifecyclePhase::Waiting),
            replica: watch::Sender::new(None),
            pool,
            space: SpaceProbe::new(data_dir),
            metrics: NodeMetrics::default(),
            log_control: OnceLock::new(),
            commands,
            reloader: OnceLock::new(),
        };
        (Arc::new(node), receiver)
    }

    /// Its name.
    pub fn name(&self) -> &NodeName {
        &self.identity.name
    }

    /// Who it is when it asks others.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where others reach it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How long a leader's heartbeat lasts: whoever was silent for longer may be gone.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// For how long it has been up.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// When it started, by its own clock, in milliseconds since 1970.
    pub fn started_at_ms(&self) -> u64 {
        self.started_at_ms
    }

    /// How it reaches other nodes.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What it shows of itself, and whom it believes, at present.
    pub fn credentials(&self) -> Credentials {
        self.pool.credentials()
    }

    /// The certificate that it shows at present.
    pub fn certificate(&self) -> CertificateStatus {
        let credentials = self.credentials();
        CertificateStatus {
            serial: credentials.serial().to_owned(),
            valid_until_s: credentials.valid_until(),
        }
    }

    /// Whole days until its certificate is no longer valid; negative once that has passed.
    pub fn certificate_days_left(&self) -> i64 {
        let credentials = self.credentials();
        let at = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        (at(credentials.valid_until()) - at(credentials.now())).div_euclid(86_400)
    }

    /// Says how it reloads: once, and before anybody asks for it.
    pub fn on_reload(&self, reloader: Reloader) {
        // Whoever comes second has no say.
        let _ = self.reloader.set(reloader);
    }

    /// Takes up what configuration and certificates are by now.
    pub async fn reload(&self) -> Result<Reload, Rejection> {
        match self.reloader.get() {
            Some(reload) => reload().await,
            None => Err(Rejection::Unavailable(format!("{} is starting", self.name()))),
        }
    }

    /// The room on its disk.
    pub fn space(&self) -> &SpaceProbe {
        &self.space
    }

    /// What it counts of its own work.
    pub fn metrics(&self) -> &NodeMetrics {
        &self.metrics
    }

    /// How its log is controlled, if its host program lets it.
    pub fn log_control(&self) -> Option<&LogControl> {
        self.log_control.get()
    }

    /// Lets its log be controlled. Counts once.
    pub fn set_log_control(&self, control: LogControl) {
        let _ = self.log_control.set(control);
    }

    /// What it does at present.
    pub fn phase(&self) -> LifecyclePhase {
        *self.phase.borrow()
    }

    /// Notes what it does from now on.
    pub fn set_phase(&self, phase: LifecyclePhase) {
        self.phase.send_replace(phase);
    }

    /// Its part in its cluster, while it has one.
    pub fn replica(&self) -> Option<Arc<Replica>> {
        self.replica.borrow().clone()
    }

    /// Its part in its cluster; a node that has none cannot serve.
    pub fn serving(&self) -> Result<Arc<Replica>, Rejection> {
        self.replica().ok_or_else(|| {
            Rejection::Unavailable(format!("{} belongs to no cluster yet: boot it first", self.name()))
        })
    }

    /// Its part in its cluster, as it changes.
    pub fn watch_replica(&self) -> watch::Receiver<Option<Arc<Replica>>> {
        self.replica.subscribe()
    }

    /// Gives it a part in a cluster, or takes it away.
    pub fn set_replica(&self, replica: Option<Arc<Replica>>) {
        self.replica.send_replace(replica);
    }

    /// The leader, for those who ask where to go.
    pub fn leader_hint(&self) -> Option<Leader> {
        self.replica()?.leader_hint()
    }

    /// Asks the server for something. `false`: it has stopped, or has too much to do.
    pub fn command(&self, command: LifecycleCommand) -> bool {
        self.commands.try_send(command).is_ok()
    }
}
