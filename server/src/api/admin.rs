//! Monitoring over HTTP: the status page, metrics, liveness and readiness.
//!
//! It listens on its own port, is off unless configured, exposes no keys or values, and changes
//! nothing. Guards that any number of clients, however slow, cost the node a bounded amount and
//! delay nothing else: it does not depend on `client` or `peer`, and takes no lock that they wait
//! for.

mod exposition;
mod health;
mod listener;
mod metrics;
mod process;
mod response;

use std::sync::Arc;

use hyper::{StatusCode, Uri};

pub use self::listener::Listening;
use self::{exposition::Text, response::AdminResponse};
use crate::{
    api::page::{ICON, SCRIPT, STYLE, StatusPage},
    node::Node,
    ops::status::ready,
};

/// Serves the monitoring of a node. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    node: Arc<Node>,
    page: Arc<StatusPage>,
}

impl Admin {
    /// Creates the service of a node.
    pub fn new(node: Arc<Node>) -> Self {
        Self { page: Arc::new(StatusPage::new(Arc::clone(&node))), node }
    }

    /// Returns the node's metrics in Prometheus' text format 0.0.4, without those of the process:
    /// a program may run several nodes.
    pub async fn metrics(&self) -> String {
        let (findings, space) = (ready::readiness(&self.node).await, self.node.space().look().await.ok());
        let mut text = Text::default();
        metrics::write(&mut text, &self.node, &findings, space);
        text.finish()
    }

    async fn answer(&self, target: &Uri) -> AdminResponse {
        let mut parts = target.path().split('/').skip(1);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(""), None, None) => AdminResponse::page(self.page.document().await),
            (Some("page"), Some("style.css"), None) => AdminResponse::asset(STYLE),
            (Some("page"), Some("script.js"), None) => AdminResponse::asset(SCRIPT),
            (Some("page"), Some("icon.svg"), None) => AdminResponse::asset(ICON),
            (Some("page"), Some("events"), None) => match self.page.events() {
                Some(events) => AdminResponse::events(events),
                None => AdminResponse::text(StatusCode::SERVICE_UNAVAILABLE, "too many viewers\n"),
            },
            (Some("metrics"), None, None) => {
                AdminResponse::metrics(self.metrics().await + &process::metrics())
            }
            (Some("livez"), only, None) => {
                health::answer("livez", &health::liveness(&self.node).await, only, target.query())
            }
            (Some("readyz"), only, None) => {
                let findings = ready::readiness(&self.node).await;
                let checks: Vec<_> = findings.into_iter().map(health::HealthCheck::from).collect();
                health::answer("readyz", &checks, only, target.query())
            }
            _ => AdminResponse::text(StatusCode::NOT_FOUND, "not found\n"),
        }
    }
}
