//! The client protocol (ALPN `coffee/1`): the serving side.
//!
//! Decodes requests, hands them to the service, and encodes the responses. Writes that arrived
//! together stay together. Knows nothing of consensus, storage or the peer protocol.
//!
//! Guards that each request gets exactly one honest response.

mod backup;
mod connection;
mod context;
mod incoming;
mod link;
mod responder;
mod state;
mod stream;
mod welcome;
mod writes;

use std::sync::{Arc, atomic::AtomicU64};

use coffee_common::quic::Connection;

use self::context::ApiContext;
use crate::service::Service;

/// Serves clients. Clones share their state.
#[derive(Clone)]
pub struct Api(Arc<ApiContext>);

impl Api {
    /// Serves clients of this protocol with the service of a node.
    pub fn new(service: Arc<Service>) -> Self {
        Self(Arc::new(ApiContext { service, protocol_errors: AtomicU64::new(0) }))
    }

    /// Serves a connection until it ends.
    pub async fn serve(&self, connection: Connection) {
        connection::serve(&self.0, connection).await;
    }
}

#[cfg(test)]
mod tests;
