//! Consensus: how openraft is set up, and the handle to it.

use std::sync::Arc;

use coffee_common::id::NodeId;
use openraft::{Config, SnapshotPolicy, StepDownPolicy, errors::Fatal, network::RaftNetworkFactory};

use crate::{
    config::{StorageOptions, Timers},
    storage::{log::LogStore, snapshot::SnapshotData, state_machine::StateMachine},
    types::TypeConfig,
};

/// The handle to this node's consensus. Clones share it.
pub type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// Purging takes an fsync: entries go in batches of at least this many.
const PURGE_BATCH_ENTRIES: u64 = 512;

/// How long openraft lets a snapshot be on its way before it asks; the
/// transfer itself is bounded by its progress.
const SNAPSHOT_TIMEOUT_MS: u64 = 60_000;

/// Why consensus cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum RaftError {
    /// The timers contradict each other.
    #[error("the timers do not fit together: {0}")]
    Timers(String),
    /// It failed right away.
    #[error(transparent)]
    Fatal(#[from] Fatal<TypeConfig>),
}

/// Starts this node's consensus on its log and state. It does not campaign
/// before its election timeout has passed.
pub async fn start<N>(
    id: NodeId,
    timers: &Timers,
    storage: &StorageOptions,
    network: N,
    log: LogStore,
    state_machine: StateMachine,
) -> Result<Raft, RaftError>
where
    N: RaftNetworkFactory<TypeConfig>,
    N::Network: openraft::network::NetSnapshot<TypeConfig, SnapshotData = SnapshotData>,
{
    let config = config(timers, storage).validate();
    let config = config.map_err(|error| RaftError::Timers(error.to_string()))?;
    Ok(Raft::new(id, Arc::new(config), network, log, state_machine).await?)
}

/// A follower stands for election once the leader's lease, which openraft
/// takes to be the longest election timeout, and then an election timeout of
/// its own have passed. So after a leader is lost, writes go on after between
/// `min + max` and `2 * max`; followers whose log is shorter wait longer.
fn config(timers: &Timers, storage: &StorageOptions) -> Config {
    Config {
        cluster_name: "coffee".to_owned(),
        heartbeat_interval: timers.heartbeat_interval_ms,
        election_timeout_min: timers.election_timeout_min_ms,
        election_timeout_max: timers.election_timeout_max_ms,
        install_snapshot_timeout: SNAPSHOT_TIMEOUT_MS,
        max_payload_entries: coffee_common::limits::APPEND_ENTRIES_MAX as u64,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(storage.snapshot_every_entries),
        max_in_snapshot_log_to_keep: storage.log_keep_entries,
        replication_lag_threshold: storage.snapshot_every_entries + storage.log_keep_entries,
        purge_batch_size: PURGE_BATCH_ENTRIES.min(storage.snapshot_every_entries),
        backoff: "20ms 40ms 80ms ...500ms".to_owned(),
        // A removed leader has handed over before (see `membership::down`);
        // this is for one that lost the race.
        removed_leader_step_down: StepDownPolicy::After(timers.heartbeat_interval_ms),
        // Raft dissertation, section 9.6: a node that cannot win disturbs nobody.
        enable_pre_vote: Some(true),
        // A restarted leader stands for election like any other: its lease is gone.
        enable_leader_restore: Some(false),
        ..Config::default()
    }
}
