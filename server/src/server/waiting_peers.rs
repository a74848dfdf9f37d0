//! The members that call this node while it belongs to no cluster.
//!
//! Only a member dials the peer protocol, and only to nodes that its cluster knows. Guards
//! that a node which lost its disk does not found another cluster while its own one calls it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_common::id::NodeName;
use tokio::time::Instant;

use crate::metrics::LogThrottle;

/// Log lines about callers at once, and the interval of one more: a peer may call again and again.
const LINES: u32 = 10;
const LINE_INTERVAL: Duration = Duration::from_secs(60);

/// The peers whose connections wait for this node to have a replica. Clones share the list.
#[derive(Debug, Clone)]
pub(super) struct WaitingPeers {
    names: Arc<Mutex<Vec<NodeName>>>,
    lines: Arc<Mutex<LogThrottle>>,
}

/// Keeps a peer on the list while its connection waits.
pub(super) struct WaitingPeerGuard {
    list: WaitingPeers,
    name: NodeName,
}

impl Default for WaitingPeers {
    fn default() -> Self {
        let lines = LogThrottle::new(LINES, LINE_INTERVAL);
        Self { names: Arc::default(), lines: Arc::new(Mutex::new(lines)) }
    }
}

impl WaitingPeers {
    /// Whether a line about a caller may be logged.
    pub(super) fn admits_line(&self) -> bool {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.admit(Instant::now()).is_some()
    }

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
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
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
