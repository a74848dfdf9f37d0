//! The nodes that operators want in the cluster, as they said to this node lately.
//!
//! A voter that was off while other nodes took the place of all members that it can still reach
//! knows none of them, and cannot elect one of them. An operator who boots one at this voter says
//! that it belongs to the cluster. Guards that this counts for nothing once the voter has learned of
//! another membership: that names the members, and the node may have been removed from it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use coffee_common::{id::NodeName, limits::NODES_MAX};
use tokio::time::Instant;

/// How long a request counts.
const COUNTS_FOR: Duration = Duration::from_secs(600);

/// The latest request for each node, at most [`NODES_MAX`].
#[derive(Debug, Default)]
pub struct BootRequests(Mutex<BTreeMap<NodeName, BootRequest>>);

#[derive(Debug)]
struct BootRequest {
    at: Instant,
    /// The entry of the membership that this node knew.
    membership: Option<u64>,
}

impl BootRequest {
    fn is_recent(&self) -> bool {
        self.at.elapsed() < COUNTS_FOR
    }
}

impl BootRequests {
    /// Notes that an admin asked this node, which knows the membership of this entry, to boot another
    /// one.
    pub fn note(&self, node: &NodeName, membership: Option<u64>) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.retain(|_, request| request.is_recent());
        if latest.len() < NODES_MAX || latest.contains_key(node) {
            latest.insert(node.clone(), BootRequest { at: Instant::now(), membership });
        }
    }

    /// Whether an admin asked this node lately to boot another one, and it still knows the same
    /// membership.
    pub fn contains(&self, node: &NodeName, membership: Option<u64>) -> bool {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.get(node).is_some_and(|request| request.is_recent() && request.membership == membership)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        text.parse().expect("legal")
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_counts_for_a_while() {
        let requests = BootRequests::default();
        requests.note(&name("long"), Some(7));
        assert!(requests.contains(&name("long"), Some(7)) && !requests.contains(&name("peng"), Some(7)));
        assert!(!requests.contains(&name("long"), Some(9)), "it may have been removed since");
        tokio::time::advance(COUNTS_FOR).await;
        assert!(!requests.contains(&name("long"), Some(7)));
        (0..2 * NODES_MAX).for_each(|n| requests.note(&name(&format!("node-{n}")), None));
        assert_eq!(requests.0.lock().expect("not poisoned").len(), NODES_MAX);
    }
}
