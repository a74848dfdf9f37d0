//! The listeners for nodes and clients: QUIC, and HTTP if configured.
//!
//! Guards that both have the same credentials and limits.

use std::{io, net::SocketAddr, sync::Arc};

use coffee_common::{
    id::ClientId,
    protocol::Identity,
    quic::{Endpoint, EndpointError},
    tls::Credentials,
};

use super::StartError;
use crate::{api::http::HttpDoor, config::Limits, service::Service};

/// The listeners of a node. Clones share them.
#[derive(Clone)]
pub(super) struct Listeners {
    pub(super) endpoint: Endpoint,
    door: Option<Arc<HttpDoor>>,
}

impl Listeners {
    /// QUIC alone.
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, door: None }
    }

    /// Listens for HTTP too, if an address is configured.
    pub(super) async fn with_door(
        self,
        address: Option<SocketAddr>,
        service: &Arc<Service>,
    ) -> Result<Self, StartError> {
        let Some(address) = address else { return Ok(self) };
        let failed = |source| StartError::Http { address, source };
        let client = ClientId::random().map_err(|error| failed(io::Error::other(error.to_string())))?;
        let credentials = self.endpoint.credentials();
        let door = HttpDoor::listen(address, &credentials, Arc::clone(service), client).await;
        let door = door.map_err(failed)?;
        tracing::info!(address = %door.address(), "listening for HTTP with TLS");
        Ok(Self { door: Some(Arc::new(door)), ..self })
    }

    /// The address of the HTTP door, with the actual port.
    pub(super) fn http_address(&self) -> Option<SocketAddr> {
        self.door.as_ref().map(|door| door.address())
    }

    /// Replaces the credentials for future connections. Returns the peers whose connections end since the
    /// new ones do not accept them.
    ///
    /// # Errors
    /// The credentials cannot be used; nothing has changed.
    pub(super) fn reload(&self, credentials: &Credentials) -> Result<Vec<Identity>, EndpointError> {
        let mut ended = self.endpoint.reload(credentials)?;
        match self.door.as_ref().map(|door| door.reload(credentials)) {
            None => {}
            Some(Ok(more)) => ended.extend(more),
            Some(Err(error)) => tracing::error!(%error, "HTTP keeps the previous credentials"),
        }
        Ok(ended)
    }

    /// Applies new limits.
    pub(super) fn set_limits(&self, limits: &Limits) {
        self.endpoint.set_connections_max(limits.connections_max);
        self.endpoint.set_connections_per_client_max(limits.connections_per_client_max);
        if let Some(door) = &self.door {
            door.set_connections_per_client_max(limits.connections_per_client_max);
        }
    }

    /// Accepts no new connections.
    pub(super) fn stop_accepting(&self) {
        self.endpoint.stop_accepting();
        if let Some(door) = &self.door {
            door.stop_accepting();
        }
    }

    /// Closes every connection, and tells the peers that this node stops as planned.
    pub(super) async fn stop(&self, reason: &str) {
        tokio::join!(self.endpoint.stop(reason), self.close_door());
    }

    /// Closes every connection, and tells the peers `reason`.
    pub(super) async fn close(&self, reason: &str) {
        tokio::join!(self.endpoint.close(reason), self.close_door());
    }

    async fn close_door(&self) {
        if let Some(door) = &self.door {
            door.close().await;
        }
    }
}
