//! Finishes the membership changes that a failed leader left incomplete.
//!
//! A removal has two steps: the node leaves the membership, then its record says
//! so. Between the two the node is no longer a member and cannot find that out:
//! the cluster neither sends to it nor tells it to stop.

use std::{sync::Arc, time::Duration};

use coffee_common::command::MemberState;
use tokio::time::{Instant, sleep};

use super::{Leading, MembershipManager};
use crate::node::{
    propose::ProposeError,
    replica::{Replica, ServerMetrics},
};

/// Time limit of one attempt.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);

impl MembershipManager {
    /// Finishes incomplete changes whenever this node becomes leader, and after
    /// each change of membership while it leads. Runs as long as the replica.
    pub async fn resume_changes(self, replica: Arc<Replica>) {
        let mut done = None;
        loop {
            let mut seen = None;
            let has_work = |metrics: &ServerMetrics| {
                self.node.metrics().leaders.note(metrics.vote.leader_id.term, metrics.current_leader);
                seen = Some((metrics.vote, *metrics.membership_config.log_id()));
                metrics.state.is_leader() && seen != done
            };
            if !replica.until(has_work).await {
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
                    tracing::debug!(?why, "incomplete membership changes cannot be finished yet");
                    sleep(self.node.lease()).await;
                }
            }
        }
    }
}

impl Leading {
    async fn finish(&self) -> Result<(), ProposeError> {
        // Settles joint consensus too. A removal holds this lock until the record says so.
        let _guard = self.lock_changes().await?;
        let view = self.view();
        let membership = self.replica.membership();
        for record in self.records()? {
            if record.standing == MemberState::Member && !view.is_member(record.id) {
                tracing::info!(node = %record.name, id = %record.id, "recording that a node was removed");
                self.record_state(&record.name, record.id, Some(MemberState::Shutdown)).await?;
            }
            if record.standing == MemberState::Joining && view.votes(record.id) {
                self.record_state(&record.name, record.id, Some(MemberState::Member)).await?;
            }
            let member = membership.get_node(&record.id).map(|member| &member.address);
            if let Some(address) = member.filter(|address| **address != record.address) {
                tracing::info!(node = %record.name, id = %record.id, %address, "recording that a node has moved");
                self.record_address(&record.name, record.id, address).await?;
            }
        }
        Ok(())
    }
}
