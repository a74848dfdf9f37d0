//! Snapshots from a hostile leader.
#![no_main]

use std::sync::Arc;

use coffee_fuzz::MemoryFiles;
use coffeed::storage::{
    durable_index::DurableIndex,
    poison::Poison,
    snapshot::{SnapshotInbox, fuzz},
    state::{Offload, StateOptions},
    state_machine::StateMachine,
};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static INBOX: SnapshotInbox = inbox();
}

fn inbox() -> SnapshotInbox {
    let options = StateOptions {
        cache_bytes: 64 << 10,
        check_integrity: false,
        offload: Offload::Inline,
        ..StateOptions::default()
    };
    let files = Arc::new(MemoryFiles::default());
    StateMachine::open(files, options, DurableIndex::new(), Poison::new()).expect("opens").inbox()
}

fuzz_target!(init: coffee_fuzz::seeds::write("snapshot"), |bytes: &[u8]| {
    INBOX.with(|inbox| fuzz::chunks(inbox, bytes));
});
