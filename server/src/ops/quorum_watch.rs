//! Finds out whether this node reaches a quorum while it has no leader.
//!
//! A request that waits for a leader is answered at once if too few voters are up to
//! elect one, instead of at its deadline. Read-only: it decides nothing in the cluster.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::status;
use crate::node::{Node, replica::Replica};

/// A leader that was silent for this many leases counts as lost.
const LEASES: u32 = 2;

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The number of looks in a row that must find no quorum: a busy node answers late.
const LOOKS: u32 = 2;

/// Keeps [`Replica::no_quorum`] up to date. Runs as long as the replica.
pub async fn watch(node: Arc<Node>, replica: Arc<Replica>) {
    let mut without = 0;
    loop {
        if replica.hears_leader(LEASES * node.lease()) {
            without = 0;
            replica.set_no_quorum(None);
        } else {
            let found = status::cluster(&node).await.no_quorum();
            without = if found.is_some() { without + 1 } else { 0 };
            let heard = replica.hears_leader(LEASES * node.lease());
            replica.set_no_quorum(found.filter(|_| without >= LOOKS && !heard));
        }
        sleep(LOOK_EVERY).await;
    }
}
