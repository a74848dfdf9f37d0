//! openraft's own test suite, run on our log and state machine.

use std::sync::Arc;

use openraft::{
    StorageError,
    testing::log::{StoreBuilder, Suite},
};
use tempfile::TempDir;

use crate::raft_types::TypeConfig;
use crate::storage::{
    durable_index::DurableIndex,
    log::LogStore,
    poison::Poison,
    state::{StateDir, StateOptions},
    state_machine::StateMachine,
};

struct Folders;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for Folders {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let folder = tempfile::tempdir().expect("a folder");
        let poison = Poison::new();
        // The suite purges a log whose entries it never applied, which our log would reject.
        let unchecked = DurableIndex::new();
        unchecked.advance_to(u64::MAX);
        let log = LogStore::open(&folder.path().join("log.wal"), unchecked, poison.clone()).expect("opens");
        let files = Arc::new(StateDir::new(folder.path().join("state.redb")));
        let state = StateMachine::open(files, StateOptions::default(), DurableIndex::new(), poison);
        Ok((folder, log, state.expect("opens")))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_of_openraft_passes() {
    Suite::test_all(Folders).await.expect("passes");
}
