//! The client of a cluster.
//!
//! Validates arguments, wraps them into requests and unwraps the responses. Which
//! node receives a request is decided in [`crate::routing`], what follows a failure
//! in [`crate::retry`].

mod backup;
mod builder;
mod history;
mod keys;
mod nodes;
mod transactions;
mod watch;

use std::{sync::Arc, time::Duration};

use coffee_common::{
    id::{Address, ClusterId, RequestId},
    protocol::{Request, Response},
    tls::Credentials,
};

pub use self::{
    backup::Backup,
    builder::ClientBuilder,
    history::{HistoryOptions, KeyHistory, PastPage},
    keys::{GetResult, Page, PageOptions, Written},
    nodes::{Booted, CanStop, ClusterList, FoundedCluster, NodeLogLevel, Transferred},
    transactions::DeletedPart,
    watch::{ChangesPage, KeyChange, RevisionChanges, Watch, WatchEvent, WatchOptions},
};
use crate::{call::Call, cluster_cache::ClusterCache, error::Error, routing::Routes, shared::ClientShared};

/// A client of one cluster.
///
/// Cheap to clone; clones share connections and what the client has learned about
/// the cluster. Each call finds the leader if it needs one, retries on other nodes
/// when one fails, and ends within the timeout. Calls may be dropped at any time,
/// but the cluster may execute a dropped request.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<ClientShared>,
    timeout: Duration,
    /// Calls do not wait for a quorum.
    needs_quorum: bool,
}

impl Client {
    /// Returns a builder.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Returns the same client with another timeout per call.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// Returns the same client, whose calls fail with [`Error::NoQuorum`] as soon as no endpoint
    /// reaches a quorum. By default they wait for one until their timeout.
    #[must_use]
    pub fn needing_quorum(&self) -> Self {
        Self { needs_quorum: true, ..self.clone() }
    }

    /// Returns the timeout per call.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns the id of the only cluster that this client uses: the one that it was given, or the first
    /// one that it has met. `None` before that.
    pub fn cluster_id(&self) -> Option<ClusterId> {
        self.shared.cache.cluster()
    }

    /// Returns a client that asks only the node at `address`, with the same credentials,
    /// timeout and, if known, cluster. The node forwards requests that only the leader can execute.
    ///
    /// # Errors
    /// [`Error::Setup`] if the system provides no random numbers.
    pub fn at(&self, address: Address) -> Result<Self, Error> {
        let client = builder::random_client_id()?;
        let cache = ClusterCache::new(Routes::new([address], false), client, self.shared.cache.cluster());
        Ok(Self {
            shared: Arc::new(ClientShared::new(self.shared.endpoint.clone(), cache)),
            timeout: self.timeout,
            needs_quorum: self.needs_quorum,
        })
    }

    /// Returns a request id for [`Client::write`].
    ///
    /// Store it before the write: with it the write can be retried, even by another
    /// process, and still takes effect at most once.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Identity`] if the client has not reached any
    /// node yet and cannot reach one now.
    pub async fn new_request_id(&self) -> Result<RequestId, Error> {
        if !self.shared.cache.ids().have_heard() {
            // Any connected node says which revision the cluster has reached.
            self.ask(Request::Ping).await?;
        }
        Ok(self.shared.cache.ids().draw())
    }

    /// Sends any request of the protocol, and retries it where that is safe. A
    /// [`Request::Write`] or a [`Request::Transact`] may have been sent before under its id.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Invalid`] for [`Request::Backup`], which needs
    /// [`Client::backup`].
    #[doc(hidden)]
    pub async fn ask(&self, request: Request) -> Result<Response, Error> {
        check(&request)?;
        let call = Call::new(&self.shared, request, self.timeout);
        let (response, _) = call.needing_quorum(self.needs_quorum).run().await?;
        Ok(response)
    }

    /// As [`Self::ask`], for a write that was not sent before. It is sent under a new id in place of
    /// its own; `named` receives the id first, as in [`Client::batch_named`].
    ///
    /// # Errors
    /// As [`Self::ask`].
    #[doc(hidden)]
    pub async fn ask_as_new(
        &self,
        write: Request,
        mut named: impl FnMut(RequestId) + Send,
    ) -> Result<Response, Error> {
        check(&write)?;
        let call = Call::unnamed(&self.shared, write, self.timeout);
        let call = call.needing_quorum(self.needs_quorum).on_request_id(&mut named);
        let (response, _) = call.run().await?;
        Ok(response)
    }

    /// Uses other credentials from the next connection on.
    ///
    /// This applies to all clients that share the QUIC endpoint. Existing connections
    /// stay open, except to nodes whose certificate the new credentials reject;
    /// requests in flight on those are retried.
    ///
    /// # Errors
    /// [`Error::Setup`] if the credentials cannot be used.
    pub fn renew(&self, credentials: &Credentials) -> Result<(), Error> {
        let ended = self.shared.endpoint.reload(credentials);
        ended.map(drop).map_err(|error| Error::Setup(error.to_string()))
    }

    /// Closes the connections of this client, its clones and all clients that share its
    /// QUIC endpoint. Their watches and calls end: with [`Error::Closed`], unless the outcome is
    /// unknown.
    ///
    /// Waits up to a second for the nodes to acknowledge this. Without it they notice
    /// within seconds.
    pub async fn close(self) {
        self.shared.endpoint.close("closed by the client").await;
    }
}

/// Checks the limits of a request.
fn check(request: &Request) -> Result<(), Error> {
    match request {
        Request::Write { batch, .. } => Ok(batch.check()?),
        Request::Transact { transaction, .. } => {
            transaction.check().map_err(|error| Error::Invalid(error.to_string()))
        }
        Request::Backup { .. } => {
            Err(Error::Invalid("a backup needs Client::backup, because its response is a file".into()))
        }
        _ => Ok(()),
    }
}
