//! This node's part in its cluster, while it has one: its consensus, and what
//! it has applied.
//!
//! A thin bridge for the operations above, which ask it who leads and wait for
//! that to change. Decides nothing. Guards that no operation holds a guard on
//! what the consensus library publishes.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use coffee_common::{
    id::{ClusterId, NodeId, Revision},
    protocol::Leader,
};
use openraft::{
    Instant,
    async_runtime::WatchReceiver,
    metrics::{RaftMetrics, RaftServerMetrics},
    type_config::alias::WatchReceiverOf,
};

use crate::{
    node::{leader_contact::LastContact, raft::Raft},
    raft_types::{Member, StoredMembership, TypeConfig},
    storage::{
        log::LogStore,
        snapshot::Snapshot,
        state_machine::{Checkpointer, StateReader},
    },
};

/// What the consensus library publishes of a node.
pub type Metrics = RaftMetrics<TypeConfig>;
/// What it publishes of leadership and membership alone.
pub type ServerMetrics = RaftServerMetrics<TypeConfig>;

/// This node's part in its cluster.
pub struct Replica {
    cluster: ClusterId,
    id: NodeId,
    raft: Raft,
    log: LogStore,
    state: StateReader,
    checkpointer: Checkpointer,
    /// The end of the log when the node started.
    log_at_start: Option<u64>,
    last_contact: LastContact,
    recovered: AtomicBool,
}

/// Whom this node follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentLeader {
    /// The leader.
    pub id: NodeId,
    /// Since which term it leads.
    pub term: u64,
    /// What the membership says of it.
    pub member: Member,
}

impl Replica {
    /// The node `id` of `cluster`, whose consensus has just been started.
    pub fn new(
        cluster: ClusterId,
        id: NodeId,
        raft: Raft,
        log: LogStore,
        state: StateReader,
        checkpointer: Checkpointer,
        last_contact: LastContact,
    ) -> Self {
        let log_at_start = raft.metrics().borrow_watched().last_log_index;
        Self {
            cluster,
            id,
            raft,
            log,
            state,
            checkpointer,
            log_at_start,
            last_contact,
            recovered: AtomicBool::new(false),
        }
    }

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The handle to its consensus.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// Its log, for what that counts.
    pub fn log(&self) -> &LogStore {
        &self.log
    }

    /// What it has applied.
    pub fn state(&self) -> &StateReader {
        &self.state
    }

    /// What it has applied, at this point in time: made durable first.
    pub async fn snapshot(&self) -> io::Result<Snapshot> {
        self.checkpointer.checkpoint().await
    }

    /// All that the consensus library says of it at present.
    pub fn metrics(&self) -> Metrics {
        self.raft.metrics().borrow_watched().clone()
    }

    /// The membership that counts at present, be it committed or not.
    pub fn membership(&self) -> Arc<StoredMembership> {
        self.raft.server_metrics().borrow_watched().membership_config.clone()
    }

    /// Whom it follows; itself, where it leads.
    pub fn leader(&self) -> Option<CurrentLeader> {
        leader_of(&self.raft.server_metrics().borrow_watched())
    }

    /// Whether it leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.raft.server_metrics().borrow_watched().state.is_leader()
    }

    /// The leader, for those who ask where to go.
    pub fn leader_hint(&self) -> Option<Leader> {
        self.leader().map(|lead| Leader { name: lead.member.name, address: lead.member.address })
    }

    /// When it heard its leaders last.
    pub fn last_contact(&self) -> &LastContact {
        &self.last_contact
    }

    /// Waits until it follows somebody else than `old`, or nobody any more, or
    /// until its consensus has stopped.
    pub async fn leader_changed(&self, old: Option<&CurrentLeader>) {
        self.until(|metrics| leader_of(metrics).as_ref() != old).await;
    }

    /// Waits until what is published of membership and leadership meets a
    /// condition. `false`: its consensus has stopped before.
    pub async fn until(&self, mut met: impl FnMut(&ServerMetrics) -> bool) -> bool {
        let mut changes: WatchReceiverOf<TypeConfig, ServerMetrics> = self.raft.server_metrics();
        loop {
            if met(&changes.borrow_and_update()) {
                return true;
            }
            if changes.changed().await.is_err() {
                return false;
            }
        }
    }

    /// Waits until `revision` is applied.
    pub async fn applied(&self, revision: Revision) {
        self.state.wait_applied(revision).await;
    }

    /// Waits until all is applied again that was applied before a restart.
    /// Takes a quorum, since nothing else tells which part of the log is committed.
    pub async fn recovered(&self) {
        if self.recovered.load(Ordering::Acquire) {
            return;
        }
        let mut changes = self.raft.metrics();
        while !self.has_recovered(&changes.borrow_and_update()) {
            if changes.changed().await.is_err() {
                // Stopped: whoever waits runs into his own deadline.
                std::future::pending::<()>().await;
            }
        }
        self.recovered.store(true, Ordering::Release);
    }

    /// Whether all is applied again that was applied before a restart.
    pub fn is_recovered(&self) -> bool {
        self.recovered.load(Ordering::Acquire) || self.has_recovered(&self.raft.metrics().borrow_watched())
    }

    fn has_recovered(&self, metrics: &Metrics) -> bool {
        let Some(start) = self.log_at_start else { return true };
        let applied = metrics.last_applied.map(|applied| applied.index);
        let committed = metrics.cluster_committed.map(|committed| committed.index);
        // The end of the log may have been given up meanwhile: then it counts
        // that all of what is there now is committed and applied.
        applied >= Some(start)
            || (committed.is_some() && committed >= metrics.last_log_index && applied >= committed)
    }

    /// Returns once its consensus and then the disk of its log have answered;
    /// never, while one of them hangs. `false`: one of them has stopped.
    pub async fn pulse(&self) -> bool {
        self.raft.with_raft_state(|_| ()).await.is_ok() && self.log.probe().await.is_ok()
    }

    /// How long ago a leader was heard, or this node voted or asked for votes:
    /// what it counts its election timeout from. `None` if neither happened since it started.
    pub async fn silence(&self) -> Option<Duration> {
        let last = self.raft.with_raft_state(|state| state.vote_last_modified()).await.ok().flatten();
        last.map(|last| last.elapsed())
    }
}

/// Whom a node follows, by what is published of it.
pub fn leader_of(metrics: &ServerMetrics) -> Option<CurrentLeader> {
    let id = metrics.current_leader?;
    let member = metrics.membership_config.get_node(&id)?.clone();
    Some(CurrentLeader { id, term: metrics.vote.leader_id.term, member })
}
