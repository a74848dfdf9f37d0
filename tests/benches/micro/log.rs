//! The log: appends, until durable, and opening.

use std::cell::RefCell;

use coffee_common::id::NodeId;
use coffeed::{
    raft_types::{LogEntry, TypeConfig, Vote},
    storage::{durable_index::DurableIndex, log::LogStore, poison::Poison},
};
use divan::{Bencher, counter::ItemsCount};
use openraft::{
    storage::{IOFlushed, RaftLogStorage},
    type_config::TypeConfigExt,
};
use tokio::runtime::{Builder, Runtime};

use crate::entries::{any, entry, key, log_id};

/// Entries that a node keeps by default.
const KEPT: u64 = 10_000;

/// A log on a real disk that is purged as it grows.
struct BenchLog {
    runtime: Runtime,
    store: LogStore,
    last: u64,
    purged: u64,
    folder: tempfile::TempDir,
}

impl BenchLog {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // No state machine needs the purged entries.
        let checkpointed = DurableIndex::new();
        checkpointed.advance_to(u64::MAX);
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let path = folder.path().join("log.wal");
        let mut store = LogStore::open(&path, checkpointed, Poison::new()).expect("opens");
        runtime.block_on(store.save_vote(&Vote::new(1, NodeId(1)))).expect("durable");
        Self { runtime, store, last: 0, purged: 0, folder }
    }

    /// Returns the next entries. Purges from time to time, which is not measured.
    fn next(&mut self, count: u64) -> Vec<LogEntry> {
        if self.last > self.purged + 2 * KEPT {
            self.purged = self.last - KEPT;
            self.runtime.block_on(self.store.purge(log_id(self.purged))).expect("purges");
        }
        let first = self.last + 1;
        self.last += count;
        (first..=self.last).map(|index| entry(index, key(any(index)))).collect()
    }

    /// Appends these batches without waiting in between, then waits until all are
    /// durable.
    fn append(&mut self, batches: Vec<Vec<LogEntry>>) {
        self.runtime.block_on(async {
            let mut waiting = Vec::with_capacity(batches.len());
            for batch in batches {
                let (done, durable) = TypeConfig::oneshot();
                self.store.append(batch, IOFlushed::signal(done)).await.expect("appends");
                waiting.push(durable);
            }
            for durable in waiting {
                durable.await.expect("answers").expect("durable");
            }
        });
    }
}

/// One append of `entries` entries.
#[divan::bench(args = [1, 64, 1024], max_time = 3)]
fn append(bencher: Bencher<'_, '_>, entries: u64) {
    let log = RefCell::new(BenchLog::new());
    bencher
        .counter(ItemsCount::new(entries))
        .with_inputs(|| vec![log.borrow_mut().next(entries)])
        .bench_local_values(|batches| log.borrow_mut().append(batches));
}

/// Concurrent appends of one entry each, before the first is durable.
#[divan::bench(args = [1, 64, 1024], max_time = 3)]
fn group_commit(bencher: Bencher<'_, '_>, appends: u64) {
    let log = RefCell::new(BenchLog::new());
    bencher
        .counter(ItemsCount::new(appends))
        .with_inputs(|| log.borrow_mut().next(appends).into_iter().map(|entry| vec![entry]).collect())
        .bench_local_values(|batches| log.borrow_mut().append(batches));
}

/// Opening a log of `entries` entries, and closing it.
#[divan::bench(args = [100_000], sample_count = 10)]
fn open(bencher: Bencher<'_, '_>, entries: u64) {
    let mut log = BenchLog::new();
    for _ in 0..entries / 1000 {
        let first = log.last + 1;
        log.last += 1000;
        log.append(vec![(first..=log.last).map(|index| entry(index, key(any(index)))).collect()]);
    }
    let path = log.folder.path().join("log.wal");
    log.runtime.block_on(log.store.close()).expect("closes");
    bencher.counter(ItemsCount::new(entries)).bench_local(|| {
        let store = LogStore::open(&path, DurableIndex::new(), Poison::new()).expect("opens");
        log.runtime.block_on(store.close()).expect("closes");
    });
}
