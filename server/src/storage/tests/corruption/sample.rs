//! The files of a node, and all answers that they give.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use coffee_common::{
    command::{Batch, Command, Operation, Proposal},
    id::{Address, ClientId, NodeId, NodeName, RequestId, Revision},
    key::{Key, Value},
};
use futures_util::{FutureExt, stream};
use openraft::{
    RaftSnapshotBuilder,
    entry::RaftEntry,
    storage::{IOFlushed, RaftLogReader, RaftLogStorage, RaftStateMachine},
    type_config::TypeConfigExt,
};

use crate::{
    raft_types::{LogEntry, LogId, Member, Membership, Payload, TypeConfig, Vote},
    storage::{
        durable_index::DurableIndex,
        log::LogStore,
        poison::Poison,
        record::{LeaderRecord, LogIdRecord, VoteRecord},
        state::{Offload, StateOptions},
        state_machine::StateMachine,
        tests::disk::TestDisk,
    },
};

/// The names of the files.
pub(super) const LOG: &str = "log";
pub(super) const STATE: &str = "state";

const ENTRIES: u64 = 300;
/// Entries per commit.
const COMMIT: u64 = 25;
/// The last checkpoint: later entries are in the log only.
const CHECKPOINT: u64 = 200;
const PURGED: u64 = 120;

/// The files of a node, and the expected answers.
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) disk: TestDisk,
    pub(super) answers: Answers,
    /// The answers after a power cut that tore the last commit of the log.
    pub(super) torn: Option<Answers>,
}

/// All answers of a node.
#[derive(Debug, PartialEq)]
pub(super) struct Answers {
    vote: Option<Vote>,
    log: Vec<LogEntry>,
    /// The digest of all rows of the state, once all of the log is applied.
    state: (Option<LogId>, u64),
}

/// The point at which a node detected the damage.
#[derive(Debug, PartialEq)]
pub(super) enum Detected {
    AtStart(String),
    AtRead(String),
}

impl Sample {
    /// A node that was stopped cleanly.
    pub(super) fn stopped() -> Self {
        let (node, _) = SampleNode::filled();
        now(node.state.checkpointer().checkpoint()).expect("durable");
        now(node.log.close()).expect("flushed");
        let SampleNode { disk, state, log, .. } = node;
        drop((state, log));
        Self::of("stopped", disk, None)
    }

    /// A node whose power was cut.
    pub(super) fn crashed() -> Self {
        let (node, earlier) = SampleNode::filled();
        let torn = read_all(&earlier).expect("whole");
        assert_eq!(torn.log.len() as u64, ENTRIES - COMMIT - PURGED);
        Self::of("crashed", node.disk.power_cut(true), Some(torn))
    }

    fn of(name: &'static str, disk: TestDisk, torn: Option<Answers>) -> Self {
        let answers = read_all(&disk.power_cut(true)).expect("whole");
        assert_eq!(answers.log.len() as u64, ENTRIES - PURGED);
        Self { name, disk, answers, torn }
    }
}

struct SampleNode {
    disk: TestDisk,
    state: StateMachine,
    log: LogStore,
}

impl SampleNode {
    fn open(disk: TestDisk) -> Result<Self, String> {
        let (durable_index, poison) = (DurableIndex::new(), Poison::new());
        let options =
            StateOptions { cache_bytes: 1 << 20, offload: Offload::Inline, ..StateOptions::default() };
        let state =
            StateMachine::open(Arc::new(disk.clone()), options, durable_index.clone(), poison.clone());
        let state = state.map_err(|error| error.to_string())?;
        let log = LogStore::open_inline(disk.log(LOG), durable_index, poison);
        let log = log.map_err(|error| error.to_string())?;
        log.check_vote(state.last_applied()).map_err(|error| error.to_string())?;
        state.check_reaches(log.purged()).map_err(|error| error.to_string())?;
        Ok(Self { disk, state, log })
    }

    /// A node with entries that are purged, checkpointed, and only applied.
    /// Returns also the disk as it was before the last commit of the log.
    fn filled() -> (Self, TestDisk) {
        let mut node = Self::open(TestDisk::default()).expect("opens");
        now(node.log.save_vote(&vote())).expect("durable");
        let mut earlier = TestDisk::default();
        // In several commits.
        for first in (0..ENTRIES).step_by(COMMIT as usize) {
            earlier = node.disk.power_cut(true);
            let entries: Vec<LogEntry> = (first..first + COMMIT).map(entry).collect();
            let (done, flushed) = TypeConfig::oneshot();
            now(node.log.append(entries.clone(), IOFlushed::signal(done))).expect("queued");
            now(flushed).expect("answered").expect("durable");
            node.apply(entries).expect("applies");
            if first + COMMIT == CHECKPOINT {
                now(async { node.state.get_snapshot_builder().await.build_snapshot().await })
                    .expect("durable");
                now(node.log.purge(log_id(PURGED - 1))).expect("queued");
            }
        }
        now(node.log.save_committed(Some(log_id(ENTRIES - 1)))).expect("noted");
        (node, earlier)
    }

    fn apply(&mut self, entries: Vec<LogEntry>) -> io::Result<()> {
        now(self.state.apply(stream::iter(entries.into_iter().map(|entry| Ok((entry, None))))))
    }
}

/// Opens the storage as the server does, replays the log, and reads everything.
pub(super) fn read_all(disk: &TestDisk) -> Result<Answers, Detected> {
    let mut node = SampleNode::open(disk.power_cut(true)).map_err(Detected::AtStart)?;
    node.read().map_err(|error| Detected::AtRead(error.to_string()))
}

impl SampleNode {
    fn read(&mut self) -> io::Result<Answers> {
        let vote = now(self.log.read_vote())?;
        let about = now(self.log.get_log_state())?;
        let first = about.last_purged_log_id.map_or(0, |purged| purged.index + 1);
        let end = about.last_log_id.map_or(0, |last| last.index + 1);
        let log = now(self.log.try_get_log_entries(first..end))?;
        let (applied, _) = now(self.state.applied_state())?;
        let from = applied.map_or(0, |applied| applied.index + 1);
        if from > end {
            return Err(io::Error::other("the state is ahead of the log"));
        }
        self.apply(log.iter().filter(|entry| entry.log_id.index >= from).cloned().collect())?;
        let reader = self.state.reader();
        for entry in &log {
            // Reads every row as clients do, too.
            if let Payload::Normal(_) = entry.payload {
                reader.get(&key(entry.log_id.index))?;
            }
        }
        reader.nodes()?;
        Ok(Answers { vote, log, state: reader.hash()? })
    }
}

/// Polls a future that never waits, because the storage writes inline here.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing of this waits")
}

fn leader() -> LeaderRecord {
    LeaderRecord { term: 3, node: NodeId(1) }
}

fn vote() -> Vote {
    VoteRecord { leader: leader(), committed: true }.into()
}

fn log_id(index: u64) -> LogId {
    LogIdRecord { term: leader().term, index }.into()
}

fn key(index: u64) -> Key {
    Key::new(format!("order/{}", index % 70)).expect("legal")
}

fn entry(index: u64) -> LogEntry {
    let payload = match index {
        0 => Payload::Membership(membership()),
        _ if index.is_multiple_of(40) => Payload::Blank,
        _ => Payload::Normal(set(index)),
    };
    LogEntry::new(log_id(index), payload)
}

fn set(index: u64) -> Proposal {
    let value = Value::new(vec![index as u8; 20 + (index as usize * 37) % 900]).expect("legal");
    let request = RequestId { client: ClientId(9), sequence: index, after: Revision(index - 1) };
    let command = Command::Batch(Batch::of(Operation::Set(key(index), value)).into());
    Proposal { request: Some(request), proposed_at_ms: 5, command, author: String::new() }
}

fn membership() -> Membership {
    let name = NodeName::new("ming").expect("legal");
    let ming = Member { name, address: Address::new("localhost:7400").expect("legal") };
    Membership::new(vec![BTreeSet::from([NodeId(1)])], BTreeMap::from([(NodeId(1), ming)])).expect("legal")
}
