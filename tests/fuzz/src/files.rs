//! Files in memory.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use coffeed::storage::state::StateFiles;
use redb::{Builder, Database, DatabaseError, StorageBackend, backends::InMemoryBackend};

const STATE: u64 = 0;

/// The files of a state. Each is a buffer that outlives the database which is open on it.
#[derive(Debug, Default)]
pub struct MemoryFiles(Mutex<HashMap<u64, Arc<InMemoryBackend>>>);

#[derive(Debug)]
struct Opened(Arc<InMemoryBackend>);

impl MemoryFiles {
    fn files(&self) -> MutexGuard<'_, HashMap<u64, Arc<InMemoryBackend>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_file(&self, number: u64, builder: &Builder) -> Result<Database, DatabaseError> {
        let file = Arc::clone(self.files().entry(number).or_default());
        builder.create_with_backend(Opened(file))
    }
}

impl StateFiles for MemoryFiles {
    fn name(&self) -> String {
        "state".to_owned()
    }

    fn open(&self, builder: &Builder) -> Result<Database, DatabaseError> {
        self.open_file(STATE, builder)
    }

    fn create_scratch(&self, number: u64, builder: &Builder) -> Result<Database, DatabaseError> {
        self.files().remove(&number);
        self.open_file(number, builder)
    }

    fn install(&self, number: u64) -> io::Result<()> {
        let mut files = self.files();
        let file = files.remove(&number).ok_or(io::ErrorKind::NotFound)?;
        files.insert(STATE, file);
        Ok(())
    }

    fn discard(&self, number: u64) -> io::Result<()> {
        self.files().remove(&number);
        Ok(())
    }

    fn discard_all(&self) -> io::Result<()> {
        self.files().retain(|number, _| *number == STATE);
        Ok(())
    }
}

impl StorageBackend for Opened {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// An empty log file.
///
/// # Panics
/// Memory cannot be written.
pub fn log_file(chunk_bytes: u32) -> Box<dyn StorageBackend> {
    let file = Arc::new(InMemoryBackend::new());
    coffeed::storage::log::LogStore::create_on(Opened(Arc::clone(&file)), chunk_bytes).expect("memory");
    Box::new(Opened(file))
}
