//! The addresses from which nodes connected, or at which they answered.
//!
//! A node dials from the socket on which it listens, so its next connection comes from the same
//! address. Such a connection does not wait with those of clients, however many these are.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::limits::NODES_MAX;

/// The latest addresses of nodes.
#[derive(Debug, Default)]
pub(super) struct NodeAddresses(Mutex<VecDeque<SocketAddr>>);

impl NodeAddresses {
    /// Notes that a node was at this address: its certificate has proved it.
    pub(super) fn note(&self, address: SocketAddr) {
        let mut known = self.lock();
        known.retain(|known| *known != address);
        known.push_front(address);
        known.truncate(NODES_MAX);
    }

    /// Whether a node was at this address.
    pub(super) fn contain(&self, address: SocketAddr) -> bool {
        self.lock().contains(&address)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_addresses_are_known() {
        let known = NodeAddresses::default();
        let address = |n: usize| SocketAddr::from(([10, 0, 0, 1], u16::try_from(n).expect("a port")));
        for n in 0..NODES_MAX {
            known.note(address(n));
        }
        known.note(address(0));
        known.note(address(NODES_MAX));
        assert!(known.contain(address(0)) && known.contain(address(NODES_MAX)));
        assert!(!known.contain(address(1)), "the oldest is forgotten");
        assert_eq!(known.lock().len(), NODES_MAX);
    }
}
