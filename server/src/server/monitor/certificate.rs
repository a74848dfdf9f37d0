//! Says in the log that the node's certificate ends soon, or has ended.
//!
//! Once a day, and when it ends. Tokio's time says when to look, and the clock
//! that judges certificates what is seen: where that one jumps, a day passes
//! until it is noticed.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use coffee_common::tls::WARN_DAYS;
use tokio::{sync::watch, time::timeout};

use crate::node::Node;

/// As seconds.
const WARN_SECONDS: u64 = WARN_DAYS.unsigned_abs() * 86_400;

const DAY: Duration = Duration::from_secs(86_400);

/// Looks until the node is to stop, or is gone.
pub(in crate::server) async fn watch(node: Weak<Node>, mut stopping: watch::Receiver<bool>) {
    while let Some(node) = node.upgrade() {
        let pause = look(&node);
        drop(node);
        if timeout(pause, stopping.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

/// Says what there is to say, and when to look again.
fn look(node: &Arc<Node>) -> Duration {
    let credentials = node.credentials();
    let (now, until) = (credentials.now(), credentials.valid_until());
    let name = node.name();
    match until.checked_sub(now) {
        None | Some(0) => {
            let days = (now - until) / DAY.as_secs();
            tracing::error!(
                days,
                serial = credentials.serial(),
                "this node's certificate has expired: nobody lets it in any more, and a restart would fail; \
                 connections that exist go on; hint: `coffeectl cert renew node-{name}`, put it where the old one is, \
                 then `coffeectl reload` or SIGHUP"
            );
            DAY
        }
        Some(left) if left < WARN_SECONDS => {
            tracing::warn!(
                days = left / DAY.as_secs(),
                serial = credentials.serial(),
                "this node's certificate expires soon: `coffeectl cert renew node-{name}`, put it where the old one \
                 is, then `coffeectl reload` or SIGHUP"
            );
            DAY.min(Duration::from_secs(left))
        }
        Some(left) => DAY.min(Duration::from_secs(left - WARN_SECONDS + 1)),
    }
}
