//! The two versions of coffeed that a world may mix: this one and the next one.
//!
//! Only the files below name the types of a version. Those of [`this`] are compiled once more with the
//! crates of the next version (tests/next); the rest of the simulator meets the values of this one.

mod next;
mod this;

use std::{path::PathBuf, sync::Arc};

use coffee_client::cert::{Ca, LEAF_DAYS, Subject};
use coffee_common::{
    id::{Address, ClusterId, NodeName},
    protocol::{Identity, NodeStatus, Role},
    tls::Credentials,
};
use coffee_tests::sim::observation::{AppliedState, CommittedMembers, Inside};
use futures_util::future::BoxFuture;

pub(crate) use self::{next::NextClient, this::endpoint};
use crate::{disk::SimDisk, socket::SimSocket};

/// A version of coffeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SimBuild {
    #[default]
    This,
    Next,
}

impl SimBuild {
    /// The highest feature level that it knows.
    pub(crate) fn level(self) -> u32 {
        match self {
            Self::This => this::LEVEL,
            Self::Next => next::LEVEL,
        }
    }

    /// Starts a node on the current host.
    pub(crate) async fn start(self, setup: NodeSetup) -> Result<Arc<dyn SimServer>, NodeEnd> {
        match self {
            Self::This => this::start(setup).await,
            Self::Next => next::start(setup).await,
        }
    }

    /// Reads what would survive a power cut of the node `id`, as its start after one would.
    pub(crate) fn look(self, disk: &SimDisk, id: u64) -> Result<Inside, String> {
        match self {
            Self::This => this::look(disk, id),
            Self::Next => next::look(disk, id),
        }
    }
}

/// The certificate of a node or a client, as each version holds it.
#[derive(Clone)]
pub(crate) struct SimCredentials {
    pub(crate) this: Credentials,
    next: next::Credentials,
}

impl SimCredentials {
    /// Issues credentials.
    pub(crate) fn of(ca: &Ca, role: Role, name: NodeName) -> Self {
        let subject = Subject { identity: Identity::new(role, name), alt_names: Vec::new() };
        let pair = ca.issue(&subject, LEAF_DAYS).expect("a certificate");
        let pem = [ca.certificate(), &pair.certificate, &pair.key].map(str::as_bytes);
        Self { this: this::credentials_of(pem), next: next::credentials_of(pem) }
    }
}

/// The configuration of a node, and its parts that are simulated.
pub(crate) struct NodeSetup {
    pub(crate) name: NodeName,
    /// The port on which it listens.
    pub(crate) port: u16,
    pub(crate) advertise: Address,
    pub(crate) join: Vec<Address>,
    pub(crate) snapshot_every_entries: u64,
    pub(crate) log_keep_entries: u64,
    /// The data directory, which holds the identity.
    pub(crate) folder: PathBuf,
    pub(crate) credentials: SimCredentials,
    /// Seeds its endpoint.
    pub(crate) seed: u64,
    pub(crate) socket: Arc<SimSocket>,
    /// Holds the log and the state.
    pub(crate) disk: SimDisk,
}

/// Why a node ended, or did not start.
#[derive(Debug, Clone)]
pub(crate) struct NodeEnd {
    /// The reason, for people.
    pub(crate) how: String,
    /// Whether its data or its leader is of a later version.
    pub(crate) is_newer: bool,
    /// Whether it ended for good: it says that the cluster has removed it.
    pub(crate) is_removed: bool,
}

/// The replica of a node at one moment.
pub(crate) struct ReplicaView {
    /// The last membership that it knows to be committed.
    pub(crate) members: Option<CommittedMembers>,
    /// The term in which it, as the leader, last began to hand over; 0 for none.
    pub(crate) handed_over: u64,
    /// The feature level of the cluster, as of its state.
    pub(crate) level: u32,
}

/// A running node.
pub(crate) trait SimServer: Send + Sync {
    /// Its own status.
    fn status(&self) -> NodeStatus;

    /// The cluster of its replica, while it has one.
    fn cluster(&self) -> Option<ClusterId>;

    /// Whether it claims to lead.
    fn leads(&self) -> bool;

    /// Its replica, unless its storage is poisoned: then it serves no requests.
    fn replica(&self) -> Option<ReplicaView>;

    /// Its applied state.
    fn state(&self) -> Option<AppliedState>;

    /// Founds a cluster.
    fn found(&self) -> BoxFuture<'_, Result<ClusterId, String>>;

    /// Asks it to stop, as the service manager does: it hands over, and finishes what it has begun.
    fn stop(&self);

    /// Waits until it has ended.
    fn closed(&self) -> BoxFuture<'_, NodeEnd>;
}
