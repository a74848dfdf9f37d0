//! The live connections of an endpoint, and the traffic of past ones.
//!
//! The registry lets an endpoint recheck its connections when trust changes.
//! It keeps none of them alive. Guards that no connection escapes a recheck:
//! one whose handshake started under the old trust and ends under the new is
//! checked again when it is registered. Guards also that no sum ever shrinks:
//! when a connection ends, its traffic moves to the past in the same step.
//! Notes as well where nodes of the cluster are.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rustls_pki_types::CertificateDer;

use super::{
    Protocol,
    disconnect::{CLOSE_BUSY, CLOSE_DENIED},
    node_addresses::NodeAddresses,
    traffic::{Carried, Survey},
};
use crate::{
    id::NodeName,
    protocol::{Identity, Role},
    tls::Credentials,
};

/// The reason for a connection that ends since another peer needs its place.
const DISPLACED: &[u8] = b"a member or an operator needs the place of this connection";

/// The live connections of an endpoint. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry(Arc<RegistryInner>);

#[derive(Debug, Default)]
struct RegistryInner {
    state: Mutex<RegistryState>,
    numbers: AtomicU64,
    node_addresses: NodeAddresses,
}

#[derive(Debug, Default)]
struct RegistryState {
    live: BTreeMap<u64, Registered>,
    /// The number of live connections per peer.
    peers: HashMap<(Role, NodeName), usize>,
    /// The number of connections ever opened, and the traffic of those that have ended.
    past: Survey,
}

#[derive(Debug)]
struct Registered {
    live: Weak<Live>,
    protocol: Protocol,
    /// The traffic at the last survey, for a connection that is ending: it can
    /// no longer be asked, and has not left yet.
    seen: Carried,
}

/// A registered connection. It lives as long as a [`Connection`](super::Connection)
/// or a stream holds it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: quinn::Connection,
    pub(super) peer: Identity,
    pub(super) protocol: Protocol,
    pub(super) registry: Registry,
    number: u64,
    /// Whether it has the windows of nodes.
    pub(super) is_wide: AtomicBool,
}

impl Registry {
    /// Registers a connection.
    pub(super) fn register(
        &self,
        connection: quinn::Connection,
        peer: Identity,
        protocol: Protocol,
    ) -> Arc<Live> {
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let (registry, is_wide) = (self.clone(), AtomicBool::new(false));
        let live = Arc::new(Live { connection, peer, protocol, registry, number, is_wide });
        let registered = Registered { live: Arc::downgrade(&live), protocol, seen: Carried::default() };
        let mut state = self.state();
        state.live.insert(number, registered);
        *state.peers.entry((live.peer.role, live.peer.name.clone())).or_default() += 1;
        state.past.of_mut(protocol).opened += 1;
        live
    }

    /// Returns the live connections, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        // The caller may come to hold the last reference, and drops it without the lock.
        self.state().live.values().filter_map(|registered| registered.live.upgrade()).collect()
    }

    /// Returns where nodes of the cluster are.
    pub(super) fn node_addresses(&self) -> &NodeAddresses {
        &self.0.node_addresses
    }

    /// Returns the number of live connections.
    pub(super) fn len(&self) -> usize {
        self.state().live.len()
    }

    /// Returns the number of live connections with a peer.
    pub(super) fn connections_of(&self, peer: &Identity) -> usize {
        self.state().peers.get(&(peer.role, peer.name.clone())).copied().unwrap_or_default()
    }

    /// Closes an accepted connection of one of these peers, the oldest of those that no member has
    /// vouched for, or else the oldest. Returns whether there was one.
    pub(super) fn displace(&self, is_displaced: impl Fn(&Identity) -> bool) -> bool {
        let all = self.all();
        let accepted = all.iter().filter(|live| live.is_open() && live.connection.side().is_server());
        let displaced = accepted.filter(|live| is_displaced(&live.peer));
        let first = displaced.min_by_key(|live| live.is_wide.load(Ordering::Relaxed));
        first.map(|live| live.connection.close(CLOSE_BUSY, DISPLACED)).is_some()
    }

    /// Returns the traffic of all connections. Does not hold the lock while it reads theirs.
    pub(super) fn survey(&self) -> Survey {
        let all = self.all();
        let looks: Vec<(u64, Carried)> = all.iter().map(|live| (live.number, live.carried())).collect();
        let mut survey = {
            let mut state = self.state();
            for (number, carried) in looks {
                if let Some(registered) = state.live.get_mut(&number) {
                    registered.seen.latest(&carried);
                }
            }
            let mut survey = state.past.clone();
            for registered in state.live.values() {
                survey.of_mut(registered.protocol).carried.add(&registered.seen);
            }
            survey
        };
        for live in all.iter().filter(|live| live.is_open()) {
            survey.of_mut(live.protocol).open += 1;
        }
        survey.round_trips = round_trips(&all);
        survey
    }

    /// Returns the round trips to the connected peers.
    pub(super) fn peer_round_trips(&self) -> BTreeMap<NodeName, Duration> {
        let peers: Vec<Arc<Live>> = {
            let state = self.state();
            let peers = state.live.values().filter(|registered| registered.protocol == Protocol::Peer);
            peers.filter_map(|registered| registered.live.upgrade()).collect()
        };
        round_trips(&peers)
    }

    fn state(&self) -> MutexGuard<'_, RegistryState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the shortest estimate for each peer.
fn round_trips(connections: &[Arc<Live>]) -> BTreeMap<NodeName, Duration> {
    let mut round_trips = BTreeMap::new();
    for live in connections.iter().filter(|live| live.is_open() && live.protocol == Protocol::Peer) {
        let rtt = live.connection.rtt();
        let shortest = round_trips.entry(live.peer.name.clone()).or_insert(rtt);
        *shortest = rtt.min(*shortest);
    }
    round_trips
}

impl Live {
    /// Closes the connection if these credentials would not accept the peer's
    /// certificate any more, and returns the reason.
    pub(super) fn recheck(&self, credentials: &Credentials) -> Result<(), String> {
        self.check(credentials).inspect_err(|cause| self.connection.close(CLOSE_DENIED, cause.as_bytes()))
    }

    /// Returns why these credentials would not accept the peer's certificate any more.
    pub(super) fn check(&self, credentials: &Credentials) -> Result<(), String> {
        if !self.is_open() {
            return Ok(());
        }
        credentials.check_still_trusted(&peer_chain(&self.connection)).map_err(|problem| {
            let Identity { name, role, .. } = &self.peer;
            format!("the certificate of {} {name}: {problem}", role.as_str())
        })
    }

    fn carried(&self) -> Carried {
        Carried::of(&self.connection.stats())
    }

    fn is_open(&self) -> bool {
        self.connection.close_reason().is_none()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let carried = self.carried();
        let mut state = self.registry.state();
        let peer = (self.peer.role, self.peer.name.clone());
        match state.peers.get_mut(&peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(state.peers.remove(&peer)),
        }
        if let Some(mut registered) = state.live.remove(&self.number) {
            registered.seen.latest(&carried);
            state.past.of_mut(registered.protocol).carried.add(&registered.seen);
        }
    }
}

/// Returns the certificates that the peer presented, its own first.
pub(super) fn peer_chain(connection: &quinn::Connection) -> Vec<CertificateDer<'static>> {
    let presented =
        connection.peer_identity().and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    presented.map(|chain| *chain).unwrap_or_default()
}
