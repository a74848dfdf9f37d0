//! The state machine: openraft's bridge to the domain and to its database.
//!
//! Guards that
//!
//! - a write is answered only after the state is applied as a whole: data,
//!   request memory, membership and last applied entry;
//! - every snapshot meta that is returned to openraft is durable. The log is
//!   purged up to such a meta at most, so it keeps all entries that the state
//!   still needs (`purged <= durably applied`, see [`DurableIndex`]);
//! - nothing is applied, answered or read after a first error.
//!
//! Entries are applied in memory, to memtables over the database
//! ([`kv::Store`](crate::kv::Store)). A *flush* writes a sealed memtable to the
//! database in one transaction, so the database always holds the state as of one
//! entry, and after a crash the log is replayed from there. A checkpoint is a
//! flush that the caller waits for. A memtable that is full is flushed in the
//! background, on each node at a different time (see `flush_schedule`). Applying
//! continues meanwhile, and waits only if it outruns the disk for long.
//!
//! A checkpoint may be ahead of the log's own fsync; the log then begins after
//! it. That is safe as long as truncated entries (`truncate_after`) are durably
//! gone when that call returns.
//!
//! Entries are applied on the task that openraft gives its state machine. Handing
//! a batch to a thread would cost two wake-ups, while an entry is a few look-ups
//! and copies, and a batch is bounded. Work that waits for the disk (flushes,
//! snapshots) goes through [`Offload`](super::state::Offload).

mod apply;
mod change_waiters;
mod condemn;
mod digest_history;
mod flush_schedule;
mod reader;
mod shared_state;
#[cfg(test)]
mod tests;
mod watched;

use std::{io, sync::Arc};

use coffee_common::{id::Revision, limits::REQUEST_MEMORY_MAX};
use futures_util::Stream;
use openraft::{
    OptionalSend, RaftSnapshotBuilder,
    storage::{EntryResponder, RaftStateMachine},
};

use self::shared_state::SharedState;
pub use self::{
    change_waiters::ChangeWait,
    reader::{ChangesAfter, StateReader, TransactionReads},
};
use crate::{
    kv::{MetaKey, RequestMemory},
    raft_types::{LogId, SnapshotMeta, StoredMembership, TypeConfig},
    storage::{
        corruption,
        durable_index::DurableIndex,
        poison::Poison,
        snapshot::{ReceivedSnapshot, Snapshot, SnapshotData, SnapshotError, SnapshotInbox, SnapshotSource},
        state::{Database, StateError, StateErrorKind, StateFiles, StateOptions, read_meta},
    },
};

/// The most bytes of keys and values that the log keeps for a node that is
/// receiving a snapshot: a slow receiver must not fill the disk.
const KEPT_BYTES_MAX: usize = 1 << 30;

/// Applies the log to the state database.
pub struct StateMachine {
    shared: Arc<SharedState>,
    memory: RequestMemory,
    /// The last applied entry and the last membership.
    meta: SnapshotMeta,
    /// Bytes of keys and values that were applied since openraft last built a
    /// snapshot.
    bytes_since_snapshot: usize,
    /// The value of [`KEPT_BYTES_MAX`], lower in tests.
    kept_bytes_max: usize,
}

impl StateMachine {
    /// Opens the state, or creates an empty one, and removes snapshots that were
    /// not installed. Blocks on the disk, longer if the database has to be
    /// repaired after a crash.
    ///
    /// Advances `durable_index`, which the log must share, to what is durable.
    ///
    /// # Errors
    /// The database cannot be opened or is damaged, or the state was found to
    /// differ from the other nodes'.
    pub fn open(
        files: Arc<dyn StateFiles>,
        options: StateOptions,
        durable_index: DurableIndex,
        poison: Poison,
    ) -> Result<Self, StateError> {
        let name = files.name();
        let open = || Self::open_unverified(files, options, durable_index, poison);
        corruption::reading_unverified(open).unwrap_or_else(|corruption::Unreadable| {
            Err(StateError::new(&name.into(), StateErrorKind::Unreadable))
        })
    }

    fn open_unverified(
        files: Arc<dyn StateFiles>,
        options: StateOptions,
        durable_index: DurableIndex,
        poison: Poison,
    ) -> Result<Self, StateError> {
        let shared = SharedState::open(files, options, durable_index, poison)?;
        let database = shared.database();
        let (memory, meta) = {
            let store = database.store()?;
            let memory = RequestMemory::load(&store, REQUEST_MEMORY_MAX);
            let memory = memory.map_err(|error| database.fail(error))?;
            (memory, read_meta(&store).map_err(|error| database.fail(error))?)
        };
        check_agrees(&database)?;
        shared.note_memory(&memory);
        shared.note_size()?;
        shared.note_watched()?;
        shared.note_durable(&meta);
        shared.note_snapshot(&meta);
        Ok(Self { shared, memory, meta, bytes_since_snapshot: 0, kept_bytes_max: KEPT_BYTES_MAX })
    }

    /// The last applied entry.
    pub fn last_applied(&self) -> Option<LogId> {
        self.meta.last_log_id
    }

    /// Checks that the log, which is purged up to `purged`, continues where this
    /// state ends.
    ///
    /// # Errors
    /// The state is an old copy, or has lost entries.
    pub fn check_reaches(&self, purged: Option<LogId>) -> Result<(), StateError> {
        let applied = self.meta.last_log_id;
        match purged.filter(|purged| applied.map(|id| id.index) < Some(purged.index)) {
            None => Ok(()),
            Some(purged) => {
                let applied =
                    applied.map_or_else(|| "nothing".to_owned(), |id| format!("everything up to {id}"));
                Err(self
                    .shared
                    .database()
                    .fail(StateErrorKind::LogStartsLater { applied, purged: purged.to_string() }))
            }
        }
    }

    /// A reader of the applied state.
    pub fn reader(&self) -> StateReader {
        StateReader::new(self.shared.clone())
    }

    /// A handle that makes the state durable.
    pub fn checkpointer(&self) -> Checkpointer {
        Checkpointer { shared: self.shared.clone() }
    }

    /// Receives snapshots from other nodes.
    pub fn inbox(&self) -> SnapshotInbox {
        self.shared.inbox().clone()
    }

    async fn received(&self, snapshot: SnapshotData) -> io::Result<ReceivedSnapshot> {
        match snapshot {
            SnapshotData::Received(received) => Ok(received),
            SnapshotData::Source(source) => {
                let inbox = self.inbox();
                let receive = move || receive(&inbox, source).map_err(io::Error::other);
                self.shared.offload().run(receive).await
            }
        }
    }

    fn check_install(&self, meta: &SnapshotMeta, received: &ReceivedSnapshot) -> io::Result<()> {
        let reason = if meta != received.meta() {
            "the meta of the snapshot is not the announced one"
        } else if meta.last_log_id < self.meta.last_log_id {
            "the snapshot is older than the state"
        } else {
            return Ok(());
        };
        Err(self.shared.reject(format!(
            "{reason}: {meta} announced, {} received, {:?} applied",
            received.meta(),
            self.meta.last_log_id
        )))
    }
}

/// Fails if the state was found to differ from the other nodes'.
fn check_agrees(database: &Database) -> Result<(), StateError> {
    let differs = database.store()?.meta(MetaKey::Differs).map_err(|error| database.fail(error))?;
    match differs {
        None => Ok(()),
        Some(at) => {
            let at = at.try_into().map_or(0, u64::from_le_bytes);
            Err(database.fail(StateErrorKind::Differs { at }))
        }
    }
}

/// Copies a snapshot within this node.
fn receive(inbox: &SnapshotInbox, source: SnapshotSource) -> Result<ReceivedSnapshot, SnapshotError> {
    let mut sink = inbox.begin()?;
    for chunk in source.chunks() {
        sink.push(&chunk?)?;
    }
    sink.finish()
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Checkpointer;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.meta.last_log_id, self.meta.last_membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some(batch) = apply::gather(&mut entries).await? {
            let full = batch.is_full();
            self.apply_batch(batch).await?;
            if full {
                // Let the tasks that were answered run before the next batch occupies this
                // thread.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Checkpointer {
        self.bytes_since_snapshot = 0;
        self.checkpointer()
    }

    /// Returns `None` while a snapshot is being sent: otherwise the log after
    /// that snapshot would be purged.
    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Checkpointer> {
        let later = !force && self.shared.is_sending() && self.bytes_since_snapshot < self.kept_bytes_max;
        match later {
            true => None,
            false => Some(self.get_snapshot_builder().await),
        }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> io::Result<()> {
        self.shared.poison().check()?;
        let received = self.received(snapshot).await?;
        self.check_install(meta, &received)?;
        let memory = self.shared.install(received).await?;
        self.meta = meta.clone();
        self.shared.note_snapshot(meta);
        planted!("memory-dropped-at-snapshot", return Ok(()));
        self.memory = memory;
        self.shared.note_memory(&self.memory);
        Ok(())
    }

    /// The state as of the last flush, which is durable: openraft takes the meta
    /// of the snapshot that it finds at start as the bound for purging the log.
    /// Entries after it are still in the log. A flush first would delay applying.
    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        self.shared.poison().check()?;
        if self.meta.last_log_id.is_none() {
            return Ok(None);
        }
        let mut snapshot = self.shared.durable()?;
        if snapshot.meta.last_log_id.is_none() {
            // Nothing was flushed yet, and openraft would take `None` for a failure.
            snapshot = self.shared.checkpoint().await?;
        }
        Ok(Some(self.shared.to_send(snapshot)))
    }
}

/// Makes the state durable. This is all that openraft's snapshots are needed for
/// here: the log may be purged afterwards. Cheap to clone.
#[derive(Clone)]
pub struct Checkpointer {
    shared: Arc<SharedState>,
}

impl Checkpointer {
    /// Makes the current state durable, so the next start need not replay it from
    /// the log. Returns exactly what was made durable.
    ///
    /// # Errors
    /// The storage has failed before, or fails now.
    pub async fn checkpoint(&self) -> io::Result<Snapshot> {
        self.shared.checkpoint().await
    }

    /// Marks this state as unusable for good, because it differs from the other
    /// nodes' at the entry `at`. The storage then serves nothing.
    pub async fn condemn(&self, at: Revision) {
        self.shared.condemn(at).await;
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Checkpointer {
    type SnapshotData = SnapshotData;

    /// Returns the state as of the last flush if openraft does not have it yet,
    /// otherwise flushes. The log may be purged up to either. All nodes are asked
    /// at the same entry, and this way they do not flush at the same moment.
    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        self.shared.snapshot().await
    }
}
