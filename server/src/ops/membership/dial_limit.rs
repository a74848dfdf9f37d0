//! Limits how often a node has this one dial an address for it.
//!
//! A node may ask others to look for it at any address. Guards that it cannot use them to search a
//! network: one dial a second for each node, and an answer that does not depend on what is there.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use coffee_common::{id::NodeName, limits::NODES_MAX};
use tokio::time::Instant;

/// The least time between two dials for a node.
const PAUSE: Duration = Duration::from_secs(1);

/// The latest dials. Holds up to one per record of a node.
#[derive(Debug, Default)]
pub(super) struct DialLimit(Mutex<BTreeMap<NodeName, Instant>>);

impl DialLimit {
    /// Whether this node may dial an address for `node` now.
    pub(super) fn admit(&self, node: &NodeName) -> bool {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.retain(|_, at| at.elapsed() < PAUSE);
        if latest.contains_key(node) || latest.len() >= NODES_MAX {
            return false;
        }
        latest.insert(node.clone(), Instant::now());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_node_is_looked_for_once_a_second() {
        let (limit, node) = (DialLimit::default(), |name: &str| name.parse::<NodeName>().expect("legal"));
        assert!(limit.admit(&node("hong")));
        assert!(!limit.admit(&node("hong")), "too soon");
        assert!(limit.admit(&node("peng")), "each for itself");
        tokio::time::advance(PAUSE).await;
        assert!(limit.admit(&node("hong")));
        for n in 0..2 * NODES_MAX {
            limit.admit(&node(&format!("node-{n}")));
        }
        assert!(limit.0.lock().expect("sound").len() <= NODES_MAX);
    }
}
