//! Configures and starts openraft.
//!
//! Knows the storage below it, and the network only as openraft's trait. Guards
//! the balance between electing a new leader quickly and keeping a healthy one.

use std::sync::Arc;

use coffee_common::{id::NodeId, limits::APPEND_ENTRIES_MAX};
use openraft::{Config, SnapshotPolicy, StepDownPolicy, errors::Fatal, network::RaftNetworkFactory};

use crate::{
    config::{StorageOptions, Timers},
    raft_types::TypeConfig,
    storage::{log::LogStore, snapshot::SnapshotData, state_machine::StateMachine},
};

/// The handle to this node's openraft instance. Clones share it.
pub type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// Minimum number of log entries per purge, because each purge costs an fsync.
const PURGE_BATCH_ENTRIES: u64 = 512;

/// How long a snapshot transfer may make no progress. openraft gives three
/// quarters of this to the network. The last step counts too: the receiver
/// writes the whole snapshot to its disk and reports nothing until it is done.
const SNAPSHOT_IDLE_MS: u64 = 120_000;

/// Why openraft cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum RaftError {
    /// The timers contradict each other.
    #[error("the timers do not fit together: {0}")]
    Timers(String),
    /// openraft failed while it started.
    #[error(transparent)]
    Fatal(#[from] Fatal<TypeConfig>),
}

/// Starts openraft on this node's log and state. It does not campaign before its
/// election timeout has passed.
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

/// Returns openraft's configuration.
///
/// When a cluster loses its leader, each follower waits for the leader lease,
/// counted from the last heartbeat (openraft uses the *maximum* election timeout
/// as the lease), and then for a random time between the two election timeouts.
/// The first candidate asks for a pre-vote, then for the vote: two round trips and
/// one fsync. With the defaults and four followers left the mean time without a
/// leader is 450 ms plus 250 ms, minus the age of the last heartbeat; at worst
/// twice the maximum timeout plus a round.
///
/// Two things can prolong it. A candidate whose log is shorter than a voter's is
/// rejected, and another follower has to time out. Two candidates that stand at
/// the same moment reject each other and wait for another random time. The second
/// happens if two timeouts differ by less than half a round trip, so they are drawn from
/// a range of 250 ms.
///
/// A stalled machine does not cause needless elections: a follower asks for a
/// pre-vote only after it has heard nothing for the lease plus the minimum timeout
/// (650 ms, four heartbeats), and a majority must have heard nothing either. Nor does
/// a stalled disk: a heartbeat is answered without waiting for it.
fn config(timers: &Timers, storage: &StorageOptions) -> Config {
    Config {
        cluster_name: "coffee".to_owned(),
        heartbeat_interval: timers.heartbeat_interval_ms,
        election_timeout_min: timers.election_timeout_min_ms,
        election_timeout_max: timers.election_timeout_max_ms,
        // A leader without a quorum falls silent for this long, then sends heartbeats for
        // as long, and so on. Otherwise the followers that it still reaches would refuse
        // their votes to a candidate that does reach a quorum (partial partition). The
        // minimum that openraft allows: the lease, and one election timeout.
        quorum_loss_probe_interval: Some(2 * timers.election_timeout_max_ms)
            .filter(|_| !planted!("heartbeats-without-a-quorum")),
        install_snapshot_timeout: SNAPSHOT_IDLE_MS,
        max_payload_entries: APPEND_ENTRIES_MAX as u64,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(storage.snapshot_every_entries),
        max_in_snapshot_log_to_keep: storage.log_keep_entries,
        // Beyond this lag, entries may be purged before they are requested.
        replication_lag_threshold: storage.snapshot_every_entries + storage.log_keep_entries,
        purge_batch_size: PURGE_BATCH_ENTRIES.min(storage.snapshot_every_entries),
        backoff: "20ms 40ms 80ms ...500ms".to_owned(),
        // `down` hands over before it removes a leader; this is for a leader that
        // was elected in between. It stays for one heartbeat, to inform the others.
        removed_leader_step_down: StepDownPolicy::After(timers.heartbeat_interval_ms),
        // Raft dissertation, section 9.6: a node that cannot win does not disrupt the leader.
        enable_pre_vote: Some(true),
        // A restarted leader stands for election like any other node: its applied
        // state may lag the writes that it acknowledged before.
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
        assert!(max + (min + max) / 2 <= 800, "mean time until writes continue, with one follower");
        assert!(2 * max <= 900, "worst case, without the election round");
        assert!(min + max >= 4 * heartbeat_interval_ms, "heartbeats that may be lost in a row");
        assert!(heartbeat_interval_ms >= 150, "1.5 round trips of 100 ms: the bound of a response");
        assert!(max - min >= 250, "five times the way there: rarely do two stand at the same moment");
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
                election_timeout_min_ms: beat + more,
                election_timeout_max_ms: (beat + more + wide).max(3 * beat),
            };
            let storage = StorageOptions {
                snapshot_every_entries: every,
                log_keep_entries: every / 2,
                ..StorageOptions::default()
            };
            let valid = config(&timers, &storage).validate();
            prop_assert!(valid.is_ok());
            // The lease and one election timeout, in which the others elect a leader. Raft
            // dissertation, section 6.2; openraft's `docs/protocol/check_quorum.md`.
            let quiet = valid.ok().and_then(|config| config.quorum_loss_probe_interval);
            prop_assert_eq!(quiet, Some(2 * timers.election_timeout_max_ms));
        }
    }
}
