//! The places for connections: how many there are, and for whom they are kept.
//!
//! Pure, apart from its counters. Guards that no client and no node takes the places of the others,
//! and that the last places are for admins and nodes.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::options::NODE_HANDSHAKES_MAX;
use crate::{
    limits::{CONNECTIONS_MAX, CONNECTIONS_PER_CLIENT_MAX, NODE_CONNECTIONS_MAX},
    protocol::{Identity, Role},
};

/// The connections that are kept for nodes and admins.
const ADMIN_PLACES: usize = 16;

/// One client gets at most the share of one of this number of clients.
const CLIENTS_MIN: usize = 4;

/// The connections that were refused, by the limit that they would have exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefusedConnections {
    /// The node had as many connections as it may have.
    pub node_full: u64,
    /// The client had as many connections as one may have.
    pub client_full: u64,
}

/// The places of an endpoint.
#[derive(Debug)]
pub(super) struct Places {
    max: AtomicUsize,
    per_client_max: AtomicUsize,
    node_full: AtomicU64,
    client_full: AtomicU64,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            max: AtomicUsize::new(CONNECTIONS_MAX),
            per_client_max: AtomicUsize::new(CONNECTIONS_PER_CLIENT_MAX),
            node_full: AtomicU64::new(0),
            client_full: AtomicU64::new(0),
        }
    }
}

impl Places {
    pub(super) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    pub(super) fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    pub(super) fn per_client_max(&self) -> usize {
        self.per_client_max.load(Ordering::Relaxed)
    }

    pub(super) fn set_per_client_max(&self, max: usize) {
        self.per_client_max.store(max, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) -> RefusedConnections {
        RefusedConnections {
            node_full: self.node_full.load(Ordering::Relaxed),
            client_full: self.client_full.load(Ordering::Relaxed),
        }
    }

    /// Whether not even a place for a node could be left, with so many connections in all. Before
    /// the handshake the role is not known. Counts the refusal.
    pub(super) fn is_full_for_all(&self, all: usize, handshakes: usize) -> bool {
        let full = all >= self.max() + handshakes;
        self.node_full.fetch_add(u64::from(full), Ordering::Relaxed);
        full
    }

    /// Returns why a peer gets no place; `None` if it gets one. `all` are the present connections,
    /// `own` those of the peer. Counts the refusal.
    pub(super) fn refusal(&self, peer: &Identity, all: usize, own: usize) -> Option<String> {
        let Identity { role, name, .. } = peer;
        let per_peer = match role {
            Role::Node => NODE_CONNECTIONS_MAX,
            Role::Admin | Role::Writer | Role::Reader | Role::Backup => {
                self.per_client_max().min((self.max() / CLIENTS_MIN).max(CLIENTS_MIN))
            }
        };
        if own >= per_peer {
            self.client_full.fetch_add(1, Ordering::Relaxed);
            let role = role.as_str();
            return Some(match peer.role {
                Role::Node => format!("the node {name} has {own} connections, more than any needs"),
                _ => format!(
                    "the {role} {name} has {own} connections, as many as one client may have \
                     (limits.connections_per_client_max)"
                ),
            });
        }
        let places = match role {
            Role::Node => self.max() + NODE_HANDSHAKES_MAX,
            Role::Admin => self.max(),
            Role::Reader | Role::Writer | Role::Backup => self.max().saturating_sub(ADMIN_PLACES),
        };
        if all >= places {
            self.node_full.fetch_add(1, Ordering::Relaxed);
            return Some("it is at its limit of connections (limits.connections_max)".to_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_places() {
        let places = Places::default();
        places.set_max(100);
        places.set_per_client_max(10);
        let refusal = |role, all, own| {
            let peer = Identity::new(role, "till".parse().expect("legal"));
            places.refusal(&peer, all, own).unwrap_or_default()
        };
        for (role, most, own_most) in [
            (Role::Reader, 100 - ADMIN_PLACES, 10),
            (Role::Writer, 100 - ADMIN_PLACES, 10),
            (Role::Admin, 100, 10),
            (Role::Node, 100 + NODE_HANDSHAKES_MAX, NODE_CONNECTIONS_MAX),
        ] {
            assert_eq!(refusal(role, most - 1, own_most - 1), "", "{role:?}");
            assert!(refusal(role, most, 0).contains("(limits.connections_max)"), "{role:?}");
            let full = refusal(role, 20, own_most);
            assert!(full.contains(&format!("till has {own_most} connections")), "{full}");
        }
        assert!(refusal(Role::Writer, 20, 10).contains("limits.connections_per_client_max"));
        places.set_per_client_max(1000);
        assert_eq!(refusal(Role::Writer, 40, 24), "");
        assert!(refusal(Role::Writer, 40, 25).contains("till has 25 connections"), "a quarter of all");
        assert_eq!(places.refused(), RefusedConnections { node_full: 4, client_full: 6 });
    }
}
