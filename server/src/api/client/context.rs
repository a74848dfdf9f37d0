//! The state that all client connections of a node share.

use std::sync::{Arc, atomic::AtomicU64};

use coffee_common::{limits::BACKUPS_AT_ONCE_MAX, protocol::Welcome, protocol_versions::ProtocolVersions};
use tokio::sync::Semaphore;

use super::{admission::WriteAdmission, clients::Clients, in_flight::InFlight, slots::WatchCounts};
use crate::{
    node::{Node, VERSION},
    ops::{membership::MembershipManager, reads::Reads},
};

/// The node, its operations, and its bounds on clients.
pub(super) struct ApiContext {
    pub(super) node: Arc<Node>,
    pub(super) reads: Reads,
    pub(super) membership: MembershipManager,
    pub(super) in_flight: InFlight,
    /// Bounds what each client leaves with the node.
    pub(super) clients: Clients,
    /// Bounds the writes that are not committed yet.
    pub(super) writes: WriteAdmission,
    /// One permit per backup in progress.
    pub(super) backups: Arc<Semaphore>,
    /// The watches of all clients that wait.
    pub(super) watches: Arc<WatchCounts>,
    /// Connections that were closed for breaking the protocol.
    pub(super) protocol_errors: AtomicU64,
}

impl ApiContext {
    pub(super) fn new(node: Arc<Node>, reads: Reads, membership: MembershipManager) -> Self {
        Self {
            node,
            reads,
            membership,
            in_flight: InFlight::default(),
            clients: Clients::default(),
            writes: WriteAdmission::default(),
            backups: Arc::new(Semaphore::new(BACKUPS_AT_ONCE_MAX)),
            watches: Arc::default(),
            protocol_errors: AtomicU64::new(0),
        }
    }

    /// Returns the first message of a connection.
    pub(super) fn welcome(&self) -> Welcome {
        let node = &self.node;
        let replica = node.replica();
        Welcome {
            node: node.name().clone(),
            version: VERSION.to_owned(),
            // A client must not keep to the cluster of a node that was left out of a restore.
            cluster: replica
                .as_ref()
                .filter(|replica| replica.left_out().is_none())
                .map(|replica| replica.cluster()),
            applied: replica.as_ref().map(|replica| replica.state().applied()).unwrap_or_default(),
            leader: replica.and_then(|replica| replica.leader_hint()),
            lease_ms: u32::try_from(node.lease().as_millis()).unwrap_or(u32::MAX),
            versions: ProtocolVersions::OWN,
            #[cfg(coffee_future)]
            future_note: 7,
        }
    }
}
