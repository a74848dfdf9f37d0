//! How a node stops in good order: leadership first, then what is in flight,
//! then storage and connections.
//!
//! Each step is bounded in time: a node that cannot finish stops all the same,
//! and whoever waits for an answer is told honestly that it is unknown.

use std::time::Duration;

use coffee_common::quic::Endpoint;
use tokio::time::{Instant, timeout};

use crate::{api::client::Api, ops::membership::MembershipManager};

/// How long handing leadership over may take.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(3);

/// How long requests in flight have to finish.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Hands leadership over, if this node has it and another one can take it.
pub(crate) async fn hand_over(membership: &MembershipManager) {
    if let Err(why) = membership.hand_over(Instant::now() + HAND_OVER_WITHIN).await {
        tracing::info!(%why, "stopping without handing leadership over");
    }
}

/// Takes nothing new, and waits until what is in flight is answered.
pub(crate) async fn drain(api: &Api, endpoint: &Endpoint) {
    api.close();
    endpoint.stop_accepting();
    if timeout(DRAIN_WITHIN, api.drained()).await.is_err() {
        tracing::warn!(
            "some requests did not finish in time; their callers will hear that the outcome is unknown"
        );
    }
}
