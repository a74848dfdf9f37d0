//! The state machine: openraft's bridge to the domain and to its database.
//!
//! Guards that
//!
//! - nobody is answered before the state that he is told of is applied as one:
//!   data, memory of requests, membership and last applied entry;
//! - every snapshot meta that leaves here is durable, so that the log, which is
//!   purged up to one at most, never loses what the state still needs
//!   (`purged <= durably applied`, see [`DurableIndex`]);
//! - nothing more is applied, answered or read after a first error.
//!
//! Entries are applied in memory, in store over the database ([`kv::Store`](crate::kv::Store)).
//! A *fold* writes what came together into the database, in one transaction:
//! on disk the state is at any time what it was behind one entry, and after a
//! crash it is replayed from there. A checkpoint is a fold that is waited for;
//! memory that fills begins one by itself, at each node in its lock (see `flush_schedule`).
//! Applying goes on meanwhile, and waits only where it is faster than the disk for long.
//!
//! A checkpoint may be ahead of the log's own fsync; the log then starts behind
//! it. That is safe as long as what the log gave up before (`truncate_after`)
//! was durably gone when it returned.
//!
//! Applying works on the task that openraft gives its state machine, without a
//! hop to a thread, which would cost two wake-ups: an entry is a few look-ups and
//! copies, and a batch is bounded. What waits for the disk (folds, snapshots) goes
//! through [`Offload`](super::state::Offload).

mod apply;
mod digest_history;
mod flush_schedule;
mod reader;
mod shared_state;
#[cfg(test)]
mod tests;

use std::{io, sync::Arc};

use coffee_common::{id::Revision, limits::REQUEST_MEMORY_MAX};
use futures_util::Stream;
use openraft::{
    OptionalSend, RaftSnapshotBuilder,
    storage::{EntryResponder, RaftStateMachine},
};

use self::shared_state::SharedState;
pub use self::{digest_history::StateDigest, reader::StateReader};
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

/// The log is not kept beyond this for a node that is sent a state: it may be slow, and
/// the disk is not to fill for it.
const KEPT_BYTES_MAX: usize = 1 << 30;

/// Applies the log to the state database.
pub struct StateMachine {
    shared: Arc<SharedState>,
    memory: RequestMemory,
    /// Up to which entry the state is, and with which membership.
    meta: SnapshotMeta,
    /// Of keys and values that were applied since openraft was last let have a snapshot.
    bytes_since: usize,
    /// So many of them are kept in the log for one who is sent a state.
    kept_bytes_max: usize,
}

impl StateMachine {
    /// Opens the state, or makes an empty one, and removes what is left of
    /// snapshots that were not installed. Waits for the disk, for a longer
    /// time if the state has to be repaired after a crash.
    ///
    /// What is durable is noted in `durable_index`, which the log is to be given.
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
        shared.note_durable(&meta);
        shared.note_snapshot(&meta);
        Ok(Self { shared, memory, meta, bytes_since: 0, kept_bytes_max: KEPT_BYTES_MAX })
    }

    /// The last entry that is applied.
    pub fn last_applied(&self) -> Option<LogId> {
        self.meta.last_log_id
    }

    /// Whether the log, which no longer holds entries up to `purged`, goes on
    /// where this state ends.
    ///
    /// # Errors
    /// The state is an earlier one, or has lost what it held.
    pub fn check_reaches(&self, purged: Option<LogId>) -> Result<(), StateError> {
        let applied = self.meta.last_log_id;
        match purged.filter(|purged| applied.map(|id| id.index) < Some(purged.index)) {
            None => Ok(()),
            Some(purged) => {
                let applied = applied.map_or_else(|| "nothing".to_owned(), |id| format!("up to {id}"));
                Err(self
                    .shared
                    .database()
                    .fail(StateErrorKind::LogStartsLater { applied, purged: purged.to_string() }))
            }
        }
    }

    /// Reads what is applied.
    pub fn reader(&self) -> StateReader {
        StateReader::new(self.shared.clone())
    }

    /// Makes the state durable when it is asked to.
    pub fn checkpointer(&self) -> Checkpointer {
        Checkpointer { shared: self.shared.clone() }
    }

    /// Where snapshots from other nodes come in.
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
        let refusal = if meta != received.meta() {
            "a snapshot is not what it is said to be"
        } else if meta.last_log_id < self.meta.last_log_id {
            "a snapshot would take the state back"
        } else {
            return Ok(());
        };
        Err(self.shared.reject(format!(
            "{refusal}: {meta} said, {} received, {:?} applied",
            received.meta(),
            self.meta.last_log_id
        )))
    }
}

/// Whether the state is none that was found to differ from the others'.
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

/// Carries a snapshot from one place of this node to another.
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
                // Let whoever was answered go on before the next batch holds this thread.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Checkpointer {
        self.bytes_since = 0;
        self.checkpointer()
    }

    /// None while a state is on its way to another node: the log would be purged behind it.
    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Checkpointer> {
        let later = !force && self.shared.is_sending() && self.bytes_since < self.kept_bytes_max;
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

    /// The state as it was after the last fold, which is durable: openraft takes
    /// the meta of the snapshot that it finds at start for what the log may be
    /// purged up to. Nothing that the log no longer holds is behind it, and to
    /// fold first would hold up applying meanwhile.
    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        self.shared.poison().check()?;
        if self.meta.last_log_id.is_none() {
            return Ok(None);
        }
        let mut snapshot = self.shared.durable()?;
        if snapshot.meta.last_log_id.is_none() {
            // Nothing was folded yet, and openraft would take none for a failure.
            snapshot = self.shared.checkpoint().await?;
        }
        Ok(Some(self.shared.to_send(snapshot)))
    }
}

/// Makes the state durable: which is all that openraft's snapshots are built
/// for, since the log may then be purged. Cheap to clone.
#[derive(Clone)]
pub struct Checkpointer {
    shared: Arc<SharedState>,
}

impl Checkpointer {
    /// Makes the state durable as it is now, so that the next start need not
    /// replay it from the log. Gives just what was made durable.
    pub async fn checkpoint(&self) -> io::Result<Snapshot> {
        self.shared.checkpoint().await
    }

    /// Takes this state out of use for good, since it differs from what the
    /// others have at the entry `at`. The storage serves nothing after that.
    pub async fn condemn(&self, at: Revision) {
        self.shared.condemn(at).await;
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Checkpointer {
    type SnapshotData = SnapshotData;

    /// The state as it was after the last fold, if that is a later one than openraft has
    /// heard of; else as it is now. The log may be purged up to either, and the nodes,
    /// which are all asked at the same entry, need not fold at the same moment.
    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        self.shared.snapshot().await
    }
}
