//! The state that the state machine shares with its readers and checkpoints.
//!
//! Guards that the database has one writer at a time; that the handle which
//! readers take always refers to a whole state (a snapshot replaces it
//! atomically); and that nothing is reported durable before its flush has
//! returned. Applying does not write to the database, so it does not wait for a
//! flush unless memory is full.

use std::{
    io,
    panic::AssertUnwindSafe,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use coffee_common::{id::Revision, limits::REQUEST_MEMORY_MAX, protocol::ReplicaDigest};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, watch};

use super::{
    change_waiters::ChangeWaiters, digest_history::DigestHistory, flush_schedule::FlushSchedule,
    watched::WatchedState,
};
use crate::{
    kv::{self, KvError, RequestMemory},
    metrics::{RequestMemoryMetrics, StateMetrics},
    raft_types::{Membership, SnapshotMeta},
    storage::{
        disk::LevelMark,
        durable_index::DurableIndex,
        poison::Poison,
        snapshot::{Claim, ReceivedSnapshot, Snapshot, SnapshotData, SnapshotInbox, SnapshotSource},
        state::{Database, Offload, StateError, StateErrorKind, StateFiles, StateOptions, read_meta},
    },
};

/// The most pages of ranges that are read from the disk at once.
const RANGE_READS_MAX: usize = 2;

/// A flush is also due once this many times a full memtable was applied, however few rows it changed.
const APPLIED_PER_FLUSH: usize = 2;

/// The parts of the state machine that readers and checkpoints share.
pub(super) struct SharedState {
    database: RwLock<Arc<Database>>,
    name: Arc<str>,
    inbox: SnapshotInbox,
    range_reads: Arc<Semaphore>,
    offload: Offload,
    flush_bytes: usize,
    /// The bytes that were applied since the active memtable began: a start reads them again.
    applied_bytes: AtomicUsize,
    flush_schedule: FlushSchedule,
    /// The last entry of the latest snapshot that openraft has.
    snapshot: AtomicU64,
    claim: Claim,
    /// Held while the database is written. redb has a lock of its own, but
    /// waiting for that would block a thread of the runtime.
    write_lock: Arc<Mutex<()>>,
    applied: watch::Sender<Revision>,
    waiters: Arc<ChangeWaiters>,
    watched: WatchedState,
    level_mark: LevelMark,
    digests: std::sync::Mutex<DigestHistory>,
    request_memory: RequestMemoryMetrics,
    metrics: StateMetrics,
    durable_index: DurableIndex,
    poison: Poison,
}

/// The right to write to the database.
pub(super) type WriteLock = OwnedMutexGuard<()>;

impl SharedState {
    pub(super) fn open(
        files: Arc<dyn StateFiles>,
        options: StateOptions,
        durable_index: DurableIndex,
        poison: Poison,
    ) -> Result<Arc<Self>, StateError> {
        let name: Arc<str> = files.name().into();
        let open = || {
            files.discard_all()?;
            let redb = files.open(&options.builder()).map_err(KvError::from)?;
            prepare(&redb)?;
            Database::new(redb, name.clone(), poison.clone())
        };
        let database = open().map_err(|error: StateErrorKind| StateError::new(&name, error))?;
        Ok(Arc::new(Self {
            database: RwLock::new(Arc::new(database)),
            name,
            range_reads: Arc::new(Semaphore::new(RANGE_READS_MAX)),
            offload: options.offload,
            flush_bytes: options.flush_bytes,
            applied_bytes: AtomicUsize::default(),
            flush_schedule: FlushSchedule::new(options.own, options.flush_bytes),
            snapshot: AtomicU64::default(),
            claim: Claim::default(),
            level_mark: options.level_mark.clone(),
            inbox: SnapshotInbox::new(files, options, poison.clone()),
            write_lock: Arc::default(),
            applied: watch::Sender::default(),
            waiters: Arc::default(),
            watched: WatchedState::default(),
            digests: std::sync::Mutex::default(),
            request_memory: RequestMemoryMetrics::default(),
            metrics: StateMetrics::default(),
            durable_index,
            poison,
        }))
    }

    /// The current database. Do not keep the handle: a snapshot replaces the
    /// database.
    pub(super) fn database(&self) -> Arc<Database> {
        self.database.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn inbox(&self) -> &SnapshotInbox {
        &self.inbox
    }

    /// Waits until a page of a range may be read.
    pub(super) async fn range_permit(&self) -> io::Result<OwnedSemaphorePermit> {
        self.range_reads.clone().acquire_owned().await.map_err(io::Error::other)
    }

    pub(super) fn offload(&self) -> Offload {
        self.offload
    }

    pub(super) fn poison(&self) -> &Poison {
        &self.poison
    }

    /// Those who wait for changes.
    pub(super) fn waiters(&self) -> &Arc<ChangeWaiters> {
        &self.waiters
    }

    /// Publishes the highest applied index.
    pub(super) fn applied(&self) -> &watch::Sender<Revision> {
        &self.applied
    }

    /// Records the size of the request memory.
    pub(super) fn note_memory(&self, memory: &RequestMemory) {
        self.request_memory.entries.set(memory.entries() as u64);
        self.request_memory.bytes.set(memory.bytes() as u64);
    }

    /// Records the size of the state.
    pub(super) fn note_size(&self) -> Result<(), StateError> {
        let database = self.database();
        let store = database.store()?;
        let digest = store.digest().map_err(|error| database.fail(error))?;
        let history = store.history_extent().map_err(|error| database.fail(error))?.unwrap_or_default();
        self.metrics.data_bytes.set(digest.data_bytes);
        self.metrics.history_bytes.set(history.bytes);
        self.metrics.history_changes.set(history.changes);
        self.metrics.history_floor.set(history.floor.0);
        self.metrics.memtable_bytes.set(store.unflushed_bytes() as u64);
        Ok(())
    }

    /// The parts of the applied state that others watch.
    pub(super) fn watched(&self) -> &WatchedState {
        &self.watched
    }

    /// Takes the watched parts from the applied state.
    pub(super) fn note_watched(&self) -> Result<(), StateError> {
        self.watched.look(&self.database())
    }

    pub(super) fn metrics(&self) -> &StateMetrics {
        &self.metrics
    }

    pub(super) fn request_memory(&self) -> &RequestMemoryMetrics {
        &self.request_memory
    }

    pub(super) async fn write_lock(&self) -> WriteLock {
        self.write_lock.clone().lock_owned().await
    }

    /// Poisons the storage because openraft asked for something that must not be
    /// done.
    pub(super) fn reject(&self, what: String) -> io::Error {
        self.database().fail(StateErrorKind::OutOfOrder(what)).into()
    }

    /// Publishes that entries up to `index` are applied.
    pub(super) fn note_applied(&self, index: u64) {
        self.applied.send_replace(Revision(index));
    }

    /// Adds digests to the history.
    pub(super) fn add_digests(&self, digests: Vec<ReplicaDigest>) {
        if !digests.is_empty() {
            self.digests.lock().unwrap_or_else(PoisonError::into_inner).extend(digests);
        }
    }

    /// The last digest at or before `upto`, if it is still kept.
    pub(super) fn digest_at(&self, upto: Revision) -> Option<ReplicaDigest> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).last(upto)
    }

    /// Records that this state is durable.
    pub(super) fn note_durable(&self, meta: &SnapshotMeta) {
        if let Some(last) = &meta.last_log_id {
            self.durable_index.advance_to(last.index);
            self.applied.send_if_modified(|applied| {
                let lags = applied.0 < last.index;
                *applied = Revision(applied.0.max(last.index));
                lags
            });
        }
    }

    /// Records that a batch of this many bytes is about to be applied. Starts a flush in the background
    /// if the active memtable is large enough, or if so much was applied to it that a start would take
    /// long. Waits for an unfinished flush only if the memtable is twice as large.
    pub(super) async fn make_room(
        self: &Arc<Self>,
        membership: &Membership,
        batch_bytes: usize,
    ) -> io::Result<()> {
        let bytes = self.database().store()?.active_bytes();
        let applied = self.applied_bytes.fetch_add(batch_bytes, Ordering::Relaxed);
        let threshold = self.flush_schedule.threshold(membership.voter_ids());
        if bytes.max(applied / APPLIED_PER_FLUSH) < threshold {
            return Ok(());
        }
        let lock = match self.write_lock.clone().try_lock_owned() {
            Ok(lock) => lock,
            Err(_) if bytes < 2 * self.flush_bytes => return Ok(()),
            Err(_) => self.write_lock().await,
        };
        self.poison.check()?;
        self.flush_schedule.flush_begins(true);
        self.applied_bytes.store(batch_bytes, Ordering::Relaxed);
        Ok(self.start_flush(lock)?)
    }

    /// Flushes in the background. An error poisons the storage.
    fn start_flush(self: &Arc<Self>, lock: WriteLock) -> Result<(), StateError> {
        self.database().seal()?;
        let shared = self.clone();
        self.offload.start(move || drop(shared.flush(&lock)));
        Ok(())
    }

    /// Returns the durable state if openraft does not have it yet; otherwise
    /// makes the current state durable and returns that.
    pub(super) async fn snapshot(self: &Arc<Self>) -> io::Result<Snapshot> {
        self.poison.check()?;
        planted!("purged-ahead-of-checkpoint", return self.as_if_durable());
        planted!("checkpoint-ahead-of-fold", {
            let lock = self.write_lock().await;
            let early = self.as_if_durable();
            self.start_flush(lock)?;
            return early;
        });
        let durable = self.durable()?;
        let snapshot = match self.is_new_to_openraft(&durable.meta) {
            true => durable,
            false => self.checkpoint().await?,
        };
        self.note_snapshot(&snapshot.meta);
        Ok(snapshot)
    }

    /// Whether a state is later than openraft's latest snapshot.
    fn is_new_to_openraft(&self, meta: &SnapshotMeta) -> bool {
        meta.last_log_id.is_some_and(|last| last.index > self.snapshot.load(Ordering::Relaxed))
    }

    /// Records openraft's latest snapshot.
    pub(super) fn note_snapshot(&self, meta: &SnapshotMeta) {
        if let Some(last) = &meta.last_log_id {
            self.snapshot.fetch_max(last.index, Ordering::Relaxed);
        }
    }

    /// Makes the current state durable, and returns exactly what was made
    /// durable.
    pub(super) async fn checkpoint(self: &Arc<Self>) -> io::Result<Snapshot> {
        let (shared, lock) = (self.clone(), self.write_lock().await);
        self.poison.check()?;
        self.flush_schedule.flush_begins(false);
        self.applied_bytes.store(0, Ordering::Relaxed);
        self.database().seal()?;
        let checkpoint = move || {
            shared.flush(&lock)?;
            Ok(shared.durable()?)
        };
        self.offload.run(checkpoint).await
    }

    /// Flushes the sealed memtable, and records that it is durable.
    fn flush(&self, _lock: &WriteLock) -> Result<(), StateError> {
        let database = self.database();
        // A panic would end on a thread that no task waits for: the sealed memtable would stay, and
        // every later flush would try the same one again.
        let flushed = std::panic::catch_unwind(AssertUnwindSafe(|| database.flush()));
        flushed.unwrap_or_else(|_| Err(database.fail(StateErrorKind::Panicked)))?;
        self.metrics.flushes.increment();
        self.note_size()?;
        self.durable().map(drop)
    }

    /// The state as of the last flush. Records that it is durable, in case the
    /// flush has not done so yet: the log may be purged up to it at once.
    pub(super) fn durable(&self) -> Result<Snapshot, StateError> {
        let source = SnapshotSource::open(self.database())?;
        self.note_durable(source.meta());
        Ok(Snapshot { meta: source.meta().clone(), snapshot: SnapshotData::Source(source) })
    }

    /// Marks a snapshot as being sent to another node.
    pub(super) fn to_send(&self, snapshot: Snapshot) -> Snapshot {
        let Snapshot { meta, snapshot } = snapshot;
        let snapshot = match snapshot {
            SnapshotData::Source(source) => SnapshotData::Source(source.claimed(&self.claim)),
            received @ SnapshotData::Received(_) => received,
        };
        Snapshot { meta, snapshot }
    }

    /// Whether a snapshot is being sent to another node.
    pub(super) fn is_sending(&self) -> bool {
        Arc::strong_count(&self.claim) > 1
    }

    /// A planted fault: reports everything applied as durable.
    fn as_if_durable(&self) -> io::Result<Snapshot> {
        let mut snapshot = self.durable()?;
        let database = self.database();
        let meta = read_meta(&*database.store()?);
        snapshot.meta = meta.map_err(|error| database.fail(error))?;
        self.note_durable(&snapshot.meta);
        Ok(snapshot)
    }

    /// Replaces the state by a received one.
    pub(super) async fn install(self: &Arc<Self>, received: ReceivedSnapshot) -> io::Result<RequestMemory> {
        let (shared, lock) = (self.clone(), self.write_lock().await);
        self.offload.run(move || Ok(shared.install_locked(received, &lock)?)).await
    }

    fn install_locked(
        &self,
        received: ReceivedSnapshot,
        _lock: &WriteLock,
    ) -> Result<RequestMemory, StateError> {
        let meta = received.meta().clone();
        let install = || {
            self.level_mark.raise(received.level())?;
            let memory = received.load_memory(REQUEST_MEMORY_MAX)?;
            Ok((memory, received.install()?))
        };
        let old = self.database();
        let (memory, redb) = install().map_err(|error: StateErrorKind| old.fail(error))?;
        let new = Database::new(redb, self.name.clone(), self.poison.clone());
        let new = Arc::new(new.map_err(|error| old.fail(error))?);
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = new;
        self.flush_schedule.flush_begins(false);
        self.note_durable(&meta);
        // Changes that were made meanwhile are in the received history, or were dropped from it.
        self.waiters.tell(None, *self.applied.borrow());
        self.note_size()?;
        self.note_watched()?;
        Ok(memory)
    }
}

/// Prepares a database. Its content is durable afterwards, even if a killed
/// process left it in the page cache of the operating system.
fn prepare(redb: &redb::Database) -> Result<(), KvError> {
    let mut txn = redb.begin_write()?;
    txn.set_quick_repair(true);
    kv::prepare(&txn)?;
    Ok(txn.commit()?)
}
