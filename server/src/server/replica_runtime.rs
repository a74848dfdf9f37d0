//! A node's running replica: opens storage, then consensus, and closes them again.

use std::{io, sync::Arc, time::Duration};

use coffee_common::{
    id::{Address, NodeId},
    quic::Endpoint,
};
use openraft::async_runtime::WatchReceiver;
use tokio::task::JoinSet;

use super::{Closed, StartError, memory, monitor::connections::keep_warm, reload::Reloading};
use crate::{
    api::peer::{LeaderLog, PeerContext, PeerNetwork, Refusals},
    config::{Config, StorageOptions},
    node::{
        Node,
        audit_log::AuditLog,
        cluster_changes,
        event_log::EventLog,
        leader_contact::LastContact,
        leadership, log_size, raft,
        replica::{Replica, ReplicaParts},
    },
    ops::{
        confirm_member::{Confirmation, MemberConfirmation},
        divergence,
        membership::MembershipManager,
        quorum_watch, room,
    },
    storage::{
        disk::{DataDir, LevelMark, NodeIdentity},
        durable_index::DurableIndex,
        log::{LogError, LogStore},
        poison::{FailureKind, Poison, StorageFailure},
        state::Databases,
        state::{Offload, StateDir, StateOptions},
        state_machine::{Checkpointer, StateMachine},
    },
};

/// How long a simulated disk delays the state, while the other nodes continue.
const SIMULATED_WAIT: Duration = Duration::from_millis(5);

/// Small: a simulation makes few writes and still needs frequent flushes.
const SIMULATED_FLUSH_BYTES: usize = 32 << 10;

/// An open replica and its background tasks.
pub(crate) struct ReplicaRuntime {
    pub(crate) replica: Arc<Replica>,
    pub(crate) peers: PeerContext,
    network: PeerNetwork,
    log: LogStore,
    checkpointer: Checkpointer,
    poison: Poison,
    log_keep_bytes: u64,
    join: Vec<Address>,
    simulated: bool,
    /// Background tasks, which end with the replica.
    tasks: JoinSet<()>,
}

impl ReplicaRuntime {
    /// Opens storage and starts consensus.
    pub(crate) async fn open(
        data: &DataDir,
        databases: Option<Arc<dyn Databases>>,
        identity: &NodeIdentity,
        (endpoint, events): (&Endpoint, &EventLog),
        config: &Config,
    ) -> Result<Self, StartError> {
        let poison = Poison::new();
        let simulated = databases.is_some();
        let level_mark = data.level_mark();
        let (state, log) = match databases {
            Some(databases) => open_databases(&databases, identity.id, &poison, &level_mark)?,
            None => open_storage(data, identity.id, &poison, &config.storage).await?,
        };
        let mut log = log.with_level_mark(level_mark);
        check_fit(&state, &log)?;
        // Old parts of the log are read from here on, and damage in them poisons the storage.
        let failed = |error| poison.failure().map_or(error, StartError::Storage);
        log.fit_to(state.last_applied()).await.map_err(|error| failed(error.into()))?;
        let (reader, inbox, checkpointer) = (state.reader(), state.inbox(), state.checkpointer());
        let network = PeerNetwork::new(endpoint.clone(), identity.cluster, identity.id, events.clone());
        let raft =
            raft::start(identity.id, &config.timers, &config.storage, network.clone(), log.clone(), state)
                .await
                .map_err(|error| failed(error.into()))?;
        let last_contact = LastContact::default();
        let peers = PeerContext {
            raft: raft.clone(),
            cluster: identity.cluster,
            own: identity.id,
            inbox,
            leader_log: LeaderLog::default(),
            last_contact: last_contact.clone(),
            refusals: Refusals::default(),
            versions: network.versions(),
            // Until the node serves.
            audit_log: AuditLog::default(),
            events: events.clone(),
            confirm: Arc::new(|_, _| Box::pin(async { Confirmation::Unknown })),
        };
        let followers = network.clone();
        let replica = Arc::new(Replica::new(ReplicaParts {
            cluster: identity.cluster,
            id: identity.id,
            raft,
            log: log.clone(),
            state: reader,
            checkpointer: checkpointer.clone(),
            last_contact,
            ask_follower: Box::new(move |id, member, vote, within| {
                Box::pin(followers.follows(id, member, vote, within))
            }),
            lease: config.timers.lease(),
        }));
        let log_keep_bytes = config.storage.log_keep_bytes;
        let (join, tasks) = (config.join.clone(), JoinSet::new());
        Ok(Self {
            replica,
            peers,
            network,
            log,
            checkpointer,
            poison,
            log_keep_bytes,
            join,
            simulated,
            tasks,
        })
    }

    /// Puts the revocation lists in the state to use whenever they change.
    pub(crate) fn follow_lists(&mut self, reloading: &Arc<Reloading>) {
        self.tasks.spawn(Arc::clone(reloading).follow_lists(Arc::clone(&self.replica)));
    }

    /// Makes this the node's replica: the node serves from now on. `joins` are the members that
    /// it joins, if it does.
    pub(crate) fn activate(&mut self, node: &Arc<Node>, membership: &MembershipManager, joins: Vec<Address>) {
        let confirmation = Arc::new(MemberConfirmation::new(node, &self.replica, joins.clone()));
        self.peers.confirm = Arc::new(move |id, name| {
            let confirmation = Arc::clone(&confirmation);
            Box::pin(async move { confirmation.confirm(id, &name).await })
        });
        self.peers.audit_log = node.audit_log().clone();
        node.set_replica(Some(Arc::clone(&self.replica)));
        self.tasks.spawn(keep_warm(Arc::clone(node), Arc::clone(&self.replica), self.network.clone()));
        let (own, replica) = (Arc::clone(node), Arc::clone(&self.replica));
        self.tasks.spawn(leadership::watch(Arc::clone(node), Arc::clone(&self.replica)));
        self.tasks.spawn(cluster_changes::watch(Arc::clone(node), Arc::clone(&self.replica)));
        self.tasks.spawn(quorum_watch::watch(Arc::clone(node), Arc::clone(&self.replica)));
        self.tasks.spawn(divergence::compare(own, replica, self.checkpointer.clone()));
        // A simulated disk has no free space to measure.
        if !self.simulated {
            self.tasks.spawn(room::watch(Arc::clone(node), Arc::clone(&self.replica)));
        }
        self.tasks.spawn(log_size::keep_within(Arc::clone(&self.replica), self.log_keep_bytes));
        self.tasks.spawn(membership.clone().resume_changes(Arc::clone(&self.replica)));
        self.tasks.spawn(membership.clone().finish_upgrades(Arc::clone(&self.replica)));
        self.tasks.spawn(membership.clone().watch_for_removal(Arc::clone(&self.replica), joins));
        let join = std::mem::take(&mut self.join);
        self.tasks.spawn(membership.clone().announce_address(Arc::clone(&self.replica), join));
    }

    /// Waits until the replica fails: its storage has failed or consensus has stopped.
    /// Returns how the node ends.
    pub(crate) async fn failed(&self) -> Closed {
        let failure = tokio::select! {
            failure = self.poison.poisoned() => Some(failure),
            _ = self.replica.until(|_| false) => self.poison.failure(),
        };
        match failure {
            Some(StorageFailure { cause, kind }) => match kind {
                FailureKind::Failed => Closed::Failed(cause),
                FailureKind::Damage => Closed::Damaged(cause),
                FailureKind::Newer => Closed::Newer(cause),
            },
            None => Closed::Failed(match &self.replica.raft().metrics().borrow_watched().running_state {
                Err(fatal) => format!("consensus has stopped: {fatal}").into(),
                Ok(()) => "consensus has stopped".into(),
            }),
        }
    }

    /// Stops consensus, makes all state durable, and closes the files.
    pub(crate) async fn close(mut self) {
        self.tasks.shutdown().await;
        if let Err(error) = self.replica.raft().shutdown().await {
            tracing::warn!(%error, "consensus did not stop cleanly");
        }
        // Spares the next start the replay of the log. A failed storage has been logged already.
        let checkpointed = self.checkpointer.checkpoint().await;
        let closed = self.log.close().await;
        if let (None, Err(error)) = (self.poison.cause(), checkpointed.and(closed)) {
            tracing::warn!(%error, "storage was not closed cleanly");
        }
    }
}

/// Opens the state, then the log, on a thread that may block.
async fn open_storage(
    data: &DataDir,
    id: NodeId,
    poison: &Poison,
    options: &StorageOptions,
) -> Result<(StateMachine, LogStore), StartError> {
    // The log keeps what is not flushed, whatever its own bound.
    let share = || memory::flush_bytes().min(options.log_keep_bytes / 4);
    let flush_bytes = options.flush_bytes.unwrap_or_else(share);
    let (state_path, log_path, poison) = (data.state_path(), data.log_path(), poison.clone());
    let level_mark = data.level_mark();
    let open = move || {
        let durable_index = DurableIndex::new();
        let files = Arc::new(StateDir::new(state_path));
        let flush_bytes = usize::try_from(flush_bytes).unwrap_or(usize::MAX);
        let options = StateOptions { own: Some(id), level_mark, flush_bytes, ..StateOptions::default() };
        let state = StateMachine::open(files, options, durable_index.clone(), poison.clone())?;
        let log = LogStore::open(&log_path, durable_index, poison)?;
        Ok((state, log))
    };
    tokio::task::spawn_blocking(open).await.unwrap_or_else(|error| {
        Err(StartError::Internal(format!("opening the data: {}", io::Error::from(error))))
    })
}

fn open_databases(
    databases: &Arc<dyn Databases>,
    id: NodeId,
    poison: &Poison,
    level_mark: &LevelMark,
) -> Result<(StateMachine, LogStore), StartError> {
    let durable_index = DurableIndex::new();
    let options = StateOptions {
        offload: Offload::Later(SIMULATED_WAIT),
        flush_bytes: SIMULATED_FLUSH_BYTES,
        own: Some(id),
        level_mark: level_mark.clone(),
        ..StateOptions::default()
    };
    let state = StateMachine::open(databases.state(id), options, durable_index.clone(), poison.clone())?;
    let failed = |source| LogError::Io { file: "log".to_owned(), source };
    let file = databases.log(id).map_err(failed)?;
    let disk = Arc::clone(databases);
    let ready = Box::new(move || disk.ready());
    let log = LogStore::open_in_task(file, durable_index, poison.clone(), ready)?;
    Ok((state, log))
}

/// Checks that state and log belong together.
fn check_fit(state: &StateMachine, log: &LogStore) -> Result<(), StartError> {
    log.check_vote(state.last_applied())?;
    Ok(state.check_reaches(log.purged())?)
}
