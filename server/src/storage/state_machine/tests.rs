//! Tests of the state machine on a disk that loses unsynced writes, and fails on
//! demand.

mod applying;
mod flushing;
mod snapshots;
mod transactions;

use std::collections::{BTreeMap, BTreeSet};

use coffee_common::{
    command::{Batch, Command, MemberState, Operation, Proposal},
    feature_level::HISTORY,
    id::{Address, ClientId, NodeId, NodeName, RequestId, Revision},
    key::{Key, Value},
    limits::{SNAPSHOT_CHUNK_BYTES_MAX, VALUE_BYTES_MAX},
};
use futures_util::stream;
use openraft::entry::RaftEntry;
use redb::ReadableTable;

use super::*;
use crate::{
    kv::{self, MetaKey, Table},
    raft_types::{LogEntry, Member, Membership, Payload},
    storage::{
        record::LogIdRecord,
        state::{Offload, StateDir},
        tests::disk::TestDisk,
    },
};

/// A state machine, and the objects that it shares.
struct TestNode {
    disk: TestDisk,
    durable_index: DurableIndex,
    poison: Poison,
    machine: StateMachine,
}

impl TestNode {
    fn start(disk: TestDisk) -> Self {
        Self::start_with(disk, StateOptions::default().flush_bytes, Offload::Inline)
    }

    fn start_with(disk: TestDisk, flush_bytes: usize, offload: Offload) -> Self {
        Self::start_as(None, disk, flush_bytes, offload)
    }

    fn start_as(own: Option<NodeId>, disk: TestDisk, flush_bytes: usize, offload: Offload) -> Self {
        let options =
            StateOptions { cache_bytes: 1 << 20, offload, flush_bytes, own, ..StateOptions::default() };
        let (durable_index, poison) = (DurableIndex::new(), Poison::new());
        let machine =
            StateMachine::open(Arc::new(disk.clone()), options, durable_index.clone(), poison.clone());
        Self { disk, durable_index, poison, machine: machine.expect("opens") }
    }

    fn new() -> Self {
        Self::start(TestDisk::default())
    }

    /// A node that has applied `applied` sets.
    async fn with(applied: u64) -> Self {
        let mut node = Self::new();
        node.apply(1..=applied).await.expect("applies");
        node
    }

    async fn apply(&mut self, indexes: std::ops::RangeInclusive<u64>) -> io::Result<()> {
        self.apply_entries(indexes.map(set).collect()).await
    }

    async fn apply_entries(&mut self, entries: Vec<LogEntry>) -> io::Result<()> {
        self.machine.apply(stream::iter(entries.into_iter().map(|entry| Ok((entry, None))))).await
    }

    async fn checkpoint(&mut self) -> io::Result<Snapshot> {
        self.machine.get_snapshot_builder().await.build_snapshot().await
    }

    fn applied(&self) -> u64 {
        self.machine.reader().applied().0
    }

    fn hash(&self) -> u64 {
        self.machine.reader().hash().expect("hashes").1
    }
}

fn log_id(index: u64) -> LogId {
    LogIdRecord { term: 1, index }.into()
}

fn key(index: u64) -> Key {
    Key::new(format!("key/{index}")).expect("legal")
}

fn set(index: u64) -> LogEntry {
    set_to(index, 100)
}

fn set_to(index: u64, value_bytes: usize) -> LogEntry {
    let value = Value::new(vec![index as u8; value_bytes]).expect("legal");
    let batch = Batch::of(Operation::Set(key(index % 50), value));
    let request = RequestId { client: ClientId(9), sequence: index, after: Revision(index - 1) };
    let proposal = Proposal {
        request: Some(request),
        proposed_at_ms: 5,
        command: Command::Batch(batch.into()),
        author: String::new(),
    };
    LogEntry::new(log_id(index), Payload::Normal(proposal))
}

fn founding(index: u64) -> LogEntry {
    voters(index, [1])
}

fn voters<const N: usize>(index: u64, ids: [u64; N]) -> LogEntry {
    let name = NodeName::new("ming").expect("legal");
    let ming = Member { name, address: Address::new("localhost:7400").expect("legal") };
    let ids = BTreeSet::from(ids.map(NodeId));
    let members: BTreeMap<_, _> = ids.iter().map(|id| (*id, ming.clone())).collect();
    let membership = Membership::new(vec![ids], members);
    LogEntry::new(log_id(index), Payload::Membership(membership.expect("legal")))
}
