//! The clients of a node, and the share of it that each has: a client is a role and a name, and may
//! have many connections.
//!
//! Guards that what a client leaves with the node, and what it lets the node do at once, is bounded
//! for all of its connections together. Nodes act for many clients, so that of the nodes of the cluster is
//! not bounded.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak, atomic::AtomicUsize},
    time::Duration,
};

use coffee_common::{
    budget::{ByteBudget, ByteShare},
    id::NodeName,
    limits::{
        BACKUPS_AT_ONCE_MAX, CLIENT_REQUEST_BYTES_MAX, CLIENT_REQUESTS_IN_FLIGHT_MAX,
        CLIENT_RESPONSE_BYTES_MAX, CLIENTS_REQUEST_BYTES_MAX, CLIENTS_RESPONSE_BYTES_MAX,
        REQUEST_COMPLETE_WITHIN_S,
    },
    protocol::{Identity, Role},
};
use tokio::sync::Semaphore;

use super::slots::{SlotCount, WatchCounts};

/// The pages of ranges that a client has read at once: fewer than the node reads at once, so that
/// others do not wait for all that one has queued.
const RANGES_AT_ONCE_MAX: usize = 1;

/// The backups that a client reads at once: fewer than the node sends at once, for the same reason.
const CLIENT_BACKUPS_MAX: usize = 1;
const _: () = assert!(CLIENT_BACKUPS_MAX < BACKUPS_AT_ONCE_MAX);

/// How long a request may take to arrive, and a client not to read small responses.
pub(crate) const COMPLETE_WITHIN: Duration = Duration::from_secs(REQUEST_COMPLETE_WITHIN_S);

/// The clients that are connected, or have writes in flight.
pub(crate) struct Clients {
    request_bytes: ByteBudget,
    response_bytes: ByteBudget,
    shares: Mutex<HashMap<(Role, NodeName), Weak<ClientShare>>>,
    nodes: ClientShare,
}

/// The share of the node that a client may use.
#[derive(Debug)]
pub(crate) struct ClientShare {
    /// For its requests that are not complete.
    pub(crate) request_bytes: ByteShare,
    /// For its responses that are not received. Apart, so that a client that reads slowly can still
    /// send.
    pub(crate) response_bytes: ByteShare,
    /// Its requests in flight, and the most of them.
    pub(crate) slots: Arc<SlotCount>,
    pub(crate) requests_max: usize,
    /// The bytes of its writes in flight, over any connection and through any node. Set under the lock
    /// of the admission of writes.
    pub(crate) write_bytes: AtomicUsize,
    /// One permit per page of a range that is read for it.
    pub(crate) ranges: Semaphore,
    /// One permit per backup that it reads.
    pub(crate) backups: Semaphore,
    /// Its watches that wait.
    pub(crate) watches: Arc<WatchCounts>,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            request_bytes: ByteBudget::new(CLIENTS_REQUEST_BYTES_MAX),
            response_bytes: ByteBudget::new(CLIENTS_RESPONSE_BYTES_MAX),
            shares: Mutex::default(),
            nodes: ClientShare {
                request_bytes: ByteShare::unbounded(),
                response_bytes: ByteShare::unbounded(),
                slots: Arc::default(),
                requests_max: usize::MAX,
                write_bytes: AtomicUsize::new(0),
                ranges: Semaphore::new(Semaphore::MAX_PERMITS),
                backups: Semaphore::new(Semaphore::MAX_PERMITS),
                watches: Arc::default(),
            },
        }
    }
}

impl Clients {
    /// Returns the share of the nodes of the cluster.
    pub(crate) fn nodes(&self) -> &ClientShare {
        &self.nodes
    }

    /// Returns the share of a client, which all of its connections have in common. A node has one as
    /// well, for as long as it does not belong to the cluster.
    pub(crate) fn share_of(&self, client: &Identity) -> Arc<ClientShare> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (client.role, client.name.clone());
        if let Some(share) = shares.get(&key).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() == shares.capacity() {
            // Seldom: a client whose writes other nodes forward may have a share for one write only.
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(self.new_share());
        shares.insert(key, Arc::downgrade(&share));
        share
    }

    fn new_share(&self) -> ClientShare {
        ClientShare {
            request_bytes: self.request_bytes.share(CLIENT_REQUEST_BYTES_MAX),
            response_bytes: self.response_bytes.share(CLIENT_RESPONSE_BYTES_MAX),
            slots: Arc::default(),
            requests_max: CLIENT_REQUESTS_IN_FLIGHT_MAX,
            write_bytes: AtomicUsize::new(0),
            ranges: Semaphore::new(RANGES_AT_ONCE_MAX),
            backups: Semaphore::new(CLIENT_BACKUPS_MAX),
            watches: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(role: Role, name: &str) -> Identity {
        Identity::new(role, name.parse().expect("legal"))
    }

    #[test]
    fn the_connections_of_a_client_have_one_share() {
        let clients = Clients::default();
        let till = clients.share_of(&identity(Role::Writer, "till"));
        assert!(Arc::ptr_eq(&till, &clients.share_of(&identity(Role::Writer, "till"))));
        let held = till.request_bytes.take(CLIENT_REQUEST_BYTES_MAX).expect("all of it");
        for other in [identity(Role::Reader, "till"), identity(Role::Writer, "bench")] {
            let other = clients.share_of(&other);
            assert!(other.request_bytes.take(CLIENT_REQUEST_BYTES_MAX).is_some());
        }
        let stranger = clients.share_of(&identity(Role::Node, "hu"));
        assert!(stranger.request_bytes.take(CLIENT_REQUEST_BYTES_MAX + 1).is_none());
        assert!(clients.nodes().request_bytes.take(2 * CLIENTS_REQUEST_BYTES_MAX).is_some());
        assert_eq!(clients.request_bytes.used(), CLIENT_REQUEST_BYTES_MAX);
        drop((held, till));
        for n in 0..1000 {
            drop(clients.share_of(&identity(Role::Writer, &format!("till-{n}"))));
        }
        let known = clients.shares.lock().expect("not poisoned").len();
        assert!(known < 10, "{known}: clients that left are forgotten");
    }

    /// Neither those of the client itself nor those of others: many that read slowly stop no writes.
    #[test]
    fn unread_responses_take_no_room_from_requests() {
        let clients = Clients::default();
        let readers: Vec<_> = (0..CLIENTS_RESPONSE_BYTES_MAX)
            .step_by(CLIENT_RESPONSE_BYTES_MAX)
            .map(|taken| (taken, clients.share_of(&identity(Role::Writer, &format!("till-{taken}")))))
            .collect();
        let take_all = |(taken, share): &(usize, Arc<ClientShare>)| {
            share.response_bytes.take((CLIENTS_RESPONSE_BYTES_MAX - taken).min(CLIENT_RESPONSE_BYTES_MAX))
        };
        let unread: Vec<_> = readers.iter().filter_map(take_all).collect();
        assert_eq!(unread.len(), readers.len());
        let desk = clients.share_of(&identity(Role::Writer, "desk"));
        assert!(desk.response_bytes.take(1).is_none(), "the budget of responses is used up");
        for share in [&desk, &readers[0].1] {
            assert!(share.request_bytes.take(CLIENT_REQUEST_BYTES_MAX).is_some(), "it can send");
        }
    }
}
