//! The state: applying entries, making them durable, reading.

use std::{cell::RefCell, sync::Arc};

use coffee_common::key::KeyRange;
use coffeed::{
    raft_types::LogEntry,
    storage::{
        durable_index::DurableIndex,
        poison::Poison,
        snapshot::Snapshot,
        state::{StateDir, StateOptions},
        state_machine::StateMachine,
    },
};
use divan::{Bencher, counter::ItemsCount};
use futures_util::stream;
use openraft::{RaftSnapshotBuilder, storage::RaftStateMachine};
use tokio::runtime::{Builder, Runtime};

use crate::entries::{KEYS, any, entry, key};

/// Entries applied at once during the initial fill.
const FILLING: u64 = 1024;

/// A state machine on a real disk.
pub(crate) struct BenchState {
    pub(crate) runtime: Runtime,
    pub(crate) machine: StateMachine,
    last: u64,
    _folder: tempfile::TempDir,
}

impl BenchState {
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Blocking disk work runs in a second thread.
        let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let files = Arc::new(StateDir::new(folder.path().join("state.redb")));
        let machine = runtime.block_on(async {
            StateMachine::open(files, StateOptions::default(), DurableIndex::new(), Poison::new())
        });
        Self { runtime, machine: machine.expect("opens"), last: 0, _folder: folder }
    }

    /// A state that holds every key, durably.
    pub(crate) fn full() -> Self {
        let mut state = Self::empty();
        while state.last < KEYS {
            let first = state.last + 1;
            state.last = KEYS.min(state.last + FILLING);
            let entries = (first..=state.last).map(|index| entry(index, key(index))).collect();
            state.apply(entries);
        }
        state.checkpoint();
        state
    }

    /// Returns the next entries, each of which sets a pseudorandom key.
    pub(crate) fn next(&mut self, count: u64) -> Vec<LogEntry> {
        let first = self.last + 1;
        self.last += count;
        (first..=self.last).map(|index| entry(index, key(any(index)))).collect()
    }

    pub(crate) fn apply(&mut self, entries: Vec<LogEntry>) {
        let entries = stream::iter(entries.into_iter().map(|entry| Ok((entry, None))));
        self.runtime.block_on(self.machine.apply(entries)).expect("applies");
    }

    /// Writes a checkpoint.
    pub(crate) fn checkpoint(&mut self) -> Snapshot {
        let building = async { self.machine.get_snapshot_builder().await.build_snapshot().await };
        self.runtime.block_on(building).expect("durable")
    }
}

/// `entries` entries at once.
#[divan::bench(args = [1, 16, 64, 1024], max_time = 3)]
fn apply(bencher: Bencher<'_, '_>, entries: u64) {
    let state = RefCell::new(BenchState::full());
    bencher
        .counter(ItemsCount::new(entries))
        .with_inputs(|| state.borrow_mut().next(entries))
        .bench_local_values(|entries| state.borrow_mut().apply(entries));
}

/// A checkpoint after `entries` entries.
#[divan::bench(args = [1000, 10_000], sample_count = 10)]
fn checkpoint(bencher: Bencher<'_, '_>, entries: u64) {
    let state = RefCell::new(BenchState::full());
    let apply = || {
        let mut state = state.borrow_mut();
        let entries = state.next(entries);
        state.apply(entries);
    };
    bencher.with_inputs(apply).bench_local_values(|()| state.borrow_mut().checkpoint());
}

/// One key.
#[divan::bench(max_time = 2)]
fn get(bencher: Bencher<'_, '_>) {
    let state = BenchState::full();
    let reader = state.machine.reader();
    let mut n = 0;
    bencher.counter(ItemsCount::new(1_u64)).bench_local(|| {
        n += 1;
        assert!(reader.get(&key(any(n))).expect("reads").0.is_some());
    });
}

/// A page of `limit` keys with their values.
#[divan::bench(args = [100], max_time = 2)]
fn range(bencher: Bencher<'_, '_>, limit: u32) {
    let state = BenchState::full();
    let reader = state.machine.reader();
    let all = KeyRange::prefix("order/");
    bencher.counter(ItemsCount::new(limit)).bench_local(|| {
        let page = state.runtime.block_on(reader.range(&all, limit, false));
        let (page, _) = page.expect("reads");
        assert_eq!(page.entries.len(), limit as usize);
    });
}
