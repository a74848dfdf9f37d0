//! Stops a node cleanly: hands leadership over, then finishes requests in flight,
//! then closes storage and connections.
//!
//! Each step has a time limit. A node that cannot finish stops anyway, and clients
//! with unfinished writes learn that the outcome is unknown.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::listeners::Listeners;
use crate::{ops::membership::MembershipManager, service::Service};

/// Time limit for handing leadership over.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(3);

/// Time limit for requests in flight.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Hands leadership over if this node is the leader and another node can take it.
pub(crate) async fn hand_over(membership: &MembershipManager) {
    if let Err(why) = membership.hand_over(Instant::now() + HAND_OVER_WITHIN).await {
        tracing::info!(%why, "stopping without handing leadership over");
    }
}

/// Accepts no new requests and waits until those in flight are answered.
pub(super) async fn drain(service: &Service, listeners: &Listeners) {
    service.close();
    listeners.stop_accepting();
    if timeout(DRAIN_WITHIN, service.drained()).await.is_err() {
        tracing::warn!("requests in flight did not finish in time; their outcome is unknown to the clients");
    }
}
