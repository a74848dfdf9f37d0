//! Logs a warning before the node's certificate expires, and an error once it has.
//!
//! Checks once a day and at the moment of expiry. Tokio's clock schedules the check,
//! and the system clock that validates certificates decides. A jump of the system
//! clock is noticed within a day.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use coffee_common::{protocol::NodeEventKind, tls::WARN_DAYS};
use tokio::{sync::watch, time::timeout};

use crate::node::Node;

/// The warning period in seconds.
const WARN_SECONDS: u64 = WARN_DAYS.unsigned_abs() * 86_400;

const DAY: Duration = Duration::from_secs(86_400);

/// Checks the certificate until the node stops.
pub(in crate::server) async fn watch(node: Weak<Node>, mut stopping: watch::Receiver<bool>) {
    while let Some(node) = node.upgrade() {
        let pause = check(&node);
        drop(node);
        if timeout(pause, stopping.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

/// Checks once. Returns the time until the next check.
fn check(node: &Arc<Node>) -> Duration {
    let credentials = node.credentials();
    let (now, until) = (credentials.now(), credentials.valid_until());
    let name = node.name();
    match until.checked_sub(now) {
        None | Some(0) => {
            let days = (now - until) / DAY.as_secs();
            tracing::error!(
                days,
                serial = credentials.serial(),
                "certificate has expired: new connections are rejected and a restart would fail; existing \
                 connections continue; hint: run `coffeectl cert renew node-{name}`, replace the old file, then \
                 run `coffeectl reload` or send SIGHUP"
            );
            record(node, "the certificate has expired: new connections are rejected");
            DAY
        }
        Some(left) if left < WARN_SECONDS => {
            tracing::warn!(
                days = left / DAY.as_secs(),
                serial = credentials.serial(),
                "certificate expires soon; hint: run `coffeectl cert renew node-{name}`, replace the old file, then \
                 run `coffeectl reload` or send SIGHUP"
            );
            record(node, &format!("the certificate expires in {} days", left / DAY.as_secs()));
            DAY.min(Duration::from_secs(left))
        }
        Some(left) => DAY.min(Duration::from_secs(left - WARN_SECONDS + 1)),
    }
}

fn record(node: &Node, text: &str) {
    node.events().record(NodeEventKind::Certificate, "", text);
}
