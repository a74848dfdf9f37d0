//! The client protocol (ALPN `coffee/1`): the serving side.
//!
//! Decodes requests, authorizes and admits them, calls the operations, and encodes the responses.
//! Knows nothing of consensus, storage or the peer protocol.
//!
//! Guards that each request gets exactly one honest response, that it is authorized by its
//! originator's role (`access`), and that requests in flight are bounded: in number per
//! connection and client, in bytes per client and node.

mod access;
mod admission;
mod audit;
mod backup;
mod client_write;
mod clients;
mod connection;
mod context;
mod dispatch;
mod in_flight;
mod incoming;
mod key_access;
mod read;
mod responder;
mod slots;
mod state;
mod stream;
mod transactions;
mod watch;
mod writes;

use std::sync::Arc;

use coffee_common::quic::Connection;

use self::context::ApiContext;
use crate::{
    config::Limits,
    node::Node,
    ops::{membership::MembershipManager, reads::Reads},
};

/// Serves clients. Clones share their state.
#[derive(Clone)]
pub struct Api(Arc<ApiContext>);

impl Api {
    /// Creates the service of a node.
    pub fn new(node: Arc<Node>, reads: Reads, membership: MembershipManager) -> Self {
        Self(Arc::new(ApiContext::new(node, reads, membership)))
    }

    /// Applies the limits of writes from now on.
    pub fn set_limits(&self, limits: &Limits) {
        self.0.writes.set_max(limits.write_bytes_in_flight_max);
    }

    /// Serves a connection until it ends.
    pub async fn serve(&self, connection: Connection) {
        connection::serve(&self.0, connection).await;
    }

    /// Rejects further requests: they are answered that this node is stopping.
    pub fn close(&self) {
        self.0.in_flight.close();
    }

    /// Waits until all admitted requests are answered.
    pub async fn drained(&self) {
        self.0.in_flight.drained().await;
    }
}

#[cfg(test)]
mod tests;
