//! Watches whether this leader hears a quorum.
//!
//! A leader that is cut off from the others cannot know that another one is elected. Guards
//! that its callers learn soon that they must ask elsewhere: what it has appended may or may
//! not be applied, and nothing else will be.

use std::{sync::Arc, time::Duration};

use openraft::Instant;
use tokio::time::sleep;

use super::replica::{Metrics, Replica};

/// The looks in the time of a lease.
const LOOKS: u32 = 8;

/// Keeps [`Replica::quorum_lost`] up to date. Ends with consensus.
pub async fn watch(replica: Arc<Replica>, lease: Duration) {
    loop {
        let metrics = replica.metrics();
        if metrics.running_state.is_err() {
            return;
        }
        replica.set_quorum_lost(is_lost(&metrics, lease));
        sleep(lease / LOOKS).await;
    }
}

/// Whether this node leads, and no quorum has answered for longer than the lease.
fn is_lost(metrics: &Metrics, lease: Duration) -> bool {
    // A single voter is a quorum, and sends no heartbeats.
    let has_others = metrics.membership_config.membership().voter_ids().nth(1).is_some();
    let heard = metrics.last_quorum_acked.map(|at| at.elapsed());
    metrics.state.is_leader() && has_others && heard.is_some_and(|heard| heard > lease)
}
