//! Builds a client.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    id::{Address, ClientId, ClusterId},
    quic::{Endpoint, EndpointOptions},
    tls::Credentials,
};

use super::Client;
use crate::{cluster_cache::ClusterCache, error::Error, routing::Routes, shared::ClientShared, timing};

/// Builds a [`Client`]; created by [`Client::builder`].
#[derive(Debug)]
pub struct ClientBuilder {
    endpoints: Vec<Address>,
    credentials: Option<Credentials>,
    quic: Option<Endpoint>,
    options: EndpointOptions,
    timeout: Duration,
    follow_leader: bool,
    client_id: Option<ClientId>,
    cluster: Option<ClusterId>,
}

impl ClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            endpoints: Vec::new(),
            credentials: None,
            quic: None,
            options: EndpointOptions::default(),
            timeout: timing::CALL_TIMEOUT,
            follow_leader: true,
            client_id: None,
            cluster: None,
        }
    }

    /// Adds nodes to contact, preferred ones first. One reachable node is enough: the
    /// client learns the leader's address from it.
    #[must_use]
    pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = Address>) -> Self {
        self.endpoints.extend(endpoints);
        self
    }

    /// Sets the client's certificate and key, and the CA that it trusts.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Sets the timeout per call. The default is 5 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets whether to send requests directly to the leader, wherever it is (the
    /// default), or only to the given endpoints, which forward them.
    #[must_use]
    pub fn follow_leader(mut self, follow: bool) -> Self {
        self.follow_leader = follow;
        self
    }

    /// Sets options of the QUIC endpoint.
    #[must_use]
    pub fn endpoint_options(mut self, options: EndpointOptions) -> Self {
        self.options = options;
        self
    }

    /// Dials with this QUIC endpoint and its credentials instead of a new one.
    #[must_use]
    pub fn quic(mut self, endpoint: Endpoint) -> Self {
        self.quic = Some(endpoint);
        self
    }

    /// Sets the only cluster that the client uses. By default it is that of the first node which
    /// is reached and belongs to one; nodes of other clusters are not used.
    #[must_use]
    pub fn cluster(mut self, cluster: ClusterId) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// Sets the client id instead of a random one, for simulations that must be
    /// repeatable. Two clients with the same id would confuse each other's writes.
    #[must_use]
    pub fn client_id(mut self, id: ClientId) -> Self {
        self.client_id = Some(id);
        self
    }

    /// Builds the client. Does not connect yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Setup`] if endpoints or credentials are missing or unusable.
    pub fn build(self) -> Result<Client, Error> {
        if self.endpoints.is_empty() {
            return Err(Error::Setup("a client needs at least one endpoint".into()));
        }
        let endpoint = match (self.quic, self.credentials) {
            (Some(endpoint), _) => endpoint,
            (None, Some(credentials)) => Endpoint::dial_only(&credentials, &self.options)
                .map_err(|error| Error::Setup(error.to_string()))?,
            (None, None) => return Err(Error::Setup("a client needs credentials".into())),
        };
        let client = self.client_id.map_or_else(random_client_id, Ok)?;
        let cache = ClusterCache::new(Routes::new(self.endpoints, self.follow_leader), client, self.cluster);
        let shared = Arc::new(ClientShared::new(endpoint, cache));
        Ok(Client { shared, timeout: self.timeout, needs_quorum: false })
    }
}

pub(super) fn random_client_id() -> Result<ClientId, Error> {
    ClientId::random()
        .map_err(|error| Error::Setup(format!("the system provides no random numbers: {error}")))
}
