//! The state that all client connections of a node share.

use std::sync::Arc;

use coffee_common::limits::BACKUPS_AT_ONCE_MAX;
use tokio::sync::Semaphore;

use super::{admission::WriteAdmission, clients::Clients, in_flight::InFlight, slots::WatchCounts};
use crate::{
    config::Limits,
    node::Node,
    ops::{membership::MembershipManager, reads::Reads},
};

/// The node, its operations, and its bounds on clients.
pub struct Service {
    pub(crate) node: Arc<Node>,
    pub(crate) reads: Reads,
    pub(crate) membership: MembershipManager,
    pub(crate) in_flight: InFlight,
    /// Bounds what each client leaves with the node.
    pub(crate) clients: Clients,
    /// Bounds the writes that are not committed yet.
    pub(crate) writes: WriteAdmission,
    /// One permit per backup in progress.
    pub(crate) backups: Arc<Semaphore>,
    /// The watches of all clients that wait.
    pub(crate) watches: Arc<WatchCounts>,
}

impl Service {
    /// Creates the service of a node.
    pub fn new(node: Arc<Node>, reads: Reads, membership: MembershipManager) -> Arc<Self> {
        Arc::new(Self {
            node,
            reads,
            membership,
            in_flight: InFlight::default(),
            clients: Clients::default(),
            writes: WriteAdmission::default(),
            backups: Arc::new(Semaphore::new(BACKUPS_AT_ONCE_MAX)),
            watches: Arc::default(),
        })
    }

    /// Applies the limits of writes from now on.
    pub fn set_limits(&self, limits: &Limits) {
        self.writes.set_max(limits.write_bytes_in_flight_max);
    }

    /// Rejects further requests: they are answered that this node is stopping.
    pub fn close(&self) {
        self.in_flight.close();
    }

    /// Waits until all admitted requests are answered.
    pub async fn drained(&self) {
        self.in_flight.drained().await;
    }
}
