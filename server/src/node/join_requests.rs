//! The nodes that ask to join and are not announced, as the leader remembers them.
//!
//! An operator who boots such a node need not know its address. Guards that a node which asks again
//! and again costs one line in the log and one place of [`NODES_MAX`].

use std::{collections::BTreeMap, time::Duration};

use coffee_common::{
    id::{Address, NodeName},
    limits::NODES_MAX,
};
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, timeout_at},
};

/// How long a request counts: more than a round over the members that a node asks.
const COUNTS_FOR: Duration = Duration::from_secs(15);

/// The latest request of each node.
#[derive(Debug, Default)]
pub struct JoinRequests {
    latest: watch::Sender<BTreeMap<NodeName, JoinRequest>>,
    /// Held from before a node is invited until it is announced: it asks at once.
    pub invitations: Mutex<()>,
}

#[derive(Debug)]
struct JoinRequest {
    address: Address,
    at: Instant,
}

impl JoinRequests {
    /// Notes that a node asks from this address. Returns whether that is news.
    pub fn note(&self, node: &NodeName, address: &Address) -> bool {
        let mut is_new = false;
        self.latest.send_modify(|latest| {
            latest.retain(|_, request| request.at.elapsed() < COUNTS_FOR);
            if latest.len() < NODES_MAX || latest.contains_key(node) {
                let request = JoinRequest { address: address.clone(), at: Instant::now() };
                is_new = latest.insert(node.clone(), request).is_none();
            }
        });
        is_new
    }

    /// The names of the nodes that ask.
    pub fn names(&self) -> Vec<NodeName> {
        let latest = self.latest.borrow();
        let now = latest.iter().filter(|(_, request)| request.at.elapsed() < COUNTS_FOR);
        now.map(|(name, _)| name.clone()).collect()
    }

    /// Forgets the request of a node that is admitted.
    pub fn forget(&self, node: &NodeName) {
        self.latest.send_modify(|latest| drop(latest.remove(node)));
    }

    /// Returns the address from which a node asks, as soon as it does; `None` if it has not asked
    /// until the deadline.
    pub async fn address_of(&self, node: &NodeName, deadline: Instant) -> Option<Address> {
        let of = |latest: &BTreeMap<NodeName, JoinRequest>| {
            let request = latest.get(node).filter(|request| request.at.elapsed() < COUNTS_FOR);
            request.map(|request| request.address.clone())
        };
        let mut latest = self.latest.subscribe();
        let asked = timeout_at(deadline, latest.wait_for(|latest| of(latest).is_some())).await;
        asked.ok()?.ok().and_then(|latest| of(&latest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        text.parse().expect("legal")
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_asks_is_known_for_a_while() {
        let (requests, at) = (JoinRequests::default(), "127.0.0.1:7400".parse().expect("legal"));
        let soon = || Instant::now() + Duration::from_secs(1);
        assert_eq!(requests.address_of(&name("hong"), soon()).await, None);
        assert!(requests.note(&name("hong"), &at));
        assert!(!requests.note(&name("hong"), &at), "one line");
        assert_eq!(requests.address_of(&name("hong"), Instant::now()).await.as_ref(), Some(&at));
        assert_eq!(requests.names(), [name("hong")]);
        tokio::time::advance(COUNTS_FOR).await;
        assert_eq!(requests.address_of(&name("hong"), soon()).await, None, "it has stopped asking");
        assert_eq!(requests.names(), []);
        let peng = name("peng");
        let waiting = requests.address_of(&peng, soon());
        let (found, _) = tokio::join!(waiting, async { requests.note(&peng, &at) });
        assert_eq!(found, Some(at), "it asks while an operator waits for it");
        requests.forget(&peng);
        assert_eq!(requests.names(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_bounded() {
        let (requests, at) = (JoinRequests::default(), "127.0.0.1:7400".parse().expect("legal"));
        let news = (0..2 * NODES_MAX).filter(|n| requests.note(&name(&format!("node-{n}")), &at)).count();
        assert_eq!(news, NODES_MAX);
        tokio::time::advance(COUNTS_FOR).await;
        assert!(requests.note(&name("hong"), &at), "old requests make room");
    }
}
