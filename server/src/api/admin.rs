//! What a node shows to those who watch it, over HTTP: metrics, and whether it
//! lives and is ready.
//!
//! A port of its own, for monitoring alone: it is off unless it is configured,
//! carries no key and no value, and changes nothing. Guards that whoever comes
//! here, in whatever number and however slowly, costs the node a bounded amount
//! and holds nothing up: it never meets `api` or `peer`, and takes no lock that
//! they wait for.

mod answer;
mod exposition;
mod head;
mod health;
mod listener;
mod metrics;
mod process;

use std::sync::Arc;

pub use self::listener::Listening;
use self::{
    answer::Answer,
    exposition::Text,
    head::{Head, Refusal},
};
use crate::{node::Node, ops::status::ready};

const PAGE: &str = "coffeed\n\n\
    /metrics  in Prometheus' text format\n\
    /livez    whether it lives; ?verbose\n\
    /readyz   whether it is ready; ?verbose, ?exclude=CHECK; /readyz/CHECK for one alone\n";

/// Answers those who watch a node. Cheap to clone.
#[derive(Clone)]
pub struct Admin(Arc<Node>);

impl Admin {
    /// Answers for a node.
    pub fn new(node: Arc<Node>) -> Self {
        Self(node)
    }

    /// All metrics of the node, in Prometheus' text format 0.0.4. Those of the
    /// process are not among them: a program may have several nodes.
    pub async fn metrics(&self) -> String {
        let (findings, space) = (ready::readiness(&self.0).await, self.0.space().look().await.ok());
        let mut text = Text::default();
        metrics::write(&mut text, &self.0, &findings, space);
        text.finish()
    }

    async fn answer(&self, head: Result<Head, Refusal>) -> Answer {
        let head = match head {
            Ok(head) => head,
            Err(refusal) => return Answer::refusal(refusal),
        };
        let mut parts = head.path.split('/').skip(1);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(""), None, None) => Answer::text(200, PAGE.to_owned()),
            (Some("metrics"), None, None) => Answer::metrics(self.metrics().await + &process::metrics()),
            (Some("livez"), only, None) => {
                health::answer("livez", &health::liveness(&self.0).await, only, &head)
            }
            (Some("readyz"), only, None) => {
                let findings = ready::readiness(&self.0).await;
                let checks: Vec<_> = findings.into_iter().map(health::Checked::from).collect();
                health::answer("readyz", &checks, only, &head)
            }
            _ => Answer::text(404, "there is no such page\n".to_owned()),
        }
    }
}
