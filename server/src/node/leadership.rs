//! Watches who leads, and whether the leader hears a quorum.
//!
//! Logs and counts each change of the leader with its reason (`observer` decides it). Keeps
//! [`Replica::quorum_lost`] up to date: a leader that is cut off from the others cannot know that
//! another one is elected. Guards that its callers learn soon that they must ask elsewhere: the
//! entries that it has appended may or may not be applied, and nothing else will be.

mod event;
mod observer;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use openraft::{Instant as _, async_runtime::WatchReceiver};
use tokio::time::{Instant, sleep};

use self::{
    event::LeadershipEvent,
    observer::{LeadershipLook, LeadershipObserver},
};
use super::{
    Node,
    replica::{Metrics, Replica, ServerMetrics, leader_of},
};
use crate::metrics::{LeadershipMetrics, LogThrottle};

/// The minimum pause between two looks, as a part of the lease. A change of the leader is seen at
/// once.
const LOOKS_MAX: u32 = 8;

/// Log lines about leadership at once, and the interval of one more.
const LINES: u32 = 20;
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Watches the leadership of a replica. Ends with consensus.
pub async fn watch(node: Arc<Node>, replica: Arc<Replica>) {
    let lease = node.lease();
    let mut changes = replica.raft().server_metrics();
    let mut observer = LeadershipObserver::new(replica.id(), lease, Instant::now());
    let mut throttle = LogThrottle::new(LINES, LINE_INTERVAL);
    loop {
        let server_metrics = changes.borrow_and_update().clone();
        let metrics = replica.metrics();
        if metrics.running_state.is_err() {
            return;
        }
        let events = observer.note(look(&replica, &server_metrics, &metrics));
        // The next moment at which a leader can have lost its quorum.
        let silence = observer.quorum_silence().unwrap_or_default();
        let pause = lease.saturating_sub(silence).max(lease / LOOKS_MAX);
        replica.set_quorum_lost(observer.is_quorum_lost());
        replica.set_leads_others_since(observer.leads_others_since());
        for event in events {
            count(&event, &node.metrics().leadership);
            event.record(node.events());
            if let Some(suppressed) = throttle.admit(Instant::now()) {
                event.log(suppressed);
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = sleep(pause) => {}
        }
    }
}

fn look(replica: &Replica, server_metrics: &ServerMetrics, metrics: &Metrics) -> LeadershipLook {
    // A single voter is a quorum, and sends no heartbeats.
    let has_others = metrics.membership_config.membership().voter_ids().nth(1).is_some();
    let leads = server_metrics.state.is_leader() && metrics.state.is_leader();
    LeadershipLook {
        at: Instant::now(),
        state: server_metrics.state,
        term: server_metrics.vote.leader_id.term,
        leader: leader_of(server_metrics).map(|leader| (leader.id, leader.member.name)),
        silences: replica.last_contact().silences(),
        leads_others: leads && has_others,
        quorum_heard: metrics.last_quorum_acked.map(|at| at.elapsed()),
        transfer_term: replica.transfer_term(),
    }
}

fn count(event: &LeadershipEvent, metrics: &LeadershipMetrics) {
    match event {
        LeadershipEvent::Stands { reason, .. } => metrics.elections(*reason).increment(),
        LeadershipEvent::LeadsNoLonger { reason, .. } => metrics.losses(*reason).increment(),
        _ => {}
    }
}
