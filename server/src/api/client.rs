//! The client protocol (ALPN `coffee/1`), from the side of the node that answers.
//!
//! Decodes, admits, calls the operations, encodes. Knows nothing of consensus
//! or storage, and nothing of the peer protocol. Guards that every request is
//! answered once and honestly, that each is judged by its caller's role
//! (`access`), and that what is in flight is bounded: for each connection in
//! number, for the node in bytes.

mod access;
mod answer;
mod backup;
mod budget;
mod connection;
mod dispatch;
mod gate;
mod read;
mod stream;
mod writes;

use std::sync::{Arc, atomic::AtomicU64};

use coffee_common::{limits::BACKUPS_AT_ONCE_MAX, protocol::Welcome, quic::Connection};
use tokio::sync::Semaphore;

use self::{budget::Budget, gate::Gate};
use crate::{
    node::{Node, VERSION},
    ops::{membership::MembershipManager, reads::Reads},
};

/// Answers clients. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    node: Arc<Node>,
    reads: Reads,
    membership: MembershipManager,
    gate: Gate,
    /// For proposals that are not committed yet.
    budget: Budget,
    /// For backups that are under way.
    backups: Arc<Semaphore>,
    /// How often a client did not keep to the protocol.
    offences: AtomicU64,
}

impl Api {
    /// Answers for a node.
    pub fn new(node: Arc<Node>, reads: Reads, membership: MembershipManager) -> Self {
        Self(Arc::new(Inner {
            node,
            reads,
            membership,
            gate: Gate::default(),
            budget: Budget::default(),
            backups: Arc::new(Semaphore::new(BACKUPS_AT_ONCE_MAX)),
            offences: AtomicU64::new(0),
        }))
    }

    /// Has at most so many bytes of writes in flight from now on.
    pub fn set_write_bytes_in_flight_max(&self, max: usize) {
        self.0.budget.set_max(max);
    }

    /// Serves one connection until it ends.
    pub async fn serve(&self, connection: Connection) {
        connection::serve(self, connection).await;
    }

    /// Takes no further requests: they are answered that this node is stopping.
    pub fn close(&self) {
        self.0.gate.close();
    }

    /// Waits until every request that was taken has been answered.
    pub async fn drained(&self) {
        self.0.gate.drained().await;
    }

    fn welcome(&self) -> Welcome {
        let node = &self.0.node;
        let replica = node.replica();
        Welcome {
            node: node.name().clone(),
            version: VERSION.to_owned(),
            cluster: replica.as_ref().map(|replica| replica.cluster()),
            applied: replica.as_ref().map(|replica| replica.state().applied()).unwrap_or_default(),
            leader: replica.and_then(|replica| replica.leader_hint()),
            lease_ms: u32::try_from(node.lease().as_millis()).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests;
