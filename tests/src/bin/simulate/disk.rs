//! A simulated disk that keeps synced data, and a random part of the rest.
//!
//! Each file has a page cache, which programs see, and a durable image, which survives a
//! power cut. A power cut loses, keeps or tears (at sectors of 512 bytes) each unsynced
//! write independently.

use std::{
    collections::BTreeMap,
    fmt, io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
    time::Duration,
};

use redb::StorageBackend;

use crate::{entropy::SimRng, trace::Trace};

const SECTOR_BYTES: usize = 512;

/// How long after a stall its writes may still wait.
const STALL_ENDS_WITHIN_MS: u64 = 10;

#[derive(Debug, Clone)]
enum PendingWrite {
    Write(usize, Vec<u8>),
    Resize(usize),
}

fn apply(image: &mut Vec<u8>, change: &PendingWrite) {
    match change {
        PendingWrite::Resize(length) => image.resize(*length, 0),
        PendingWrite::Write(at, bytes) => {
            let end = at + bytes.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            image[*at..end].copy_from_slice(bytes);
        }
    }
}

#[derive(Debug, Default)]
struct SimFile {
    cache: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<PendingWrite>,
}

/// A failure to inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskFailure {
    /// Cuts the power after this many steps, possibly within an operation.
    PowerAfter(u64),
    /// Fails the sync after this many steps, and loses its data.
    SyncAfter(u64),
    /// Every write fails for lack of space.
    Full,
    /// The log's writes wait until this is mended. Everything else continues.
    Stalled,
    /// Each sync takes this long.
    Slow(Duration),
    /// Stalls the host for this long at the next step, once.
    Pause(Duration),
}

#[derive(Debug, Default)]
struct DiskState {
    files: BTreeMap<String, Arc<Mutex<SimFile>>>,
    /// Counts power cuts: a handle opened before one is invalid.
    life: u64,
    /// Counts how many times the disk was replaced.
    generation: u64,
    failure: Option<DiskFailure>,
    /// Until when writes may wait that were stalled, in simulated milliseconds.
    stalled_until: u64,
    dead: bool,
}

/// The disk of a host.
#[derive(Clone)]
pub(crate) struct SimDisk {
    state: Arc<Mutex<DiskState>>,
    life: u64,
    trace: Trace,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// File name of a node's log.
pub(crate) fn log_name(id: u64) -> String {
    format!("log-{id}")
}

/// File name of a node's state.
pub(crate) fn state_name(id: u64) -> String {
    format!("state-{id}")
}

/// Stalls the host, as a slow disk or a suspended machine does: its clock advances, and
/// everything due meanwhile is late.
fn stand_still(long: Duration) {
    if tokio::runtime::Handle::try_current().is_ok() {
        // The clock advances when this is first polled.
        let _ = pin!(tokio::time::advance(long)).poll(&mut Context::from_waker(Waker::noop()));
    }
}

fn gone() -> io::Error {
    io::Error::other("the power is gone")
}

impl SimDisk {
    /// Creates an empty disk.
    pub(crate) fn new(trace: Trace) -> Self {
        Self { state: Arc::default(), life: 0, trace }
    }

    /// Returns a handle for a process that starts now.
    pub(crate) fn mount(&self) -> Self {
        let life = lock(&self.state).life;
        Self { life, ..self.clone() }
    }

    /// Injects a failure.
    pub(crate) fn fail(&self, failure: DiskFailure) {
        lock(&self.state).failure = Some(failure);
    }

    /// Ends the injected failure.
    pub(crate) fn mend(&self) {
        let mut state = lock(&self.state);
        if state.failure.take() == Some(DiskFailure::Stalled) {
            state.stalled_until = self.trace.now() + STALL_ENDS_WITHIN_MS;
        }
    }

    /// Whether writes of the log wait.
    pub(crate) fn is_stalled(&self) -> bool {
        let state = lock(&self.state);
        state.failure == Some(DiskFailure::Stalled) || self.trace.now() < state.stalled_until
    }

    /// Whether the power was cut within an operation.
    pub(crate) fn is_dead(&self) -> bool {
        lock(&self.state).dead
    }

    /// Cuts the power: `rng` decides about unsynced writes.
    pub(crate) fn power_cut(&self, rng: &mut SimRng) {
        let mut state = lock(&self.state);
        state.life += 1;
        state.dead = false;
        state.failure = None;
        for file in state.files.values() {
            let mut file = lock(file);
            let mut image = std::mem::take(&mut file.durable);
            for change in std::mem::take(&mut file.unsynced) {
                survive(&mut image, &change, rng);
            }
            file.cache.clone_from(&image);
            file.durable = image;
        }
    }

    /// Deletes everything, like a replacement by an empty disk.
    pub(crate) fn wipe(&self) {
        let mut state = lock(&self.state);
        state.files.clear();
        state.life += 1;
        state.generation += 1;
    }

    /// How many times it was replaced by an empty disk.
    pub(crate) fn generation(&self) -> u64 {
        lock(&self.state).generation
    }

    /// Contents of a file that would certainly survive a power cut, if it exists.
    pub(crate) fn durable(&self, name: &str) -> Option<Vec<u8>> {
        let file = Arc::clone(lock(&self.state).files.get(name)?);
        let durable = lock(&file).durable.clone();
        Some(durable)
    }

    /// Counts a step, and fails if a failure is due.
    fn step(&self, syncs: bool) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.dead || state.life != self.life {
            return Err(gone());
        }
        state.failure = match state.failure {
            Some(DiskFailure::PowerAfter(0)) => {
                state.dead = true;
                return Err(gone());
            }
            Some(DiskFailure::PowerAfter(left)) => Some(DiskFailure::PowerAfter(left - 1)),
            Some(DiskFailure::SyncAfter(0)) if syncs => return Err(io::Error::other("the disk fails")),
            Some(DiskFailure::SyncAfter(left)) => Some(DiskFailure::SyncAfter(left.saturating_sub(1))),
            Some(DiskFailure::Full) if !syncs => return Err(io::ErrorKind::StorageFull.into()),
            Some(DiskFailure::Pause(long)) => {
                stand_still(long);
                None
            }
            Some(DiskFailure::Slow(long)) if syncs => {
                stand_still(long);
                state.failure
            }
            other => other,
        };
        Ok(())
    }

    /// The name of each file, with what programs see and what would survive a power cut.
    pub(crate) fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let state = lock(&self.state);
        let bytes = |file: &Mutex<SimFile>| {
            let file = lock(file);
            [file.cache.as_slice(), &file.durable].concat()
        };
        state.files.iter().map(|(name, file)| (name.clone(), bytes(file))).collect()
    }

    /// Whether writes of the log have to wait at this moment.
    pub(crate) fn takes_no_write(&self) -> bool {
        lock(&self.state).failure == Some(DiskFailure::Stalled)
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        lock(&self.state).files.contains_key(name)
    }

    /// Opens a file; creates an empty one if there is none.
    pub(crate) fn open(&self, name: &str) -> SimBackend {
        let file = Arc::clone(lock(&self.state).files.entry(name.to_owned()).or_default());
        SimBackend { file, disk: self.clone() }
    }

    /// Creates an empty file, in place of one of the same name.
    pub(crate) fn create(&self, name: &str) -> SimBackend {
        lock(&self.state).files.remove(name);
        self.open(name)
    }

    /// Gives a file another name, durably: one that is being created gets its name once it is durable.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step(true)?;
        let mut state = lock(&self.state);
        let file = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.files.insert(to.to_owned(), file);
        drop(state);
        self.step(true)
    }

    /// Removes the files with these names.
    pub(crate) fn remove(&self, is_meant: impl Fn(&str) -> bool) {
        lock(&self.state).files.retain(|name, _| !is_meant(name));
    }
}

fn survive(image: &mut Vec<u8>, change: &PendingWrite, rng: &mut SimRng) {
    match (rng.below(4), change) {
        (0, _) => {}
        (1 | 2, PendingWrite::Write(at, bytes)) => {
            let (mut at, mut rest) = (*at, bytes.as_slice());
            while !rest.is_empty() {
                let (sector, after) = rest.split_at(rest.len().min(SECTOR_BYTES - at % SECTOR_BYTES));
                if rng.below(2) == 0 {
                    apply(image, &PendingWrite::Write(at, sector.to_vec()));
                }
                (at, rest) = (at + sector.len(), after);
            }
        }
        (_, change) => apply(image, change),
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

/// An open file.
pub(crate) struct SimBackend {
    file: Arc<Mutex<SimFile>>,
    disk: SimDisk,
}

impl fmt::Debug for SimBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimBackend")
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated files fit into memory")
}

impl SimBackend {
    fn change(&self, change: PendingWrite) {
        let mut file = lock(&self.file);
        apply(&mut file.cache, &change);
        file.unsynced.push(change);
    }
}

impl StorageBackend for SimBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.file).cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if lock(&self.disk.state).life != self.disk.life {
            return Err(gone());
        }
        let at = place(offset);
        let file = lock(&self.file);
        let bytes = file.cache.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.step(false)?;
        self.change(PendingWrite::Resize(place(length)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.disk.step(true);
        if self.disk.is_dead() {
            // Random: the sync may have persisted any part.
            return synced;
        }
        let mut file = lock(&self.file);
        let changes = std::mem::take(&mut file.unsynced);
        synced?;
        self.disk.trace.note("sync", changes.len() as u64);
        let mut image = std::mem::take(&mut file.durable);
        for change in &changes {
            apply(&mut image, change);
        }
        file.durable = image;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let alive = !self.disk.is_dead();
        let written = self.disk.step(false);
        if written.is_ok() || alive && self.disk.is_dead() {
            // The power may be cut within this write, so it counts as unsynced already.
            self.disk.trace.note("write", offset ^ ((data.len() as u64) << 40));
            self.change(PendingWrite::Write(place(offset), data.to_vec()));
        }
        written
    }
}
