//! Crash tests: a cluster of one on a disk that loses unsynced writes, and what
//! openraft makes of log and state after a power cut.

use std::{collections::BTreeMap, future::Future, io, sync::Arc};

use coffee_common::{
    command::{Batch, Command, MemberState, Operation, Outcome, Proposal},
    feature_level::{FeatureLevel, LEVEL_MAX, LEVEL_MIN},
    id::{ClientId, ClusterId, NodeId, RequestId, Revision},
    key::{Key, Value},
};
use futures_util::future::join_all;
use openraft::{
    Config, OptionalSend, RaftNetworkFactory, RaftNetworkV2, RaftSnapshotBuilder, SnapshotPolicy,
    async_runtime::WatchReceiver,
    entry::RaftEntry,
    errors::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse},
    storage::{IOFlushed, RaftLogStorage, RaftStateMachine},
};

use crate::raft_types::{LogEntry, Member, Payload, TypeConfig, Vote};
use crate::storage::{
    disk::{DataDir, NodeIdentity},
    durable_index::DurableIndex,
    log::LogStore,
    poison::Poison,
    record::LogIdRecord,
    snapshot::{Snapshot, SnapshotData},
    state::{Offload, StateOptions},
    state_machine::{StateMachine, StateReader},
    tests::disk::TestDisk,
};

/// The network of a cluster of one.
struct NoNetwork;

fn unreachable_peer() -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::new(&io::Error::other("there is no other node")))
}

impl RaftNetworkFactory<TypeConfig> for NoNetwork {
    type Network = Self;

    async fn new_client(&mut self, _target: NodeId, _member: &Member) -> Self {
        Self
    }
}

impl RaftNetworkV2<TypeConfig> for NoNetwork {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(unreachable_peer())
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(unreachable_peer())
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: Snapshot,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(StreamingError::Unreachable(Unreachable::new(&io::Error::other("there is no other node"))))
    }
}

struct Running {
    raft: openraft::Raft<TypeConfig, StateMachine>,
    reader: StateReader,
    durable_index: DurableIndex,
    poison: Poison,
}

impl Running {
    async fn start(disk: &TestDisk) -> Self {
        let (durable_index, poison) = (DurableIndex::new(), Poison::new());
        let options =
            StateOptions { cache_bytes: 1 << 20, offload: Offload::Inline, ..StateOptions::default() };
        let files = Arc::new(disk.clone());
        let machine =
            StateMachine::open(files, options, durable_index.clone(), poison.clone()).expect("opens");
        let log =
            LogStore::open_inline(disk.log("log"), durable_index.clone(), poison.clone()).expect("opens");
        let reader = machine.reader();
        let config = Config {
            heartbeat_interval: 10,
            election_timeout_min: 30,
            election_timeout_max: 60,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(40),
            max_in_snapshot_log_to_keep: 5,
            purge_batch_size: 1,
            ..Config::default()
        };
        let config = Arc::new(config.validate().expect("fits together"));
        let raft = openraft::Raft::new(NodeId(1), config, NoNetwork, log, machine).await.expect("starts");
        Self { raft, reader, durable_index, poison }
    }

    async fn write(&self, number: u64, after: Revision) -> Outcome {
        let batch = Batch::of(Operation::Set(key(number), Value::new(number.to_string()).expect("legal")));
        let request = RequestId { client: ClientId(1), sequence: number, after };
        let proposal = Proposal {
            request: Some(request),
            proposed_at_ms: 0,
            command: Command::Batch(batch.into()),
            author: String::new(),
        };
        self.raft.client_write(proposal).await.expect("there is a leader").data
    }

    async fn leads(&self) {
        let wait = self.raft.wait(Some(std::time::Duration::from_secs(10)));
        wait.current_leader(NodeId(1), "it leads").await.expect("elected");
    }
}

fn key(number: u64) -> Key {
    Key::new(format!("key/{number}")).expect("legal")
}

#[tokio::test]
async fn what_was_acknowledged_is_there_once_after_every_power_cut() {
    let mut disk = TestDisk::default();
    let mut written = 0;
    for round in 0..8 {
        let member = Running::start(&disk).await;
        if round == 0 {
            member.raft.initialize(BTreeMap::from([(NodeId(1), Member::default())])).await.expect("founds");
        }
        member.leads().await;
        // A retry returns the first outcome, and is not applied again.
        for number in (1..=written).rev().step_by(7) {
            assert!(matches!(member.write(number, Revision(0)).await, Outcome::Applied { .. }));
        }
        for number in 1..=written {
            let (entry, _) = member.reader.get(&key(number)).expect("reads");
            assert_eq!(entry.map(|entry| entry.version), Some(1), "write {number} in round {round}");
        }
        for _ in 0..9 {
            let ten =
                join_all((written + 1..=written + 10).map(|number| member.write(number, Revision(0)))).await;
            assert!(ten.iter().all(|outcome| matches!(outcome, Outcome::Applied { .. })));
            written += 10;
        }
        let purged = member.raft.metrics().borrow_watched().purged;
        assert!(purged.is_none_or(|purged| member.durable_index.covers(purged.index)));
        assert!(round == 0 || purged.is_some());
        disk = disk.power_cut(round % 2 == 0);
        assert_eq!(member.poison.cause(), None);
        member.raft.shutdown().await.expect("stops");
    }
}

fn entry(term: u64, index: u64) -> LogEntry {
    LogEntry::new(LogIdRecord { term, index }.into(), Payload::Blank)
}

/// Opens log and state as a node does when it starts.
async fn open(disk: &TestDisk) -> (StateMachine, LogStore, Poison) {
    let (durable_index, poison) = (DurableIndex::new(), Poison::new());
    let options = StateOptions { cache_bytes: 1 << 20, offload: Offload::Inline, ..StateOptions::default() };
    let machine = StateMachine::open(Arc::new(disk.clone()), options, durable_index.clone(), poison.clone());
    let machine = machine.expect("opens");
    let mut log = LogStore::open_inline(disk.log("log"), durable_index, poison.clone()).expect("opens");
    log.check_vote(machine.last_applied()).expect("fits");
    machine.check_reaches(log.purged()).expect("fits");
    log.fit_to(machine.last_applied()).await.expect("fits");
    (machine, log, poison)
}

/// A leader of term 5 wrote entries that no other node has; the others continued
/// with entries of term 4, of which the leader of term 6 sends a snapshot. Power
/// is lost after it is installed and before the log is purged.
#[tokio::test]
async fn a_power_cut_between_a_snapshot_and_its_purge_leaves_a_log_that_can_be_continued() {
    for last in [3, 10, 14] {
        let disk = TestDisk::default();
        let (mut machine, mut log, _) = open(&disk).await;
        log.save_vote(&Vote::new(6, NodeId(2))).await.expect("durable");
        let mut entries = vec![entry(4, 0), entry(4, 1)];
        entries.extend((2..=last).map(|index| entry(5, index)));
        log.append(entries, IOFlushed::noop()).await.expect("durable");

        let (mut sender, _, _) = open(&TestDisk::default()).await;
        let entries = (0..=10).map(|index| Ok((entry(4, index), None)));
        sender.apply(futures_util::stream::iter(entries)).await.expect("applies");
        let snapshot = sender.get_snapshot_builder().await.build_snapshot().await.expect("durable");
        machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await.expect("installs");

        for _ in 0..2 {
            let disk = disk.power_cut(true);
            let (machine, mut log, poison) = open(&disk).await;
            assert_eq!(machine.last_applied(), Some(entry(4, 10).log_id));
            let state = log.get_log_state().await.expect("reads");
            assert_eq!(state.last_log_id, machine.last_applied(), "the log ended with entry {last}");
            log.append([entry(6, 11)], IOFlushed::noop()).await.expect("follows the snapshot");
            assert_eq!(poison.cause(), None);
            let (_, mut log, _) = open(&disk.power_cut(true)).await;
            let state = log.get_log_state().await.expect("reads");
            assert_eq!(state.last_log_id, Some(entry(6, 11).log_id));
        }
    }
}

fn raise(term: u64, index: u64, level: FeatureLevel) -> LogEntry {
    let command = Command::RaiseLevel(level);
    let proposal = Proposal { request: None, proposed_at_ms: 0, command, author: String::new() };
    LogEntry::new(LogIdRecord { term, index }.into(), Payload::Normal(proposal))
}

/// A data directory whose node is a member at the lowest level.
fn data_dir(path: &std::path::Path) -> DataDir {
    let name = Member::default().name;
    let mut data = DataDir::open(path, &name).expect("opens");
    let (standing, rejoin) = (MemberState::Joining, Vec::new());
    let identity =
        NodeIdentity { cluster: ClusterId(9), id: NodeId(1), name, standing, rejoin, level: FeatureLevel(0) };
    data.adopt(identity).expect("is adopted");
    data
}

/// Level 0 stands for the one before: this build knows no other pair of levels.
#[tokio::test]
async fn a_level_is_noted_before_the_entry_that_raises_it_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = data_dir(folder.path());
    let noted = || data.identity().map(|identity| identity.level);
    let disk = TestDisk::default();
    let (_, log, _) = open(&disk).await;
    let mut log = log.with_level_mark(data.level_mark());
    log.save_vote(&Vote::new(1, NodeId(1))).await.expect("durable");
    log.append([entry(1, 0)], IOFlushed::noop()).await.expect("durable");
    assert_eq!(noted(), Some(FeatureLevel(0)));

    // Power is lost between the note and the entry: the note may stay, the entry is not there.
    disk.fail_after(0);
    let _ = log.append([raise(1, 1, LEVEL_MIN)], IOFlushed::noop()).await;
    assert_eq!(noted(), Some(LEVEL_MIN));
    let (_, mut log, _) = open(&disk.power_cut(true)).await;
    assert_eq!(log.get_log_state().await.expect("reads").last_log_id, Some(entry(1, 0).log_id));

    // The note cannot be written: neither is the entry.
    let unwritable = tempfile::tempdir().expect("a folder");
    let data = data_dir(unwritable.path());
    std::fs::create_dir(unwritable.path().join("identity.toml.new")).expect("makes");
    let disk = disk.power_cut(true);
    let (_, log, poison) = open(&disk).await;
    let mut log = log.with_level_mark(data.level_mark());
    let _ = log.append([raise(1, 1, LEVEL_MIN)], IOFlushed::noop()).await;
    assert!(poison.cause().is_some_and(|cause| cause.contains("identity.toml")), "{:?}", poison.cause());
    let (_, mut log, _) = open(&disk.power_cut(true)).await;
    assert_eq!(log.get_log_state().await.expect("reads").last_log_id, Some(entry(1, 0).log_id));
}

/// Power is lost after the entry was written and before it is applied.
#[tokio::test]
async fn a_level_that_was_not_applied_before_a_power_cut_is_applied_after_it() {
    let disk = TestDisk::default();
    let member = Running::start(&disk).await;
    member.raft.initialize(BTreeMap::from([(NodeId(1), Member::default())])).await.expect("founds");
    member.leads().await;
    assert_eq!(member.reader.level(), LEVEL_MIN);
    let command = Command::RaiseLevel(LEVEL_MIN.next());
    let proposal = Proposal { request: None, proposed_at_ms: 0, command, author: String::new() };
    let raised = member.raft.client_write(proposal).await;
    if LEVEL_MAX == LEVEL_MIN {
        assert!(raised.is_err(), "this build does not know it");
        let kind = member.poison.failure().map(|failure| failure.kind);
        assert_eq!(kind, Some(crate::storage::poison::FailureKind::Newer));
        return;
    }
    let changed = Outcome::LevelRaised { level: LEVEL_MIN.next(), changed: true };
    assert_eq!(raised.expect("applies").data, changed);
    let disk = disk.power_cut(true);
    member.raft.shutdown().await.expect("stops");
    let again = Running::start(&disk).await;
    again.leads().await;
    assert_eq!(again.reader.level(), LEVEL_MIN.next());
}

/// An older version must refuse the new state by its identity, not take it for damage.
#[tokio::test]
async fn a_level_is_noted_before_a_snapshot_of_it_is_installed() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = data_dir(folder.path());
    let (mut sender, _, _) = open(&TestDisk::default()).await;
    sender.apply(futures_util::stream::iter([Ok((entry(1, 0), None))])).await.expect("applies");
    let disk = TestDisk::default();
    let options = StateOptions {
        cache_bytes: 1 << 20,
        offload: Offload::Inline,
        level_mark: data.level_mark(),
        ..StateOptions::default()
    };
    let files = Arc::new(disk.clone());
    let mut machine = StateMachine::open(files, options, DurableIndex::new(), Poison::new()).expect("opens");
    let snapshot = sender.get_snapshot_builder().await.build_snapshot().await.expect("durable");
    assert_eq!(data.identity().map(|identity| identity.level), Some(FeatureLevel(0)));
    machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await.expect("installs");
    assert_eq!(data.identity().map(|identity| identity.level), Some(LEVEL_MIN));
}
