//! The state that all connections of the door share.

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize};

use coffee_common::{
    id::ClientId,
    limits::CONNECTIONS_PER_CLIENT_MAX,
    protocol::Identity,
    tls::{Credentials, tcp_server_config},
};
use tokio::sync::watch;
use tokio_rustls::rustls;

use super::{backend::DrawnRequestIds, connections::OpenConnections, handshakes::HandshakePlaces};
use crate::{metrics::HttpRejection, service::Service};

/// The protocols, the preferred one first.
const ALPNS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The state that all connections share.
pub(super) struct DoorContext {
    pub(super) service: Arc<Service>,
    pub(super) ids: Arc<DrawnRequestIds>,
    pub(super) closing: watch::Sender<bool>,
    pub(super) connections: OpenConnections,
    pub(super) handshakes: HandshakePlaces,
    pub(super) per_client_max: AtomicUsize,
    trust: Mutex<Trust>,
}

/// The credentials that clients are verified with.
#[derive(Clone)]
pub(super) struct Trust {
    credentials: Credentials,
    pub(super) config: Arc<rustls::ServerConfig>,
}

impl Trust {
    fn new(credentials: &Credentials) -> Result<Self, rustls::Error> {
        Ok(Self { credentials: credentials.clone(), config: tcp_server_config(credentials, &ALPNS)? })
    }
}

impl DoorContext {
    pub(super) fn new(
        service: Arc<Service>,
        client: ClientId,
        credentials: &Credentials,
    ) -> Result<Arc<Self>, rustls::Error> {
        Ok(Arc::new(Self {
            service,
            ids: Arc::new(DrawnRequestIds::new(client)),
            closing: watch::Sender::new(false),
            connections: OpenConnections::default(),
            handshakes: HandshakePlaces::default(),
            per_client_max: AtomicUsize::new(CONNECTIONS_PER_CLIENT_MAX),
            trust: Mutex::new(Trust::new(credentials)?),
        }))
    }

    /// Replaces the credentials for future connections, and returns the clients that they do not accept.
    pub(super) fn reload(&self, credentials: &Credentials) -> Result<Vec<Identity>, rustls::Error> {
        *self.trust.lock().unwrap_or_else(PoisonError::into_inner) = Trust::new(credentials)?;
        // A connection that is added after this is checked with the new ones.
        Ok(self.connections.recheck(credentials))
    }

    pub(super) fn trust(&self) -> Trust {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the present credentials.
    pub(super) fn credentials(&self) -> Credentials {
        self.trust().credentials
    }

    /// Counts and logs that a connection was rejected: one line per reason and power of two shows the cause
    /// and the rate without a flood.
    pub(super) fn note_rejected(&self, reason: HttpRejection, why: &str) {
        let counter = self.service.node.metrics().http.rejections(reason);
        counter.increment();
        let count = counter.get();
        if count.is_power_of_two() {
            tracing::warn!(reason = reason.name(), why, count, "HTTP connection rejected");
        }
    }
}

/// Waits until the door closes.
pub(super) async fn until_closing(closing: &mut watch::Receiver<bool>) {
    // An error means that the door is gone.
    let _ = closing.wait_for(|closing| *closing).await;
}
