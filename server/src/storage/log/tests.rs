//! The log against a disk that forgets what was not synced, and that fails.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use coffee_common::id::NodeId;
use openraft::type_config::TypeConfigExt;
use openraft::{
    entry::RaftEntry,
    storage::{IOFlushed, RaftLogReader, RaftLogStorage},
};
use redb::{ReadableTable, StorageBackend};
use tokio::sync::oneshot;

use super::*;
use crate::{
    storage::record::{LeaderRecord, VoteRecord},
    types::Payload,
};

/// A disk in memory that tells what is durable from what is only written.
#[derive(Debug, Clone, Default)]
struct Disk {
    written: Arc<Mutex<Vec<u8>>>,
    durable: Arc<Mutex<Vec<u8>>>,
    syncs: Arc<AtomicU64>,
    /// Syncs fail from this one on; 0 is never.
    fails_at: Arc<AtomicU64>,
    /// Held by the test while a sync has to wait.
    gate: Arc<Mutex<()>>,
}

impl Disk {
    /// What a machine finds after a power cut.
    fn after_power_cut(&self) -> Self {
        let durable = lock(&self.durable).clone();
        Self {
            written: Arc::new(Mutex::new(durable.clone())),
            durable: Arc::new(Mutex::new(durable)),
            ..Self::default()
        }
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(lock(&self.written).len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let offset = offset as usize;
        out.copy_from_slice(&lock(&self.written)[offset..offset + out.len()]);
        Ok(())
    }
    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        lock(&self.written).resize(len as usize, 0);
        Ok(())
    }
    fn sync_data(&self) -> Result<(), io::Error> {
        let _open = lock(&self.gate);
        let sync = self.syncs.fetch_add(1, Ordering::SeqCst) + 1;
        let fails_at = self.fails_at.load(Ordering::SeqCst);
        if fails_at > 0 && sync >= fails_at {
            return Err(io::Error::from_raw_os_error(5));
        }
        *lock(&self.durable) = lock(&self.written).clone();
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let offset = offset as usize;
        lock(&self.written)[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn open(disk: &Disk) -> LogStore {
    LogStore::open_threaded(disk.clone(), durable_state(), Poison::new()).expect("opens")
}

/// A state machine that has everything on disk.
fn durable_state() -> Checkpointed {
    let checkpointed = Checkpointed::new();
    checkpointed.advance_to(1_000_000);
    checkpointed
}

fn id(term: u64, index: u64) -> LogId {
    LogIdRecord { leader: LeaderRecord { term, node: NodeId(1) }, index }.into()
}

fn entries(term: u64, indexes: Range<u64>) -> Vec<LogEntry> {
    indexes.map(|index| LogEntry::new(id(term, index), Payload::Blank)).collect()
}

fn vote(term: u64) -> Vote {
    VoteRecord { leader: LeaderRecord { term, node: NodeId(1) }, committed: false }.into()
}

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

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut() {
    let disk = Disk::default();
    let mut log = open(&disk);
    log.save_vote(&vote(3)).await.expect("durable");
    append(&mut log, entries(3, 0..10)).await;
    log.truncate_after(Some(id(3, 7))).await.expect("durable");
    append(&mut log, entries(4, 8..12)).await;
    log.purge(id(3, 2)).await.expect("queued");
    log.save_committed(Some(id(4, 9))).await.expect("queued");
    append(&mut log, entries(4, 12..13)).await;

    let mut log = open(&disk.after_power_cut());
    let expected: Vec<_> = (3..8).map(|i| id(3, i)).chain((8..13).map(|i| id(4, i))).collect();
    assert_eq!(ids(&mut log).await, expected);
    assert_eq!(log.read_vote().await.expect("whole"), Some(vote(3)));
    assert_eq!(log.read_committed().await.expect("whole"), Some(id(4, 9)));
    let state = log.get_log_state().await.expect("whole");
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(3, 2)), Some(id(4, 12))));
}

/// The state may be durable ahead of the log. A conflicting end of the log that
/// came back behind it after a crash would keep the node from starting.
#[tokio::test]
async fn entries_that_were_given_up_are_gone_for_good() {
    let disk = Disk::default();
    let mut log = open(&disk);
    append(&mut log, entries(1, 0..10)).await;
    log.truncate_after(Some(id(1, 6))).await.expect("durable");
    let after = open(&disk.after_power_cut()).get_log_state().await.expect("whole");
    assert_eq!(after.last_log_id, Some(id(1, 6)));
}

#[tokio::test]
async fn entries_can_be_read_before_they_are_durable() {
    let disk = Disk::default();
    let mut log = open(&disk);
    let gate = Arc::clone(&disk.gate);
    let flushed = {
        let held = lock(&gate);
        let (done, flushed) = TypeConfig::oneshot();
        let mut append = std::pin::pin!(log.append(entries(1, 0..3), IOFlushed::signal(done)));
        let waker = std::task::Waker::noop();
        assert!(append.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready());
        drop(held);
        flushed
    };
    assert_eq!(ids(&mut log).await.len(), 3);
    flushed.await.expect("answered").expect("durable");
}

#[tokio::test]
async fn what_gathers_during_a_sync_shares_the_next_one() {
    let disk = Disk::default();
    let mut log = open(&disk);
    append(&mut log, entries(1, 0..1)).await;
    let before = disk.syncs();
    append(&mut log, entries(1, 1..2)).await;
    let per_commit = disk.syncs() - before;

    let mut waiting = Vec::new();
    let gate = Arc::clone(&disk.gate);
    // The first append is in its sync (or about to be); the other hundred gather behind it.
    waiting.push(start_append(&mut log, entries(1, 2..3)).await);
    {
        let held = gate.lock().unwrap_or_else(PoisonError::into_inner);
        let before = disk.syncs();
        for index in 3..103 {
            let (done, flushed) = TypeConfig::oneshot();
            let mut append =
                std::pin::pin!(log.append(entries(1, index..index + 1), IOFlushed::signal(done)));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(append.as_mut().poll(&mut context).is_ready());
            waiting.push(flushed);
        }
        drop(held);
        for flushed in waiting {
            flushed.blocking_or_wait();
        }
        let commits = (disk.syncs() - before).div_ceil(per_commit);
        assert!(commits <= 3, "{commits} commits for 101 appends");
    }
}

/// Waits for an answer without giving up the test's thread: the writer has its own.
trait BlockingWait {
    fn blocking_or_wait(self);
}

impl BlockingWait for oneshot::Receiver<Result<(), io::Error>> {
    fn blocking_or_wait(mut self) {
        let result = loop {
            match self.try_recv() {
                Ok(result) => break result,
                Err(oneshot::error::TryRecvError::Empty) => std::thread::yield_now(),
                Err(oneshot::error::TryRecvError::Closed) => panic!("not answered"),
            }
        };
        result.expect("durable");
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged() {
    let disk = Disk::default();
    let mut log = open(&disk);
    append(&mut log, entries(1, 0..5)).await;
    disk.fails_at.store(disk.syncs() + 1, Ordering::SeqCst);
    let failed = start_append(&mut log, entries(1, 5..6)).await.await.expect("answered");
    assert!(failed.is_err());
    // The disk works again, but what it holds is not known: the log stays closed.
    disk.fails_at.store(0, Ordering::SeqCst);
    assert!(log.save_vote(&vote(9)).await.is_err());
    assert!(log.try_get_log_entries(0..9).await.is_err());
    assert!(log.shared.poison.cause().is_some_and(|cause| cause.contains("cannot be written")));

    let mut log = open(&disk.after_power_cut());
    assert_eq!(ids(&mut log).await.len(), 5);
}

#[tokio::test]
async fn nothing_is_purged_that_the_state_could_lose() {
    let checkpointed = Checkpointed::new();
    checkpointed.advance_to(4);
    let mut log = LogStore::open_threaded(Disk::default(), checkpointed, Poison::new()).expect("opens");
    append(&mut log, entries(1, 0..10)).await;
    log.purge(id(1, 4)).await.expect("covered");
    assert!(log.purge(id(1, 5)).await.is_err());
    assert!(log.shared.poison.cause().is_some());
}

#[tokio::test]
async fn a_hole_poisons() {
    let mut log = open(&Disk::default());
    append(&mut log, entries(1, 0..3)).await;
    let (done, _flushed) = TypeConfig::oneshot();
    assert!(log.append(entries(1, 4..5), IOFlushed::signal(done)).await.is_err());
    assert!(log.shared.poison.cause().is_some());
}

#[tokio::test]
async fn the_inline_writer_does_the_same() {
    let disk = Disk::default();
    let mut log = LogStore::open_inline(disk.clone(), durable_state(), Poison::new()).expect("opens");
    log.save_vote(&vote(1)).await.expect("durable");
    append(&mut log, entries(1, 0..3)).await;
    log.truncate_after(Some(id(1, 1))).await.expect("done");
    let mut log =
        LogStore::open_inline(disk.after_power_cut(), durable_state(), Poison::new()).expect("opens");
    assert_eq!(ids(&mut log).await.len(), 2);
}

#[tokio::test]
async fn a_damaged_log_is_refused_by_name_and_next_step() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.redb");
    let mut log = LogStore::open(&path, durable_state(), Poison::new()).expect("opens");
    append(&mut log, entries(1, 0..5)).await;
    log.close().await.expect("flushed");
    drop(log);
    let database = Database::open(&path).expect("opens");
    let transaction = database.begin_write().expect("begins");
    {
        let mut table = transaction.open_table(rows::ENTRIES).expect("is there");
        let mut row = table.get(3).expect("reads").expect("is there").value().to_vec();
        row[6] ^= 1;
        table.insert(3, row.as_slice()).expect("writes");
    }
    transaction.commit().expect("commits");
    drop(database);
    let error = LogStore::open(&path, durable_state(), Poison::new()).expect_err("damaged").to_string();
    assert!(error.contains("log.redb") && error.contains("log entry 3") && error.contains("join"), "{error}");
}

#[tokio::test]
async fn replication_reads_stop_at_their_size() {
    use coffee_common::{
        command::{Batch, Command, Operation, Proposal},
        key::{Key, Value},
    };
    let large = |index| {
        let value = Value::new(vec![7; 400 << 10]).expect("legal");
        let operation = Operation::Set(Key::new("k").expect("legal"), value);
        let command = Command::Batch(Batch::of(operation));
        LogEntry::new(id(1, index), Payload::Normal(Proposal { request: None, proposed_at_ms: 0, command }))
    };
    let disk = Disk::default();
    let mut log = open(&disk);
    append(&mut log, (0..6).map(large).collect()).await;
    assert_eq!(log.limited_get_log_entries(0, 6).await.expect("whole").len(), 2);
    assert_eq!(log.limited_get_log_entries(5, 6).await.expect("whole").len(), 1);
    // The same from the database as from memory.
    let mut log = open(&disk.after_power_cut());
    assert_eq!(log.limited_get_log_entries(0, 6).await.expect("whole").len(), 2);
    append(&mut log, vec![large(6)]).await;
    assert_eq!(log.limited_get_log_entries(4, 7).await.expect("whole").len(), 2);
    assert_eq!(log.limited_get_log_entries(5, 7).await.expect("whole").len(), 2);
}
