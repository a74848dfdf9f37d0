//! The places for connections: how many there are, and for whom they are kept.
//!
//! Pure, apart from its counters. Guards that no client and no node takes the places of the others,
//! and that the last places are for admins and members: the certificate of a node that is not a member
//! gives it no more than a client, and a place only until an admin or a member needs it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::options::NODE_HANDSHAKES_MAX;
use crate::{
    limits::{CONNECTIONS_MAX, CONNECTIONS_PER_CLIENT_MAX, NODE_CONNECTIONS_MAX, STRANGER_CONNECTIONS_MAX},
    protocol::{Identity, Role},
};

/// The connections that are kept for nodes and admins.
const ADMIN_PLACES: usize = 16;

/// The connections of a stranger that may have one of the last places: this node may lag, and not know
/// yet that it is a member, which needs one per protocol.
const STRANGER_PLACES: usize = 2;

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

/// A peer that asks for a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newcomer<'a> {
    pub(super) peer: &'a Identity,
    /// Whether it is a node that has no business with the cluster.
    pub(super) is_stranger: bool,
    /// The connections that it has already.
    pub(super) own: usize,
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

    /// Returns why a peer gets no place; `None` if it gets one. `all` are the present connections.
    /// Calls `displace` if a connection of a stranger has to end for it, which returns whether there
    /// was one. Counts the refusal.
    pub(super) fn refusal(
        &self,
        newcomer: Newcomer<'_>,
        all: usize,
        displace: impl FnOnce() -> bool,
    ) -> Option<String> {
        let Newcomer { peer: Identity { role, name, .. }, is_stranger, own } = newcomer;
        let share = (self.max() / CLIENTS_MIN).max(CLIENTS_MIN);
        let per_peer = match role {
            Role::Node if is_stranger => STRANGER_CONNECTIONS_MAX.min(share),
            Role::Node => NODE_CONNECTIONS_MAX,
            Role::Admin | Role::Writer | Role::Reader | Role::Backup => self.per_client_max().min(share),
        };
        if own >= per_peer {
            self.client_full.fetch_add(1, Ordering::Relaxed);
            return Some(match role {
                Role::Node => format!("the node {name} has {own} connections, more than any needs"),
                _ => format!(
                    "the {} {name} has {own} connections, as many as one client may have \
                     (limits.connections_per_client_max)",
                    role.as_str()
                ),
            });
        }
        let (places, may_displace) = match role {
            Role::Node if !is_stranger => (self.max() + NODE_HANDSHAKES_MAX, true),
            Role::Node if own < STRANGER_PLACES => (self.max() + NODE_HANDSHAKES_MAX, false),
            Role::Admin => (self.max(), true),
            Role::Node | Role::Reader | Role::Writer | Role::Backup => {
                (self.max().saturating_sub(ADMIN_PLACES), false)
            }
        };
        if all >= places && !(may_displace && displace()) {
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
            let peer = &Identity::new(role, "till".parse().expect("legal"));
            let newcomer = Newcomer { peer, is_stranger: false, own };
            places.refusal(newcomer, all, || false).unwrap_or_default()
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

    #[test]
    fn strangers_have_the_places_of_clients_and_leave_for_members_and_admins() {
        let places = Places::default();
        places.set_max(100);
        let ordinary = 100 - ADMIN_PLACES;
        for (role, is_stranger, most, own, leave) in [
            (Role::Node, true, ordinary, STRANGER_PLACES, false),
            (Role::Node, true, 100 + NODE_HANDSHAKES_MAX, STRANGER_PLACES - 1, false),
            (Role::Node, false, 100 + NODE_HANDSHAKES_MAX, STRANGER_CONNECTIONS_MAX, true),
            (Role::Admin, false, 100, 0, true),
            (Role::Writer, false, ordinary, 0, false),
        ] {
            let peer = &Identity::new(role, "hu".parse().expect("legal"));
            let gets = |all, a_stranger_is_there: bool| {
                let mut asked = false;
                let displace = || {
                    asked = true;
                    a_stranger_is_there
                };
                let refused = places.refusal(Newcomer { peer, is_stranger, own }, all, displace);
                (refused.is_none(), asked)
            };
            assert_eq!(gets(most - 1, true), (true, false), "{role:?} {is_stranger}");
            assert_eq!(gets(most, true), (leave, leave), "{role:?} {is_stranger}");
            assert_eq!(gets(most, false), (false, leave), "{role:?} {is_stranger}");
        }
        let peer = &Identity::new(Role::Node, "hu".parse().expect("legal"));
        let with = |own| places.refusal(Newcomer { peer, is_stranger: true, own }, 20, || true);
        assert_eq!(with(STRANGER_CONNECTIONS_MAX - 1), None);
        assert!(with(STRANGER_CONNECTIONS_MAX).is_some_and(|why| why.contains("hu has 16 connections")));
        places.set_max(20);
        assert!(with(5).is_some(), "a quarter of all");
    }
}
