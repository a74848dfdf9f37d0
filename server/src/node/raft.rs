//! Consensus: how openraft is set up, and the handle to it.
//!
//! Knows the storage below, and of the network no more than openraft's trait.
//! Guards what keeps a cluster both quick to find a leader and slow to drop one.

use std::sync::Arc;

use coffee_common::{id::NodeId, limits::APPEND_ENTRIES_MAX};
use openraft::{Config, SnapshotPolicy, StepDownPolicy, errors::Fatal, network::RaftNetworkFactory};

use crate::{
    config::{StorageOptions, Timers},
    raft_types::TypeConfig,
    storage::{log::LogStore, snapshot::SnapshotData, state_machine::StateMachine},
};

/// The handle to this node's consensus. Clones share it.
pub type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// Purging takes an fsync: entries go in batches of at least this many.
const PURGE_BATCH_ENTRIES: u64 = 512;

/// How long a snapshot may be on its way without progress, three quarters of
/// this being what openraft leaves to the network. The last step, in which the
/// receiver's disk takes it all in and nothing is told, counts too.
const SNAPSHOT_IDLE_MS: u64 = 120_000;

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

/// What openraft is told.
///
/// How long a cluster is without a leader when it loses one: each follower
/// waits, from the last that it heard, for the leader's lease, which openraft
/// takes to be the *longest* election timeout, and then for a time of its own
/// between the two timeouts. The first to stand asks for a pre-vote, then for
/// the vote: two round trips and one fsync. So with the defaults and four
/// followers left that is 300 ms and 220 ms in the mean, less what had passed
/// since the last heartbeat; at worst twice the longest timeout and a round.
///
/// What may add to it: a follower whose log is shorter than another's is refused,
/// and meanwhile the other's time comes; two that stand at the same moment
/// refuse each other, and wait for a time of their own once more.
///
/// It is safe on a machine that stalls: a follower has to hear nothing for the
/// lease and the shortest timeout together (500 ms, eight heartbeats) before
/// it as much as asks, and then most others must have heard nothing either.
fn config(timers: &Timers, storage: &StorageOptions) -> Config {
    Config {
        cluster_name: "coffee".to_owned(),
        heartbeat_interval: timers.heartbeat_interval_ms,
        // A follower that acknowledged entries just now needs no heartbeat.
        // Half an interval leaves openraft's bound, the shortest election
        // timeout, a distance at whatever timers the configuration allows.
        heartbeat_min_interval: Some(timers.heartbeat_interval_ms / 2),
        election_timeout_min: timers.election_timeout_min_ms,
        election_timeout_max: timers.election_timeout_max_ms,
        install_snapshot_timeout: SNAPSHOT_IDLE_MS,
        max_payload_entries: APPEND_ENTRIES_MAX as u64,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(storage.snapshot_every_entries),
        max_in_snapshot_log_to_keep: storage.log_keep_entries,
        // Beyond this, entries may be gone before they are asked for.
        replication_lag_threshold: storage.snapshot_every_entries + storage.log_keep_entries,
        purge_batch_size: PURGE_BATCH_ENTRIES.min(storage.snapshot_every_entries),
        backoff: "20ms 40ms 80ms ...500ms".to_owned(),
        // `down` hands over before it removes a leader; this is for one that
        // was elected in between. It stays until the others have heard.
        removed_leader_step_down: StepDownPolicy::After(timers.heartbeat_interval_ms),
        // Raft dissertation, section 9.6: a node that cannot win disturbs nobody.
        enable_pre_vote: Some(true),
        // A restarted leader stands for election like any other: what it has
        // applied may be behind what it once acknowledged.
        enable_leader_restore: Some(false),
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_defaults_bring_a_leader_back_in_time_and_leave_room_for_stalls() {
        let timers = Timers::default();
        let Timers { heartbeat_interval_ms, election_timeout_min_ms: min, election_timeout_max_ms: max } =
            timers;
        assert!(config(&timers, &StorageOptions::default()).validate().is_ok());
        assert!(max + (min + max) / 2 <= 600, "writes go on after this long, in the mean of one follower");
        assert!(2 * max <= 900, "and at worst after this long and a round");
        assert!(min + max >= 8 * heartbeat_interval_ms, "heartbeats that may be lost in a row");
    }

    proptest! {
        #[test]
        fn what_the_configuration_allows_openraft_allows(
            beat in 1u64..2_000,
            more in 1u64..2_000,
            wide in 1u64..2_000,
            every in 1u64..1_000_000,
        ) {
            // The relations that `config::Timers` checks.
            let timers = Timers {
                heartbeat_interval_ms: beat,
                election_timeout_min_ms: 2 * beat + more,
                election_timeout_max_ms: 2 * beat + more + wide,
            };
            let storage = StorageOptions { snapshot_every_entries: every, log_keep_entries: every / 2 };
            prop_assert!(config(&timers, &storage).validate().is_ok());
        }
    }
}
