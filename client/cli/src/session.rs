//! What lasts from one command to the next at the prompt: the client, once
//! it is needed, and what is worth remembering between lines.

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
    credentials,
    failure::{self, Failure},
    options::ConnectionOptions,
    words::Spoken,
};

/// Long enough for a packet to leave.
const GOODBYE: Duration = Duration::from_millis(50);

/// The names of nodes that were heard of, for completion.
pub(crate) type Names = Arc<Mutex<BTreeSet<String>>>;

/// A connection to a cluster, made when it is first needed.
pub struct ClientSession {
    connection: ConnectionOptions,
    client: Mutex<Option<Client>>,
    /// How to repeat the write that is under way, should it be given up.
    writing: Mutex<Option<String>>,
    /// What the command under way leaves behind, should it be given up.
    traces: Mutex<Option<String>>,
    names: Names,
}

impl ClientSession {
    /// Connects to nobody yet.
    pub fn new(connection: ConnectionOptions) -> Self {
        Self {
            connection,
            client: Mutex::default(),
            writing: Mutex::default(),
            traces: Mutex::default(),
            names: Names::default(),
        }
    }

    /// Whom it connects to.
    pub fn connection(&self) -> &ConnectionOptions {
        &self.connection
    }

    /// Connects to others from now on.
    pub fn set_connection(&mut self, connection: ConnectionOptions) {
        if self.connection != connection {
            self.connection = connection;
            *lock(&self.client) = None;
        }
    }

    /// A client that gives up after `timeout`.
    pub(crate) fn client(&self, timeout: Duration) -> Result<Client, Failure> {
        let mut kept = lock(&self.client);
        let client = match &*kept {
            Some(client) => client.clone(),
            None => kept.insert(self.connect()?).clone(),
        };
        Ok(client.with_timeout(timeout))
    }

    /// A client with connections of its own. Nobody keeps it: close it.
    pub(crate) fn another_client(&self, timeout: Duration) -> Result<Client, Failure> {
        Ok(self.connect()?.with_timeout(timeout))
    }

    fn connect(&self) -> Result<Client, Failure> {
        let credentials = credentials::load(&self.connection.credentials)?;
        let endpoints = self.connection.endpoints.iter().cloned();
        Ok(Client::builder().endpoints(endpoints).credentials(credentials).build()?)
    }

    /// Says goodbye to the nodes, and waits no longer than it takes to say it:
    /// one that is not there will not answer.
    pub async fn close(&self) {
        let client = lock(&self.client).take();
        if let Some(client) = client {
            let _ = tokio::time::timeout(GOODBYE, client.close()).await;
        }
    }

    /// Notes that a write is about to be sent under this id.
    pub(crate) fn begin_write(&self, request: RequestId, spoken: &Spoken) {
        let repeat = failure::repeat(spoken, request);
        *lock(&self.writing) = Some(repeat);
    }

    /// Notes that no write is under way any more; says how to repeat the one that was.
    pub(crate) fn end_write(&self) -> Option<String> {
        lock(&self.writing).take()
    }

    /// Notes that there will be something to clean up, and how.
    pub(crate) fn begin_traces(&self, hint: impl Into<String>) {
        *lock(&self.traces) = Some(hint.into());
    }

    /// Notes that it was cleaned up; says how to, if it was not.
    pub(crate) fn end_traces(&self) -> Option<String> {
        lock(&self.traces).take()
    }

    /// Remembers which nodes there are, to complete their names.
    pub(crate) fn remember_names(&self, view: &ClusterView) {
        self.add_names(view.nodes.iter().map(|node| &node.name));
    }

    /// Adds to the names of nodes that can be completed.
    pub fn add_names<'a>(&self, names: impl IntoIterator<Item = &'a NodeName>) {
        lock(&self.names).extend(names.into_iter().map(ToString::to_string));
    }

    /// The names of nodes that were heard of.
    pub(crate) fn names(&self) -> Names {
        self.names.clone()
    }
}

/// Nothing of ours panics while it holds one of these locks; and what they
/// guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
