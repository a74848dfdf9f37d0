//! Finishes what a leader that was lost has left half done.
//!
//! Taking a node out is two steps: it leaves the membership, then its record
//! says so. Between the two it is no member, but nothing tells it: the cluster
//! would neither send to it nor let it go.

use std::{sync::Arc, time::Duration};

use coffee_common::command::MemberState;
use tokio::time::{Instant, sleep};

use super::{Leading, MembershipManager};
use crate::node::{
    propose::ProposeError,
    replica::{Replica, ServerMetrics},
};

/// How long an attempt takes.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);

impl MembershipManager {
    /// Finishes, whenever this node comes to lead and with each change of
    /// membership after that, what was left half done. Runs for as long as the
    /// node has this part in its cluster.
    pub async fn resume_changes(self, replica: Arc<Replica>) {
        let mut done = None;
        loop {
            let mut seen = None;
            let leads_anew = |metrics: &ServerMetrics| {
                self.node.metrics().leaders.note(metrics.vote.leader_id.term, metrics.current_leader);
                seen = Some((metrics.vote, *metrics.membership_config.log_id()));
                metrics.state.is_leader() && seen != done
            };
            if !replica.until(leads_anew).await {
                return;
            }
            let deadline = Instant::now() + ATTEMPT_WITHIN;
            let finished = match self.leading(&replica, deadline).await {
                Ok(leading) => leading.finish().await,
                Err(error) => Err(error),
            };
            match finished {
                Ok(()) => done = seen,
                Err(why) => {
                    tracing::debug!(?why, "the membership cannot be looked after yet");
                    sleep(self.node.lease()).await;
                }
            }
        }
    }
}

impl Leading {
    async fn finish(&self) -> Result<(), ProposeError> {
        // Settles joint consensus, too. Who notes something else of a node keeps the turn until it is noted.
        let _guard = self.lock_changes().await?;
        let view = self.view();
        for record in self.records()? {
            if record.standing == MemberState::Member && !view.is_member(record.id) {
                tracing::info!(node = %record.name, id = %record.id, "noting that it was taken out");
                self.mark(&record.name, record.id, Some(MemberState::Shutdown)).await?;
            }
        }
        Ok(())
    }
}
