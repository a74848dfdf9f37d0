//! The members that call this node while it belongs to no cluster.
//!
//! Only a member dials the peer protocol, and only to nodes that its cluster knows. Guards
//! that a node which lost its disk does not found another cluster while its own one calls it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coffee_common::id::NodeName;

/// The peers whose connections wait for this node to have a replica. Clones share the list.
#[derive(Debug, Clone, Default)]
pub(super) struct WaitingPeers(Arc<Mutex<Vec<NodeName>>>);

/// Keeps a peer on the list while its connection waits.
pub(super) struct WaitingPeerGuard {
    list: WaitingPeers,
    name: NodeName,
}

impl WaitingPeers {
    /// Adds a peer. Returns `true` as well if it is the only one by that name.
    pub(super) fn add(&self, name: NodeName) -> (WaitingPeerGuard, bool) {
        let mut names = self.names();
        let is_new = !names.contains(&name);
        names.push(name.clone());
        (WaitingPeerGuard { list: self.clone(), name }, is_new)
    }

    /// Returns one of the peers.
    pub(super) fn any(&self) -> Option<NodeName> {
        self.names().first().cloned()
    }

    fn names(&self) -> MutexGuard<'_, Vec<NodeName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WaitingPeerGuard {
    fn drop(&mut self) {
        let mut names = self.list.names();
        if let Some(position) = names.iter().position(|name| *name == self.name) {
            names.swap_remove(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_listed_while_any_of_its_connections_waits() {
        let hong: NodeName = "hong".parse().expect("legal");
        let list = WaitingPeers::default();
        let (first, is_new) = list.add(hong.clone());
        assert!(is_new);
        let (second, is_new) = list.add(hong.clone());
        assert!(!is_new);
        drop(first);
        assert_eq!(list.any(), Some(hong));
        drop(second);
        assert_eq!(list.any(), None);
    }
}
