//! This node as its operations use it: its identity, its connections to other
//! nodes, and its replica while it belongs to a cluster.
//!
//! Does not know the server above it. Operations that need the server, such as
//! joining a cluster, send it a [`LifecycleCommand`].

pub mod audit_log;
pub mod boot_requests;
pub mod cluster_changes;
pub mod event_log;
pub mod heard_addresses;
pub mod join_requests;
pub mod last_invitation;
pub mod leader_contact;
pub mod leadership;
pub mod log_size;
pub mod peer_standing;
pub mod propose;
pub mod raft;
pub mod read_index;
pub mod replica;
pub mod write_room;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use coffee_client::Pool;
use coffee_common::{
    clock,
    id::{Address, ClusterId, NodeId, NodeName},
    protocol::{
        CertificateStatus, Identity, Leader, LifecyclePhase, LogLevel, NodeEventKind, NodeEvents, Rejection,
        Reload, Role,
    },
    setting::ClusterSettings,
    tls::Credentials,
};
use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use self::{
    audit_log::AuditLog, boot_requests::BootRequests, event_log::EventLog, heard_addresses::HeardAddresses,
    join_requests::JoinRequests, last_invitation::LastInvitation, replica::Replica, write_room::WriteRoom,
};
use crate::{config::Timers, metrics::NodeMetrics, storage::disk::SpaceProbe};

/// The version of coffeed.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Bound on lifecycle commands that wait for the server.
const COMMANDS_MAX: usize = 16;

/// A command from an operation to the server's lifecycle task.
#[derive(Debug)]
pub enum LifecycleCommand {
    /// Ask these members to join their cluster.
    Join {
        /// The cluster to join.
        cluster: ClusterId,
        /// Addresses of its members.
        members: Vec<Address>,
    },
    /// Stop and stay down: the cluster has removed this node.
    ShutDownRemoved {
        /// The incarnation that was removed.
        id: NodeId,
    },
    /// The cluster has this node's name on record under another id: join again if this node still
    /// joins, else stop and stay down as one that was removed.
    LeaveReplaced {
        /// The incarnation that was replaced.
        id: NodeId,
    },
    /// Found a cluster, if the data directory is empty.
    Found {
        /// Gets the new cluster's id. Dropped unanswered by a node that has a replica.
        reply: oneshot::Sender<Result<ClusterId, Rejection>>,
    },
}

/// Reloads configuration and certificates; `true` also if voters in reach are cut off.
pub type Reloader = Box<dyn Fn(bool) -> BoxFuture<'static, Result<Reload, Rejection>> + Send + Sync>;

/// Sets the log level if one is given, and returns the previous level.
pub type LogControl = Arc<dyn Fn(Option<LogLevel>) -> LogLevel + Send + Sync>;

/// This node's identity, resources and state.
pub struct Node {
    identity: Identity,
    address: Address,
    timers: Timers,
    started: Instant,
    started_at_ms: u64,
    phase: watch::Sender<LifecyclePhase>,
    replica: watch::Sender<Option<Arc<Replica>>>,
    pool: Pool,
    space: SpaceProbe,
    write_room: WriteRoom,
    last_invitation: LastInvitation,
    heard_addresses: HeardAddresses,
    boot_requests: BootRequests,
    join_requests: JoinRequests,
    metrics: NodeMetrics,
    events: EventLog,
    audit_log: AuditLog,
    log_control: OnceLock<LogControl>,
    commands: mpsc::Sender<LifecycleCommand>,
    reloader: OnceLock<Reloader>,
}

impl Node {
    /// Returns a node that belongs to no cluster yet, and the receiver of its
    /// lifecycle commands.
    pub fn new(
        name: NodeName,
        address: Address,
        timers: Timers,
        pool: Pool,
        data_dir: PathBuf,
    ) -> (Arc<Self>, mpsc::Receiver<LifecycleCommand>) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let events = EventLog::default();
        events.record(NodeEventKind::Start, "", format!("coffeed {VERSION} starts"));
        let node = Self {
            identity: Identity::new(Role::Node, name),
            address,
            timers,
            started: Instant::now(),
            started_at_ms: clock::now_ms(),
            phase: watch::Sender::new(LifecyclePhase::Opening),
            replica: watch::Sender::new(None),
            pool,
            space: SpaceProbe::new(data_dir),
            write_room: WriteRoom::default(),
            last_invitation: LastInvitation::default(),
            heard_addresses: HeardAddresses::default(),
            boot_requests: BootRequests::default(),
            join_requests: JoinRequests::default(),
            metrics: NodeMetrics::default(),
            audit_log: AuditLog::new(events.clone()),
            events,
            log_control: OnceLock::new(),
            commands,
            reloader: OnceLock::new(),
        };
        (Arc::new(node), receiver)
    }

    /// The node's name.
    pub fn name(&self) -> &NodeName {
        &self.identity.name
    }

    /// The identity that the node presents to other nodes.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The address where other nodes reach it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The leader lease: a node that was silent for longer may be down.
    pub fn lease(&self) -> Duration {
        self.timers.lease()
    }

    /// The election timers.
    pub fn timers(&self) -> Timers {
        self.timers
    }

    /// The time since the node started.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The time when the node started by its own clock, in milliseconds since 1970.
    pub fn started_at_ms(&self) -> u64 {
        self.started_at_ms
    }

    /// The pool of connections to other nodes.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The current credentials: its own certificate and the CAs that it trusts.
    pub fn credentials(&self) -> Credentials {
        self.pool.credentials()
    }

    /// The serial number and expiry of the current certificate.
    pub fn certificate(&self) -> CertificateStatus {
        let credentials = self.credentials();
        CertificateStatus {
            serial: credentials.serial().to_owned(),
            valid_until_s: credentials.valid_until(),
        }
    }

    /// Whole days until the certificate expires; negative once it has expired.
    pub fn certificate_days_left(&self) -> i64 {
        let credentials = self.credentials();
        let at = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        (at(credentials.valid_until()) - at(credentials.now())).div_euclid(86_400)
    }

    /// Sets the function that [`Node::reload`] calls. Called once, while the node starts.
    pub fn on_reload(&self, reloader: Reloader) {
        // The first call wins.
        let _ = self.reloader.set(reloader);
    }

    /// Reloads configuration and certificates; with `force` also if voters in reach are cut off.
    pub async fn reload(&self, force: bool) -> Result<Reload, Rejection> {
        match self.reloader.get() {
            Some(reload) => reload(force).await,
            None => Err(Rejection::Unavailable(format!("{} is starting", self.name()))),
        }
    }

    /// The probe of free disk space.
    pub fn space(&self) -> &SpaceProbe {
        &self.space
    }

    /// The room for writes that add data.
    pub fn write_room(&self) -> &WriteRoom {
        &self.write_room
    }

    /// The settings of the cluster, as far as this node knows them: the defaults without a cluster.
    pub fn settings(&self) -> ClusterSettings {
        self.replica().map(|replica| replica.state().settings()).unwrap_or_default()
    }

    /// The addresses that other members told this node themselves.
    pub fn heard_addresses(&self) -> &HeardAddresses {
        &self.heard_addresses
    }

    /// The addresses in the last invitation to the cluster of this node.
    pub fn last_invitation(&self) -> &LastInvitation {
        &self.last_invitation
    }

    /// The nodes that operators asked this one to boot.
    pub fn boot_requests(&self) -> &BootRequests {
        &self.boot_requests
    }

    /// The nodes that asked this one, as the leader, to join, and are not announced.
    pub fn join_requests(&self) -> &JoinRequests {
        &self.join_requests
    }

    /// The node's metrics.
    pub fn metrics(&self) -> &NodeMetrics {
        &self.metrics
    }

    /// The events of this node since it started.
    pub fn events(&self) -> &EventLog {
        &self.events
    }

    /// The latest events with a number above `after`, at most `limit`; 0 for all. Some kinds are for
    /// admins alone.
    pub fn latest_events(&self, after: u64, limit: u32, for_admin: bool) -> NodeEvents {
        NodeEvents {
            node: self.name().clone(),
            started_at_ms: self.started_at_ms,
            events: self.events.read(after, limit as usize, for_admin),
        }
    }

    /// The log of who changed something, and who was denied.
    pub fn audit_log(&self) -> &AuditLog {
        &self.audit_log
    }

    /// The function that controls the log level, if the host program gave one.
    pub fn log_control(&self) -> Option<&LogControl> {
        self.log_control.get()
    }

    /// Sets the function that controls the log level. The first call wins.
    pub fn set_log_control(&self, control: LogControl) {
        let _ = self.log_control.set(control);
    }

    /// The current lifecycle phase.
    pub fn phase(&self) -> LifecyclePhase {
        *self.phase.borrow()
    }

    /// Sets the lifecycle phase.
    pub fn set_phase(&self, phase: LifecyclePhase) {
        self.phase.send_replace(phase);
    }

    /// Waits until the node stops.
    pub async fn stopping(&self) {
        let mut phases = self.phase.subscribe();
        // An error means that the node has gone, and this future with it.
        let _ = phases.wait_for(|phase| *phase == LifecyclePhase::Stopping).await;
    }

    /// The node's replica, while it belongs to a cluster.
    pub fn replica(&self) -> Option<Arc<Replica>> {
        self.replica.borrow().clone()
    }

    /// The node's replica, or [`Rejection::NoCluster`] if it belongs to no cluster.
    pub fn serving(&self) -> Result<Arc<Replica>, Rejection> {
        self.replica().ok_or_else(|| self.no_replica())
    }

    /// Returns why the node has no replica.
    pub fn no_replica(&self) -> Rejection {
        let name = self.name();
        match self.phase() {
            LifecyclePhase::Opening => Rejection::Unavailable(format!("{name} is opening its data")),
            LifecyclePhase::Waiting => Rejection::NoCluster { node: name.clone(), joining: false },
            LifecyclePhase::Joining => Rejection::NoCluster { node: name.clone(), joining: true },
            _ => Rejection::Unavailable(format!("{name} is stopping")),
        }
    }

    /// Returns the cluster that the node belongs to.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.replica.borrow().as_ref().map(|replica| replica.cluster())
    }

    /// A receiver that follows changes of the replica.
    pub fn watch_replica(&self) -> watch::Receiver<Option<Arc<Replica>>> {
        self.replica.subscribe()
    }

    /// Sets or clears the replica.
    pub fn set_replica(&self, replica: Option<Arc<Replica>>) {
        self.replica.send_replace(replica);
    }

    /// The leader's name and address, for responses to clients.
    pub fn leader_hint(&self) -> Option<Leader> {
        self.replica()?.leader_hint()
    }

    /// Sends a command to the server. Returns `false` if the server has stopped
    /// or too many commands are waiting.
    pub fn command(&self, command: LifecycleCommand) -> bool {
        self.commands.try_send(command).is_ok()
    }
}
