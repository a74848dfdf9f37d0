//! This node's replica: its openraft instance, its log and its applied state.
//!
//! A thin bridge for the operations above, which ask it for the leader and wait
//! for changes. Decides nothing. Guards that no operation holds a lock on the
//! metrics that openraft publishes.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use coffee_common::{
    id::{ClusterId, NodeId, Revision},
    protocol::{Leader, LeftOut, Rejection},
};
use futures_util::future::BoxFuture;
use openraft::{
    Instant,
    async_runtime::WatchReceiver,
    metrics::{RaftMetrics, RaftServerMetrics},
    type_config::alias::{LogIdOf, WatchReceiverOf},
};
use tokio::{sync::watch, time};

use crate::{
    node::{leader_contact::LastContact, raft::Raft},
    raft_types::{Member, StoredMembership, TypeConfig, Vote},
    storage::{
        log::LogStore,
        snapshot::Snapshot,
        state_machine::{Checkpointer, StateReader},
    },
};

/// The metrics that openraft publishes.
pub type Metrics = RaftMetrics<TypeConfig>;
/// The metrics that openraft publishes about leadership and membership.
pub type ServerMetrics = RaftServerMetrics<TypeConfig>;

/// A leader that was heard within this time, or the lease if that is longer, disproves what was found
/// out without one.
const HEARD_NOW: Duration = Duration::from_millis(500);

/// This node as a member of its cluster.
pub struct Replica {
    cluster: ClusterId,
    id: NodeId,
    raft: Raft,
    log: LogStore,
    state: StateReader,
    checkpointer: Checkpointer,
    /// The last log index when the node started.
    log_at_start: Option<u64>,
    last_contact: LastContact,
    ask_follower: AskFollower,
    quorum_lost: watch::Sender<bool>,
    /// Since when this node leads other voters, if it does.
    leads_others_since: watch::Sender<Option<time::Instant>>,
    /// The term in which this node, as the leader, last began to hand over; 0 for none.
    transfer_term: AtomicU64,
    left_out: watch::Sender<Option<LeftOut>>,
    no_quorum: watch::Sender<Option<Rejection>>,
    recovered: AtomicBool,
    heard_now: Duration,
}

/// Asks a member whether it follows the leader with this vote. `false` if it does not, or
/// has not answered in time.
pub type AskFollower = Box<dyn Fn(NodeId, &Member, Vote, Duration) -> BoxFuture<'static, bool> + Send + Sync>;

/// The parts of a replica.
pub struct ReplicaParts {
    /// The cluster's id.
    pub cluster: ClusterId,
    /// The node's id.
    pub id: NodeId,
    /// Consensus, just started.
    pub raft: Raft,
    /// The log.
    pub log: LogStore,
    /// Reads the applied state.
    pub state: StateReader,
    /// Makes the applied state durable.
    pub checkpointer: Checkpointer,
    /// The times of last contact with the leaders.
    pub last_contact: LastContact,
    /// Asks other members whether they follow this node.
    pub ask_follower: AskFollower,
    /// The leader lease.
    pub lease: Duration,
}

/// The leader that this node follows; the node itself if it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentLeader {
    /// The leader's id.
    pub id: NodeId,
    /// The term in which it was elected.
    pub term: u64,
    /// The leader's name and address in the membership.
    pub member: Member,
}

impl Replica {
    /// Returns a replica whose consensus has just been started.
    pub fn new(parts: ReplicaParts) -> Self {
        let ReplicaParts { cluster, id, raft, log, state, checkpointer, last_contact, .. } = parts;
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
            ask_follower: parts.ask_follower,
            quorum_lost: watch::Sender::new(false),
            leads_others_since: watch::Sender::new(None),
            transfer_term: AtomicU64::new(0),
            left_out: watch::Sender::new(None),
            no_quorum: watch::Sender::new(None),
            recovered: AtomicBool::new(false),
            heard_now: HEARD_NOW.max(parts.lease),
        }
    }

    /// The cluster's id.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The handle to openraft.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// The log, for its metrics.
    pub fn log(&self) -> &LogStore {
        &self.log
    }

    /// The applied state.
    pub fn state(&self) -> &StateReader {
        &self.state
    }

    /// Makes the applied state durable and returns a snapshot of it.
    pub async fn snapshot(&self) -> io::Result<Snapshot> {
        self.checkpointer.checkpoint().await
    }

    /// The current metrics of openraft.
    pub fn metrics(&self) -> Metrics {
        self.raft.metrics().borrow_watched().clone()
    }

    /// The effective membership, committed or not.
    pub fn membership(&self) -> Arc<StoredMembership> {
        self.raft.server_metrics().borrow_watched().membership_config.clone()
    }

    /// The index of the entry that holds the effective membership; `None` without one.
    pub fn membership_index(&self) -> Option<u64> {
        self.membership().log_id().as_ref().map(|id| id.index)
    }

    /// The leader that this node follows; the node itself if it leads.
    pub fn leader(&self) -> Option<CurrentLeader> {
        leader_of(&self.raft.server_metrics().borrow_watched())
    }

    /// Whether this node is the leader, as far as it knows.
    pub fn leads(&self) -> bool {
        self.raft.server_metrics().borrow_watched().state.is_leader()
    }

    /// The leader's name and address, for responses to clients.
    pub fn leader_hint(&self) -> Option<Leader> {
        self.leader().map(|lead| Leader { name: lead.member.name, address: lead.member.address })
    }

    /// Tells whether this node leads and has heard no quorum for longer than the lease.
    pub fn quorum_lost(&self) -> watch::Receiver<bool> {
        self.quorum_lost.subscribe()
    }

    pub(super) fn set_quorum_lost(&self, lost: bool) {
        self.quorum_lost.send_if_modified(|was| std::mem::replace(was, lost) != lost);
    }

    pub(super) fn set_leads_others_since(&self, since: Option<time::Instant>) {
        self.leads_others_since.send_replace(since);
    }

    /// On a leader, the time since a quorum acknowledged it; since it leads, if none has. `metrics`
    /// are this replica's.
    pub fn quorum_silence(&self, metrics: &Metrics) -> Option<Duration> {
        let led = self.leads_others_since.borrow().filter(|_| metrics.state.is_leader());
        let heard = metrics.last_quorum_acked.map(|at| at.elapsed());
        heard.or(led.map(|since| since.elapsed()))
    }

    /// Records that this node, the leader of `term`, hands over.
    pub fn note_transfer(&self, term: u64) {
        self.transfer_term.store(term, Ordering::Release);
    }

    /// The term in which this node, as the leader, last began to hand over; 0 for none.
    pub fn transfer_term(&self) -> u64 {
        self.transfer_term.load(Ordering::Acquire)
    }

    /// Returns how this node was left out of a restore or a recovery; `None` if it was not, as far
    /// as it knows.
    pub fn left_out(&self) -> Option<LeftOut> {
        self.left_out.borrow().clone().filter(|_| !self.hears_leader(self.heard_now))
    }

    /// Records the same, and returns what was known before.
    pub fn set_left_out(&self, left_out: Option<LeftOut>) -> Option<LeftOut> {
        self.left_out.send_replace(left_out)
    }

    /// Whether this node heard its leader within this time, or leads and hears a quorum.
    pub fn hears_leader(&self, within: Duration) -> bool {
        match self.leader() {
            Some(lead) if lead.id == self.id => !*self.quorum_lost.borrow(),
            Some(lead) => self.last_contact.within(within, lead.id),
            None => false,
        }
    }

    /// Returns the rejection to give while this node has no leader and reaches too few voters to
    /// elect one.
    pub fn no_quorum(&self) -> Option<Rejection> {
        self.no_quorum.borrow().clone().filter(|_| !self.hears_leader(self.heard_now))
    }

    /// Sets the same.
    pub fn set_no_quorum(&self, no_quorum: Option<Rejection>) {
        self.no_quorum.send_if_modified(|known| {
            let changed = *known != no_quorum;
            *known = no_quorum;
            changed
        });
    }

    /// Waits until this node knows that it reaches no quorum.
    pub async fn loses_quorum(&self) {
        if self.no_quorum.subscribe().wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Asks a member whether it follows the leader with this vote.
    pub(super) fn ask_follower(
        &self,
        id: NodeId,
        member: &Member,
        vote: Vote,
        within: Duration,
    ) -> BoxFuture<'static, bool> {
        (self.ask_follower)(id, member, vote, within)
    }

    /// The last log index when the node started.
    pub(super) fn log_at_start(&self) -> Option<u64> {
        self.log_at_start
    }

    /// The times of last contact with the leaders.
    pub fn last_contact(&self) -> &LastContact {
        &self.last_contact
    }

    /// Waits until this node's leader is not `old`: another one or none. Also
    /// returns when consensus has stopped.
    pub async fn leader_changed(&self, old: Option<&CurrentLeader>) {
        self.until(|metrics| leader_of(metrics).as_ref() != old).await;
    }

    /// Waits until the published membership and leadership meet a condition.
    /// Returns `false` if consensus stopped first.
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

    /// Waits until everything that was applied before a restart is applied again.
    /// Needs a quorum: only a quorum knows which part of the log is committed.
    pub async fn recovered(&self) {
        if self.recovered.load(Ordering::Acquire) {
            return;
        }
        let mut changes = self.raft.metrics();
        while !self.has_recovered(&changes.borrow_and_update()) {
            if changes.changed().await.is_err() {
                // Consensus has stopped: the caller's own deadline ends the wait.
                std::future::pending::<()>().await;
            }
        }
        self.recovered.store(true, Ordering::Release);
    }

    /// Whether everything that was applied before a restart is applied again.
    pub fn is_recovered(&self) -> bool {
        self.recovered.load(Ordering::Acquire) || self.has_recovered(&self.raft.metrics().borrow_watched())
    }

    fn has_recovered(&self, metrics: &Metrics) -> bool {
        let Some(start) = self.log_at_start else { return true };
        let applied = metrics.last_applied.map(|applied| applied.index);
        let committed = metrics.cluster_committed.map(|committed| committed.index);
        // The end of the log may have been truncated in the meantime. Then the
        // whole current log must be committed and applied.
        applied >= Some(start)
            || (committed.is_some() && committed >= metrics.last_log_index && applied >= committed)
    }

    /// Returns once consensus and then the log's disk have responded. Does not
    /// return while one of them hangs. Returns `false` if one has stopped.
    pub async fn pulse(&self) -> bool {
        self.raft.with_raft_state(|_| ()).await.is_ok() && self.log.probe().await.is_ok()
    }

    /// The entry that holds the effective membership, read from consensus itself: the
    /// published metrics may be older. `None` if consensus has stopped.
    pub async fn membership_at(&self) -> Option<LogIdOf<TypeConfig>> {
        let effective = self.raft.with_raft_state(|state| *state.membership_state.effective().log_id());
        effective.await.ok().flatten()
    }

    /// The last entry of the log, read from consensus itself. `None` if consensus has stopped.
    pub async fn last_log_id(&self) -> Option<Option<LogIdOf<TypeConfig>>> {
        self.raft.with_raft_state(|state| state.log_ids.last().copied()).await.ok()
    }

    /// The time since the last contact with a leader, or since this node voted or
    /// asked for votes: the time that its election timeout counts. `None` if none
    /// of these has happened since the start.
    pub async fn silence(&self) -> Option<Duration> {
        let last = self.raft.with_raft_state(|state| state.vote_last_modified()).await.ok().flatten();
        last.map(|last| last.elapsed())
    }
}

/// Returns the leader that the published metrics name.
pub fn leader_of(metrics: &ServerMetrics) -> Option<CurrentLeader> {
    let id = metrics.current_leader?;
    let member = metrics.membership_config.get_node(&id)?.clone();
    Some(CurrentLeader { id, term: metrics.vote.leader_id.term, member })
}
