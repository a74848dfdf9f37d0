//! A disk in memory that loses unsynced writes, and fails on demand.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};

use crate::storage::{log::LogStore, state::StateFiles};

const STATE: &str = "state";
const SCRATCH: &str = "incoming-";

#[derive(Debug, Clone, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
}

type TestFile = Arc<Mutex<Content>>;
type Folder = BTreeMap<String, TestFile>;

#[derive(Clone, Default)]
pub(in crate::storage) struct TestDisk {
    now: Arc<Mutex<Folder>>,
    synced: Arc<Mutex<Folder>>,
    /// How many more writes, syncs and renames succeed; negative: all do.
    fuel: Arc<Fuel>,
    watcher: Arc<Mutex<Option<ReadWatcher>>>,
}

/// Called at each read.
type ReadWatcher = Box<dyn Fn() + Send>;

struct Fuel {
    steps: AtomicI64,
    /// How further steps fail; `None`: with an I/O error.
    kind: Mutex<Option<io::ErrorKind>>,
    /// Further steps panic.
    panics: AtomicBool,
}

impl Default for Fuel {
    fn default() -> Self {
        Self { steps: AtomicI64::new(-1), kind: Mutex::new(None), panics: AtomicBool::new(false) }
    }
}

impl Fuel {
    fn burn(&self) -> io::Result<()> {
        match self.steps.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |fuel| {
            Some(if fuel > 0 { fuel - 1 } else { fuel })
        }) {
            Ok(0) if self.panics.load(Ordering::Relaxed) => panic!("a write panics"),
            Ok(0) => Err(lock(&self.kind).map_or_else(|| io::Error::other("the disk fails"), Into::into)),
            _ => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}

impl TestDisk {
    /// Lets `steps` more steps succeed; all later ones fail.
    pub(in crate::storage) fn fail_after(&self, steps: i64) {
        *lock(&self.fuel.kind) = None;
        self.fuel.steps.store(steps, Ordering::Relaxed);
    }

    /// Lets `steps` more steps succeed; all later ones fail with this error.
    pub(in crate::storage) fn full_after(&self, steps: i64, kind: io::ErrorKind) {
        *lock(&self.fuel.kind) = Some(kind);
        self.fuel.steps.store(steps, Ordering::Relaxed);
    }

    /// The next write, sync or rename panics.
    pub(in crate::storage) fn panic_next(&self) {
        self.fuel.panics.store(true, Ordering::Relaxed);
        self.fuel.steps.store(0, Ordering::Relaxed);
    }

    /// Calls `watcher` at each read from now on.
    pub(in crate::storage) fn watch_reads(&self, watcher: impl Fn() + Send + 'static) {
        *lock(&self.watcher) = Some(Box::new(watcher));
    }

    /// The disk after a power cut. This disk can still be used, without affecting
    /// the returned one.
    pub(in crate::storage) fn power_cut(&self, renames_survive: bool) -> Self {
        let names = lock(if renames_survive { &self.now } else { &self.synced }).clone();
        let survive = |file: TestFile| {
            let synced = lock(&file).synced.clone();
            Arc::new(Mutex::new(Content { now: synced.clone(), synced }))
        };
        let names: Folder = names.into_iter().map(|(name, file)| (name, survive(file))).collect();
        Self {
            now: Arc::new(Mutex::new(names.clone())),
            synced: Arc::new(Mutex::new(names)),
            ..Self::default()
        }
    }

    pub(in crate::storage) fn files(&self) -> Vec<String> {
        lock(&self.now).keys().cloned().collect()
    }

    /// The content of a file.
    pub(in crate::storage) fn content(&self, name: &str) -> Vec<u8> {
        lock(&lock(&self.now)[name]).now.clone()
    }

    /// A copy of this disk, with other durable bytes in one file.
    pub(in crate::storage) fn with(&self, name: &str, bytes: Vec<u8>) -> Self {
        let copy = self.power_cut(true);
        let file = Arc::new(Mutex::new(Content { now: bytes.clone(), synced: bytes }));
        lock(&copy.now).insert(name.to_owned(), file.clone());
        lock(&copy.synced).insert(name.to_owned(), file);
        copy
    }

    /// The log file `name`, which is created if it does not exist.
    pub(in crate::storage) fn log(&self, name: &str) -> Box<dyn StorageBackend> {
        if !lock(&self.now).contains_key(name) {
            LogStore::create_on(self.backend(name), 64 << 10).expect("made");
        }
        Box::new(self.backend(name))
    }

    /// A file other than the state.
    fn backend(&self, name: &str) -> impl StorageBackend {
        let file = lock(&self.now).entry(name.to_owned()).or_default().clone();
        lock(&self.synced).insert(name.to_owned(), file.clone());
        TestBackend { file, fuel: self.fuel.clone(), watcher: self.watcher.clone() }
    }

    fn open_file(&self, name: &str, builder: &Builder) -> Result<Database, DatabaseError> {
        builder.create_with_backend(self.backend(name))
    }
}

fn scratch(number: u64) -> String {
    format!("{SCRATCH}{number}")
}

impl fmt::Debug for TestDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.files()).finish()
    }
}

impl StateFiles for TestDisk {
    fn name(&self) -> String {
        STATE.to_owned()
    }

    fn open(&self, builder: &Builder) -> Result<Database, DatabaseError> {
        // As on a real disk, an existing file is not replaced, even if it is empty.
        if lock(&self.now).get(STATE).is_some_and(|file| lock(file).now.is_empty()) {
            return Err(StorageError::Corrupted("an empty file".to_owned()).into());
        }
        self.open_file(STATE, builder)
    }

    fn create_scratch(&self, number: u64, builder: &Builder) -> Result<Database, DatabaseError> {
        lock(&self.now).remove(&scratch(number));
        self.open_file(&scratch(number), builder)
    }

    fn install(&self, number: u64) -> io::Result<()> {
        self.fuel.burn()?;
        let mut now = lock(&self.now);
        let file = now.remove(&scratch(number)).ok_or(io::ErrorKind::NotFound)?;
        now.insert(STATE.to_owned(), file);
        self.fuel.burn()?;
        lock(&self.synced).clone_from(&now);
        Ok(())
    }

    fn discard(&self, number: u64) -> io::Result<()> {
        lock(&self.now).remove(&scratch(number));
        Ok(())
    }

    fn discard_all(&self) -> io::Result<()> {
        lock(&self.now).retain(|name, _| !name.starts_with(SCRATCH));
        Ok(())
    }
}

struct TestBackend {
    file: TestFile,
    fuel: Arc<Fuel>,
    watcher: Arc<Mutex<Option<ReadWatcher>>>,
}

impl fmt::Debug for TestBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestBackend({} bytes)", lock(&self.file).now.len())
    }
}

fn place(offset: u64, length: usize) -> std::ops::Range<usize> {
    offset as usize..offset as usize + length
}

impl StorageBackend for TestBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.file).now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if let Some(watcher) = &*lock(&self.watcher) {
            watcher();
        }
        let content = &lock(&self.file).now;
        let bytes = content.get(place(offset, out.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.fuel.burn()?;
        lock(&self.file).now.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fuel.burn()?;
        let mut content = lock(&self.file);
        content.synced = content.now.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.fuel.burn()?;
        lock(&self.file).now[place(offset, data.len())].copy_from_slice(data);
        Ok(())
    }
}
