//! A disk that keeps what was synced, and of the rest what chance leaves.
//!
//! Each file has a page cache, which programs see, and a durable image, which a
//! power cut leaves. What was written and not synced is then lost, kept, or
//! torn at sectors of 512 bytes, each write by itself.

use std::{
    collections::BTreeMap,
    fmt, io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
    time::Duration,
};

use coffee_common::id::NodeId;
use coffeed::storage::{databases::Databases, log::LogStore, state::StateFiles};
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};

use crate::{entropy::Dice, trace::Trace};

const SECTOR_BYTES: usize = 512;

/// Small, so that the log often goes on in another chunk.
const LOG_CHUNK_BYTES: u32 = 32 << 10;

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Resize(length) => image.resize(*length, 0),
        Change::Write(at, bytes) => {
            let end = at + bytes.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            image[*at..end].copy_from_slice(bytes);
        }
    }
}

#[derive(Debug, Default)]
struct File {
    cache: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

/// What is to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The power goes at this many steps from now, in the middle of things.
    PowerAfter(u64),
    /// The sync after this many steps fails, and what it was for is lost.
    SyncAfter(u64),
    /// From now on there is no space.
    Full,
    /// From now on each sync takes so long.
    Slow(Duration),
    /// At the next step the host stands still for so long, once.
    Pause(Duration),
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Arc<Mutex<File>>>,
    /// Counts power cuts: whoever opened a file before one has nothing any more.
    life: u64,
    /// Counts the disks that were taken away.
    generation: u64,
    failure: Option<Failure>,
    dead: bool,
}

/// The disk of a host.
#[derive(Clone)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
    life: u64,
    trace: Trace,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the log of a node is called.
pub(crate) fn log_name(id: NodeId) -> String {
    format!("log-{id}")
}

/// What the state of a node is called.
pub(crate) fn state_name(id: NodeId) -> String {
    format!("state-{id}")
}

/// The host waits for its disk, or is stopped altogether: when it goes on, its
/// clock has gone on, and all that was due meanwhile is late.
fn stand_still(long: Duration) {
    if tokio::runtime::Handle::try_current().is_ok() {
        // The clock moves when this is polled for the first time.
        let _ = pin!(tokio::time::advance(long)).poll(&mut Context::from_waker(Waker::noop()));
    }
}

fn gone() -> io::Error {
    io::Error::other("the power is gone")
}

impl Disk {
    /// An empty one.
    pub(crate) fn new(trace: Trace) -> Self {
        Self { state: Arc::default(), life: 0, trace }
    }

    /// For a process that starts now.
    pub(crate) fn mount(&self) -> Self {
        let life = lock(&self.state).life;
        Self { life, ..self.clone() }
    }

    /// Has something go wrong.
    pub(crate) fn fail(&self, failure: Failure) {
        lock(&self.state).failure = Some(failure);
    }

    /// All is well again.
    pub(crate) fn mend(&self) {
        lock(&self.state).failure = None;
    }

    /// Whether the power went in the middle of things.
    pub(crate) fn is_dead(&self) -> bool {
        lock(&self.state).dead
    }

    /// Cuts the power: chance decides over what was not synced.
    pub(crate) fn power_cut(&self, dice: &mut Dice) {
        let mut state = lock(&self.state);
        state.life += 1;
        state.dead = false;
        state.failure = None;
        for file in state.files.values() {
            let mut file = lock(file);
            let mut image = std::mem::take(&mut file.durable);
            for change in std::mem::take(&mut file.unsynced) {
                survive(&mut image, &change, dice);
            }
            file.cache.clone_from(&image);
            file.durable = image;
        }
    }

    /// Takes everything away, as a new disk would.
    pub(crate) fn wipe(&self) {
        let mut state = lock(&self.state);
        state.files.clear();
        state.life += 1;
        state.generation += 1;
    }

    /// How often it was replaced by an empty one.
    pub(crate) fn generation(&self) -> u64 {
        lock(&self.state).generation
    }

    /// What a power cut would certainly leave of a file, if there is one.
    pub(crate) fn durable(&self, name: &str) -> Option<Vec<u8>> {
        let file = Arc::clone(lock(&self.state).files.get(name)?);
        let durable = lock(&file).durable.clone();
        Some(durable)
    }

    /// A step of work, which may be the one that fails.
    fn step(&self, syncs: bool) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.dead || state.life != self.life {
            return Err(gone());
        }
        state.failure = match state.failure {
            Some(Failure::PowerAfter(0)) => {
                state.dead = true;
                return Err(gone());
            }
            Some(Failure::PowerAfter(left)) => Some(Failure::PowerAfter(left - 1)),
            Some(Failure::SyncAfter(0)) if syncs => return Err(io::Error::other("the disk fails")),
            Some(Failure::SyncAfter(left)) => Some(Failure::SyncAfter(left.saturating_sub(1))),
            Some(Failure::Full) if !syncs => return Err(io::ErrorKind::StorageFull.into()),
            Some(Failure::Pause(long)) => {
                stand_still(long);
                None
            }
            Some(Failure::Slow(long)) if syncs => {
                stand_still(long);
                state.failure
            }
            other => other,
        };
        Ok(())
    }

    /// A file that is to be made gets its name when it is durable.
    fn open_or_create(&self, name: &str, builder: &Builder) -> Result<Database, DatabaseError> {
        if lock(&self.state).files.contains_key(name) {
            return builder.create_with_backend(self.backend(name.to_owned()));
        }
        let aside = format!("{name}.new");
        lock(&self.state).files.remove(&aside);
        let database = builder.create_with_backend(self.backend(aside.clone()))?;
        self.rename(&aside, name).map_err(StorageError::Io)?;
        Ok(database)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step(true)?;
        let mut state = lock(&self.state);
        let file = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.files.insert(to.to_owned(), file);
        drop(state);
        self.step(true)
    }

    fn backend(&self, name: String) -> Backend {
        let file = Arc::clone(lock(&self.state).files.entry(name).or_default());
        Backend { file, disk: self.clone() }
    }
}

fn survive(image: &mut Vec<u8>, change: &Change, dice: &mut Dice) {
    match (dice.below(4), change) {
        (0, _) => {}
        (1 | 2, Change::Write(at, bytes)) => {
            let (mut at, mut rest) = (*at, bytes.as_slice());
            while !rest.is_empty() {
                let (sector, behind) = rest.split_at(rest.len().min(SECTOR_BYTES - at % SECTOR_BYTES));
                if dice.below(2) == 0 {
                    apply(image, &Change::Write(at, sector.to_vec()));
                }
                (at, rest) = (at + sector.len(), behind);
            }
        }
        (_, change) => apply(image, change),
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl Databases for Disk {
    fn log(&self, id: NodeId) -> io::Result<Box<dyn StorageBackend>> {
        let name = log_name(id);
        if !lock(&self.state).files.contains_key(&name) {
            let aside = format!("{name}.new");
            lock(&self.state).files.remove(&aside);
            LogStore::create_on(self.backend(aside.clone()), LOG_CHUNK_BYTES)?;
            self.rename(&aside, &name)?;
        }
        Ok(Box::new(self.backend(name)))
    }

    fn state(&self, id: NodeId) -> Arc<dyn StateFiles> {
        Arc::new(StateFolder { disk: self.clone(), id })
    }
}

#[derive(Debug)]
struct StateFolder {
    disk: Disk,
    id: NodeId,
}

impl StateFolder {
    fn scratch(&self, number: impl fmt::Display) -> String {
        format!("{}-incoming-{number}", self.name())
    }
}

impl StateFiles for StateFolder {
    fn name(&self) -> String {
        state_name(self.id)
    }

    fn open(&self, builder: &Builder) -> Result<Database, DatabaseError> {
        self.disk.open_or_create(&self.name(), builder)
    }

    fn create_scratch(&self, number: u64, builder: &Builder) -> Result<Database, DatabaseError> {
        lock(&self.disk.state).files.remove(&self.scratch(number));
        builder.create_with_backend(self.disk.backend(self.scratch(number)))
    }

    fn install(&self, number: u64) -> io::Result<()> {
        self.disk.rename(&self.scratch(number), &self.name())
    }

    fn discard(&self, number: u64) -> io::Result<()> {
        lock(&self.disk.state).files.remove(&self.scratch(number));
        Ok(())
    }

    fn discard_all(&self) -> io::Result<()> {
        let scratch = self.scratch("");
        lock(&self.disk.state).files.retain(|name, _| !name.starts_with(&scratch));
        Ok(())
    }
}

struct Backend {
    file: Arc<Mutex<File>>,
    disk: Disk,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backend")
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated files fit into memory")
}

impl Backend {
    fn change(&self, change: Change) {
        let mut file = lock(&self.file);
        apply(&mut file.cache, &change);
        file.unsynced.push(change);
    }
}

impl StorageBackend for Backend {
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
        self.change(Change::Resize(place(length)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.disk.step(true);
        if self.disk.is_dead() {
            // Chance decides over what was to be synced.
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
            // The power may go in the middle of it: chance decides over this one too.
            self.disk.trace.note("write", offset ^ ((data.len() as u64) << 40));
            self.change(Change::Write(place(offset), data.to_vec()));
        }
        written
    }
}
