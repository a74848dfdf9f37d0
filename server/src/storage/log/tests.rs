//! Tests of the log on a disk that loses unsynced writes, and fails on demand.

mod damage;
pub(crate) mod disk;
mod model;
mod opening;
mod reading;
mod space;
mod writing;

use std::ops::Range;

use coffee_common::{
    command::{Batch, Command, Operation, Proposal},
    id::NodeId,
    key::{Key, Value},
};
use openraft::{entry::RaftEntry, storage::RaftLogReader, type_config::TypeConfigExt};
use redb::StorageBackend;

use self::disk::{LogDisk, LogPowerCut};
use super::*;
use crate::{
    raft_types::Payload,
    storage::record::{LeaderRecord, VoteRecord},
};

/// Large enough for the largest entry, and too small for many small ones.
const CHUNK_BYTES: u32 = 1200 << 10;

fn open(disk: &LogDisk) -> LogStore {
    LogStore::open_threaded(file(disk), durable_state(), Poison::new()).expect("opens")
}

/// The log's file on the disk, which is created if it does not exist.
fn file(disk: &LogDisk) -> Box<dyn StorageBackend> {
    if disk.is_empty() {
        LogStore::create_on(disk.clone(), CHUNK_BYTES).expect("made");
    }
    Box::new(disk.clone())
}

/// Opens the log after a power cut.
fn reopen(disk: &LogDisk) -> LogStore {
    open(&disk.power_cut(LogPowerCut::LosesAll))
}

/// A log with a vote in term 1: the vote is always saved before entries.
async fn open_voted(disk: &LogDisk) -> LogStore {
    let mut log = open(disk);
    log.save_vote(&vote(1)).await.expect("durable");
    log
}

/// A state machine that has everything on disk.
fn durable_state() -> DurableIndex {
    let durable_index = DurableIndex::new();
    durable_index.advance_to(1_000_000);
    durable_index
}

fn id(term: u64, index: u64) -> LogId {
    LogIdRecord { term, index }.into()
}

fn vote(term: u64) -> Vote {
    VoteRecord { leader: LeaderRecord { term, node: NodeId(1) }, committed: false }.into()
}

fn entries(term: u64, indexes: Range<u64>) -> Vec<LogEntry> {
    indexes.map(|index| LogEntry::new(id(term, index), Payload::Blank)).collect()
}

/// An entry with a value of `bytes` bytes.
fn large(index: u64, bytes: usize) -> LogEntry {
    let value = Value::new(vec![7; bytes]).expect("legal");
    let operation = Operation::Set(Key::new("k").expect("legal"), value);
    let command = Command::Batch(Batch::of(operation).into());
    LogEntry::new(
        id(1, index),
        Payload::Normal(Proposal { request: None, proposed_at_ms: 0, command, author: String::new() }),
    )
}

/// Appends without waiting for the disk.
async fn start_append(
    log: &mut LogStore,
    entries: Vec<LogEntry>,
) -> oneshot::Receiver<Result<(), io::Error>> {
    let (done, flushed) = TypeConfig::oneshot();
    log.append(entries, IOFlushed::signal(done)).await.expect("queued");
    flushed
}

async fn append(log: &mut LogStore, entries: Vec<LogEntry>) {
    start_append(log, entries).await.await.expect("answered").expect("durable");
}

async fn ids(log: &mut LogStore) -> Vec<LogId> {
    let entries = log.try_get_log_entries(0..u64::MAX).await.expect("whole");
    entries.into_iter().map(|entry| entry.log_id).collect()
}

async fn last(log: &mut LogStore) -> Option<LogId> {
    log.get_log_state().await.expect("whole").last_log_id
}
