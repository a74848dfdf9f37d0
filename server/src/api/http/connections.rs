//! The open connections of the door, and the places for them.
//!
//! Guards that no client takes the places of the others, that the last places are for admins, and that
//! no connection escapes a change of trust: one whose handshake began before is checked again.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use coffee_common::{
    id::NodeName,
    limits::HTTP_CONNECTIONS_MAX,
    protocol::{Identity, Role},
    tls::{CallerCertificate, Credentials},
};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::{metrics::HttpRejection, service::link::ClientLink};

/// Places that only admins get.
const ADMIN_PLACES: usize = 16;

/// No client gets more than the fourth part of all places.
const CLIENTS_MIN: usize = 4;

/// The open connections. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenConnections(Arc<Mutex<OpenState>>);

#[derive(Debug, Default)]
struct OpenState {
    open: BTreeMap<u64, Weak<HttpConnection>>,
    clients: HashMap<(Role, NodeName), usize>,
    next: u64,
}

/// A connection with a verified client.
#[derive(Debug)]
pub(super) struct HttpConnection {
    pub(super) certificate: CallerCertificate,
    address: SocketAddr,
    /// Why it has to end; an empty reason once it has ended.
    end: watch::Sender<Option<String>>,
    /// Requests that were begun, and those that the client gave up.
    pub(super) begun: AtomicU64,
    pub(super) given_up: AtomicU64,
    /// Requests that have no response yet.
    pub(super) in_progress: AtomicU64,
    number: u64,
    all: OpenConnections,
}

impl OpenConnections {
    /// Adds a connection.
    ///
    /// # Errors
    /// There is no place for it: why not, and the same for the log.
    pub(super) fn add(
        &self,
        certificate: CallerCertificate,
        address: SocketAddr,
        per_client_max: usize,
    ) -> Result<Arc<HttpConnection>, (HttpRejection, String)> {
        let Identity { role, name, .. } = certificate.identity().clone();
        let per_client_max = per_client_max.min(HTTP_CONNECTIONS_MAX / CLIENTS_MIN);
        let mut state = self.state();
        let own = state.clients.get(&(role, name.clone())).copied().unwrap_or_default();
        if own >= per_client_max {
            let why = format!("{name} has {own} connections, as many as one client may have");
            return Err((HttpRejection::Client, why));
        }
        let places = match role {
            Role::Admin => HTTP_CONNECTIONS_MAX,
            _ => HTTP_CONNECTIONS_MAX - ADMIN_PLACES,
        };
        if state.open.len() >= places {
            return Err((HttpRejection::Node, "the HTTP connection limit is reached".to_owned()));
        }
        let number = state.next;
        state.next += 1;
        let connection = Arc::new(HttpConnection {
            certificate,
            address,
            end: watch::Sender::new(None),
            begun: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            in_progress: AtomicU64::new(0),
            number,
            all: self.clone(),
        });
        state.open.insert(number, Arc::downgrade(&connection));
        *state.clients.entry((role, name)).or_default() += 1;
        Ok(connection)
    }

    /// Ends the connections of clients that are not trusted any more, and returns these.
    pub(super) fn recheck(&self, credentials: &Credentials) -> Vec<Identity> {
        let open: Vec<_> = self.state().open.values().filter_map(Weak::upgrade).collect();
        let ended = open.iter().filter(|connection| !connection.recheck(credentials));
        ended.map(|connection| connection.peer().clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, OpenState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpConnection {
    /// Ends the connection if its client is not trusted any more. Returns whether it is.
    pub(super) fn recheck(&self, credentials: &Credentials) -> bool {
        match self.certificate.check_still_trusted(credentials) {
            Ok(()) => true,
            Err(problem) => {
                self.end(format!("the certificate of {}: {problem}", self.peer().name));
                false
            }
        }
    }

    /// Has the connection end.
    pub(super) fn end(&self, why: String) {
        self.end.send_if_modified(|end| {
            let is_first = end.is_none();
            end.get_or_insert(why);
            is_first
        });
    }

    /// Waits until the connection has to end, and returns why.
    pub(super) async fn ending(&self) -> String {
        let mut end = self.end.subscribe();
        // The sender is in `self`, so this cannot fail.
        end.wait_for(Option::is_some)
            .await
            .map_or_else(|_| String::new(), |end| end.clone().unwrap_or_default())
    }

    /// Notes that the client gave a request up. A client that does this with most of its many requests
    /// only makes work (CVE-2023-44487): its connection ends.
    pub(super) fn note_given_up(&self) {
        /// As many may be given up in any case.
        const GIVEN_UP_MIN: u64 = 128;
        let given_up = self.given_up.fetch_add(1, Ordering::Relaxed) + 1;
        if given_up > GIVEN_UP_MIN && 2 * given_up > self.begun.load(Ordering::Relaxed) {
            self.end(format!("{} gives up most of its requests", self.peer().name));
        }
    }
}

impl Drop for HttpConnection {
    fn drop(&mut self) {
        let client = (self.peer().role, self.peer().name.clone());
        let mut state = self.all.state();
        state.open.remove(&self.number);
        match state.clients.get_mut(&client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(state.clients.remove(&client)),
        }
    }
}

/// The connection as the service sees it.
pub(super) struct HttpLink(pub(super) Arc<HttpConnection>);

impl HttpConnection {
    /// The client.
    pub(super) fn peer(&self) -> &Identity {
        self.certificate.identity()
    }
}

impl ClientLink for HttpLink {
    fn peer(&self) -> &Identity {
        self.0.peer()
    }

    fn serial(&self) -> String {
        self.0.certificate.serial().to_owned()
    }

    fn address(&self) -> SocketAddr {
        self.0.address
    }

    fn is_closed(&self) -> bool {
        self.0.end.borrow().is_some()
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.0.ending().await;
        })
    }

    fn widen(&self) {}
}
