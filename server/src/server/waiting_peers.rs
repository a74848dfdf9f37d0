//! The members that call this node while it belongs to no cluster.
//!
//! Only a member dials the peer protocol, and only to nodes that its cluster knows. Guards
//! that a node which lost its disk does not found another cluster while its own one calls it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_common::{id::NodeName, limits::NODES_MAX};
use tokio::time::Instant;

use crate::metrics::LogThrottle;

/// Log lines about a caller at once, and the interval of one more: a peer may call again and again.
const LINES: u32 = 3;
const LINE_INTERVAL: Duration = Duration::from_secs(60);

/// The peers whose connections wait for this node to have a replica. Clones share the list.
#[derive(Debug, Clone, Default)]
pub(super) struct WaitingPeers {
    names: Arc<Mutex<Vec<NodeName>>>,
    /// The lines about each caller. Those that are more than a cluster has nodes share one throttle.
    lines: Arc<Mutex<BTreeMap<Option<NodeName>, LogThrottle>>>,
}

/// Keeps a peer on the list while its connection waits.
pub(super) struct WaitingPeerGuard {
    list: WaitingPeers,
    name: NodeName,
}

impl WaitingPeers {
    /// Returns the number of lines about this caller that were left out before this one; `None` if it
    /// is one too many.
    pub(super) fn admit_line(&self, name: &NodeName) -> Option<u64> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = Some(name.clone());
        if lines.len() >= NODES_MAX && !lines.contains_key(&key) {
            key = None;
        }
        lines.entry(key).or_insert_with(|| LogThrottle::new(LINES, LINE_INTERVAL)).admit(Instant::now())
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

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_calls_again_and_again_hides_no_line_about_another() {
        let list = WaitingPeers::default();
        let admit = |name: &str| list.admit_line(&name.parse().expect("legal"));
        let lines = (0..1_000).filter(|_| admit("hong").is_some()).count();
        assert_eq!((lines, admit("peng")), (LINES as usize, Some(0)));
        tokio::time::advance(LINE_INTERVAL).await;
        assert_eq!((admit("hong"), admit("hong")), (Some(1_000 - u64::from(LINES)), None));
        let lines = (0..1_000).filter(|n| admit(&format!("node-{n}")).is_some()).count();
        assert!(lines <= NODES_MAX + LINES as usize, "{lines} lines about callers with many names");
        assert!(list.lines.lock().expect("not poisoned").len() <= NODES_MAX + 1);
    }
}
