//! The state that survives from one command to the next at the prompt: the
//! client, once it is needed, and node names for completion.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_client::Client;
use coffee_common::{
    id::{NodeName, RequestId},
    protocol::ClusterView,
};

use crate::{
    cluster_ref::ClusterRef,
    credentials,
    exit::ExitCode,
    failure::{self, Failure},
    options::ConnectionOptions,
    words::Spoken,
};

/// How long closing may take: enough to send a packet.
const GOODBYE: Duration = Duration::from_millis(50);

/// Known node names, for completion.
pub(crate) type Names = Arc<Mutex<BTreeSet<String>>>;

/// A connection to a cluster, opened when it is first needed.
pub struct ClientSession {
    connection: ConnectionOptions,
    client: Mutex<Option<Client>>,
    /// The command that repeats the write in flight, if it is interrupted.
    writing: Mutex<Option<String>>,
    /// Hint on how to clean up after the running command, if it is interrupted.
    traces: Mutex<Option<String>>,
    names: Names,
}

impl ClientSession {
    /// Creates a session. Does not connect yet.
    pub fn new(connection: ConnectionOptions) -> Self {
        Self {
            connection,
            client: Mutex::default(),
            writing: Mutex::default(),
            traces: Mutex::default(),
            names: Names::default(),
        }
    }

    /// Returns the nodes to contact and the credentials.
    pub fn connection(&self) -> &ConnectionOptions {
        &self.connection
    }

    /// Replaces the connection options, and the client if they differ.
    pub fn set_connection(&mut self, connection: ConnectionOptions) {
        if self.connection != connection {
            self.connection = connection;
            *lock(&self.client) = None;
        }
    }

    /// Returns the session's client with this timeout. Connects if necessary.
    pub(crate) fn client(&self, timeout: Duration) -> Result<Client, Failure> {
        let mut kept = lock(&self.client);
        let client = match &*kept {
            Some(client) => client.clone(),
            None => kept.insert(self.connect()?).clone(),
        };
        Ok(client.with_timeout(timeout))
    }

    /// Returns a new client with its own connections. The caller must close it.
    pub(crate) fn another_client(&self, timeout: Duration) -> Result<Client, Failure> {
        Ok(self.connect()?.with_timeout(timeout))
    }

    fn connect(&self) -> Result<Client, Failure> {
        let credentials = credentials::load(&self.connection.credentials)?;
        if let Some(ClusterRef::Name(wanted)) = &self.connection.cluster
            && wanted != credentials.cluster()
        {
            let found = credentials.cluster();
            return Err(Failure::new(
                ExitCode::Denied,
                format!("the certificate is for cluster {found}, not {wanted}"),
            )
            .hint("name the directory with the certificates of the cluster: --certs DIR"));
        }
        let endpoints = self.connection.endpoints.iter().cloned();
        let builder = Client::builder().endpoints(endpoints).credentials(credentials);
        let builder = match &self.connection.cluster {
            Some(ClusterRef::Id(cluster)) => builder.cluster(*cluster),
            // Nodes of another name are refused in the handshake.
            Some(ClusterRef::Name(_)) | None => builder,
        };
        Ok(builder.build()?)
    }

    /// Closes the connections. Waits for a short time only: an unreachable node never
    /// answers.
    pub async fn close(&self) {
        let client = lock(&self.client).take();
        if let Some(client) = client {
            let _ = tokio::time::timeout(GOODBYE, client.close()).await;
        }
    }

    /// Records that a write with this id is about to be sent.
    pub(crate) fn begin_write(&self, request: RequestId, spoken: &Spoken) {
        let repeat = failure::repeat(spoken, request);
        *lock(&self.writing) = Some(repeat);
    }

    /// Records that no write is in flight. Returns the command that repeats the last one.
    pub(crate) fn end_write(&self) -> Option<String> {
        lock(&self.writing).take()
    }

    /// Records how to clean up if the command is interrupted.
    pub(crate) fn begin_traces(&self, hint: impl Into<String>) {
        *lock(&self.traces) = Some(hint.into());
    }

    /// Records that nothing is left to clean up. Returns the hint if something was.
    pub(crate) fn end_traces(&self) -> Option<String> {
        lock(&self.traces).take()
    }

    /// Adds the nodes of the view to the names for completion.
    pub(crate) fn remember_names(&self, view: &ClusterView) {
        self.add_names(view.nodes.iter().map(|node| &node.name));
    }

    /// Adds node names for completion.
    pub fn add_names<'a>(&self, names: impl IntoIterator<Item = &'a NodeName>) {
        lock(&self.names).extend(names.into_iter().map(ToString::to_string));
    }

    /// Returns the known node names.
    pub(crate) fn names(&self) -> Names {
        self.names.clone()
    }
}

/// Locks, ignoring poison: no code panics while it holds one of these locks, and
/// their content is consistent between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
