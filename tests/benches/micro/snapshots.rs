//! A snapshot of all keys: sent, received, installed.

use std::cell::RefCell;

use bytes::Bytes;
use coffeed::storage::snapshot::{ReceivedSnapshot, SnapshotData, SnapshotInbox};
use divan::{Bencher, counter::ItemsCount};
use openraft::storage::RaftStateMachine;

use crate::{entries::KEYS, state::BenchState};

fn chunks(state: &mut BenchState) -> Vec<Bytes> {
    let SnapshotData::Source(source) = state.checkpoint().snapshot else {
        panic!("a node's own state is a source");
    };
    source.chunks().map(|chunk| chunk.expect("reads")).collect()
}

fn receive(inbox: &SnapshotInbox, chunks: &[Bytes]) -> ReceivedSnapshot {
    let mut sink = inbox.begin().expect("begins");
    for chunk in chunks {
        sink.push(chunk).expect("a sound chunk");
    }
    sink.finish().expect("whole")
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn send(bencher: Bencher<'_, '_>) {
    let state = RefCell::new(BenchState::full());
    bencher.counter(ItemsCount::new(KEYS)).bench_local(|| chunks(&mut state.borrow_mut()));
}

/// Until the received state is durable beside the old one.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn take_in(bencher: Bencher<'_, '_>) {
    let chunks = chunks(&mut BenchState::full());
    let follower = BenchState::empty();
    let inbox = follower.machine.inbox();
    bencher.counter(ItemsCount::new(KEYS)).bench_local(|| receive(&inbox, &chunks));
}

/// Until the received state has replaced the old one.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn install(bencher: Bencher<'_, '_>) {
    let chunks = chunks(&mut BenchState::full());
    bencher
        .with_inputs(|| {
            let follower = BenchState::empty();
            let received = receive(&follower.machine.inbox(), &chunks);
            (follower, received)
        })
        .bench_local_values(|(mut follower, received)| {
            let meta = received.meta().clone();
            let received = SnapshotData::Received(received);
            follower.runtime.block_on(follower.machine.install_snapshot(&meta, received)).expect("installs");
            follower
        });
}
