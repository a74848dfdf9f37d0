//! Sets up a client.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    id::{Address, ClientId},
    quic::{Endpoint, EndpointOptions},
    tls::Credentials,
};

use super::Client;
use crate::{cluster_cache::ClusterCache, error::Error, routing::Routes, shared::ClientShared, timing};

/// Sets up a [`Client`]; made by [`Client::builder`].
#[derive(Debug)]
pub struct ClientBuilder {
    endpoints: Vec<Address>,
    credentials: Option<Credentials>,
    quic: Option<Endpoint>,
    options: EndpointOptions,
    timeout: Duration,
    follow_leader: bool,
    client_id: Option<ClientId>,
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
        }
    }

    /// Nodes to begin with, the preferred ones first. One that can be reached
    /// is enough: the client learns of the leader from it.
    #[must_use]
    pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = Address>) -> Self {
        self.endpoints.extend(endpoints);
        self
    }

    /// The client's certificate and key, and the CA that it believes.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// How long a call may take: 5 seconds, unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether to go straight to the leader, wherever it is (the default), or
    /// to keep to the given endpoints and let them pass requests on.
    #[must_use]
    pub fn follow_leader(mut self, follow: bool) -> Self {
        self.follow_leader = follow;
        self
    }

    /// How the QUIC endpoint behaves.
    #[must_use]
    pub fn endpoint_options(mut self, options: EndpointOptions) -> Self {
        self.options = options;
        self
    }

    /// Dials with this endpoint, and its credentials, instead of one of its own.
    #[must_use]
    pub fn quic(mut self, endpoint: Endpoint) -> Self {
        self.quic = Some(endpoint);
        self
    }

    /// Gives the client an id instead of a random one: for simulations, which
    /// have to be repeatable. Two clients of one id would take each other's
    /// writes for their own.
    #[must_use]
    pub fn client_id(mut self, id: ClientId) -> Self {
        self.client_id = Some(id);
        self
    }

    /// The client. Connects nowhere yet. To be called within a tokio runtime.
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
        let cache = ClusterCache::new(Routes::new(self.endpoints, self.follow_leader), client);
        Ok(Client { shared: Arc::new(ClientShared::new(endpoint, cache)), timeout: self.timeout })
    }
}

pub(super) fn random_client_id() -> Result<ClientId, Error> {
    ClientId::random().map_err(|error| Error::Setup(format!("no random numbers: {error}")))
}
