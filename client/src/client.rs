//! The client: what a program asks of a cluster.
//!
//! Checks what it is given, wraps it into requests, and unwraps the answers.
//! How a request finds its node, and what happens when it does not, is
//! decided elsewhere ([`crate::routing`], [`crate::retry`]).

mod backup;
mod builder;
mod keys;
mod nodes;

use std::{sync::Arc, time::Duration};

use coffee_common::{
    id::{Address, RequestId},
    protocol::{Request, Response},
    tls::Credentials,
};

pub use self::{
    backup::Backup,
    builder::ClientBuilder,
    keys::{Page, PageOptions, Reading, Written},
    nodes::{Booted, CanStop, NodeLogLevel, Transferred},
};
use crate::{call::Call, cluster_cache::ClusterCache, error::Error, routing::Routes, shared::ClientShared};

/// A client of one cluster.
///
/// Cheap to clone; clones share connections and what was learned of the
/// cluster. Each call finds the leader if it needs it, tries other nodes when
/// one fails, and ends within the timeout. A call may be dropped at any time;
/// what it asked for may happen all the same.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<ClientShared>,
    timeout: Duration,
}

impl Client {
    /// Begins to set up a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// The same client with another timeout for its calls.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), timeout }
    }

    /// How long a call may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A client that asks the node at this address and no other, with the same
    /// credentials and timeout. The node passes on what only the leader can do.
    pub fn at(&self, address: Address) -> Result<Self, Error> {
        let client = builder::random_client_id()?;
        let cache = ClusterCache::new(Routes::new([address], false), client);
        Ok(Self {
            shared: Arc::new(ClientShared::new(self.shared.endpoint.clone(), cache)),
            timeout: self.timeout,
        })
    }

    /// A request id for a write, to be kept before the write is made: with it
    /// the write can be tried again, even by another process, and is done once.
    pub async fn new_request_id(&self) -> Result<RequestId, Error> {
        if !self.shared.cache.ids().have_heard() {
            // Whatever node is connected to says what the cluster has reached.
            self.ask(Request::Ping).await?;
        }
        Ok(self.shared.cache.ids().draw())
    }

    /// Asks anything, as the protocol has it. Where the request is safe to
    /// send again it is; a write counts as sent before, perhaps, under its id.
    pub async fn ask(&self, request: Request) -> Result<Response, Error> {
        if let Request::Write { batch, .. } = &request {
            batch.check()?;
        }
        if let Request::Backup { .. } = &request {
            return Err(Error::Invalid("a backup is more than an answer: ask with Client::backup".into()));
        }
        let (response, _) = Call::new(&self.shared, request, self.timeout).run().await?;
        Ok(response)
    }

    /// Shows and believes other credentials from the next connection on, and so
    /// do its clones and all clients that share its QUIC endpoint. Connections
    /// that exist go on, but for those to nodes that are not to be believed any
    /// more; what was in flight on these is tried again.
    pub fn renew(&self, credentials: &Credentials) -> Result<(), Error> {
        let ended = self.shared.endpoint.reload(credentials);
        ended.map(drop).map_err(|error| Error::Setup(error.to_string()))
    }

    /// Closes the connections of this client, its clones, and all clients that
    /// share its QUIC endpoint, and waits, for at most a second, until the
    /// nodes have heard. Without it they notice within seconds.
    pub async fn close(self) {
        self.shared.endpoint.close("the client is done").await;
    }
}
