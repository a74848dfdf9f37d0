//! The file of a log: its layout, and how it is created.
//!
//! ```text
//! first page   "coffeed log\n" 12 | version 4 | chunk bytes 4 | crc32c 4
//! chunk 0, chunk 1, ... of equal size
//! ```

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use redb::StorageBackend;

use crate::{
    metrics::LogMetrics,
    storage::{atomic_file, private_file},
};

const MAGIC: &[u8; 12] = b"coffeed log\n";

const VERSION: u32 = 1;

const PAGE_BYTES: u64 = 4096;

const HEADER_BYTES: usize = 24;

/// Zeros are written in parts of this size.
const ZEROS_BYTES: usize = 1 << 20;

/// The size of the chunks of a log on a real disk. Each entry must fit into one.
pub(in crate::storage::log) const CHUNK_BYTES: u32 = 4 << 20;

/// Why a file is not a log.
#[derive(Debug, thiserror::Error)]
pub(in crate::storage::log) enum FileFault {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not a log, or its first page is damaged")]
    NotALog,
    #[error("a newer version of coffeed wrote it (format {0}; this build knows format {VERSION})")]
    Newer(u32),
}

/// An open file, shared by the writer and the readers.
#[derive(Debug)]
pub(in crate::storage::log) struct LogFile {
    backend: Box<dyn StorageBackend>,
    chunk_bytes: u32,
    pub(in crate::storage::log) metrics: LogMetrics,
    /// Held shared during a read, and exclusively to reuse a chunk.
    reading: RwLock<()>,
}

impl LogFile {
    /// Creates an empty file: one chunk of zeros.
    pub(super) fn create(backend: Box<dyn StorageBackend>, chunk_bytes: u32) -> io::Result<Self> {
        let file = Self { backend, chunk_bytes, metrics: LogMetrics::default(), reading: RwLock::default() };
        file.backend.set_len(PAGE_BYTES)?;
        file.add_chunk(0)?;
        file.backend.write(0, &header(chunk_bytes))?;
        Ok(file)
    }

    pub(super) fn open(backend: Box<dyn StorageBackend>) -> Result<Self, FileFault> {
        let mut found = [0; HEADER_BYTES];
        if backend.len()? < PAGE_BYTES {
            return Err(FileFault::NotALog);
        }
        backend.read(0, &mut found)?;
        let word = |at: usize| u32::from_le_bytes([found[at], found[at + 1], found[at + 2], found[at + 3]]);
        let (version, chunk_bytes) = (word(12), word(16));
        if !found.starts_with(MAGIC) || word(20) != crc32c::crc32c(&found[..20]) || chunk_bytes == 0 {
            return Err(FileFault::NotALog);
        }
        if version != VERSION {
            return Err(FileFault::Newer(version));
        }
        Ok(Self { backend, chunk_bytes, metrics: LogMetrics::default(), reading: RwLock::default() })
    }

    pub(super) fn chunk_bytes(&self) -> usize {
        self.chunk_bytes as usize
    }

    /// The number of chunks. An incomplete chunk at the end is left from a power
    /// cut while it was added; it held nothing.
    pub(super) fn chunks(&self) -> io::Result<usize> {
        Ok(((self.backend.len()? - PAGE_BYTES) / u64::from(self.chunk_bytes)) as usize)
    }

    /// The offset of a chunk.
    pub(super) fn offset_of(&self, chunk: usize) -> u64 {
        PAGE_BYTES + chunk as u64 * u64::from(self.chunk_bytes)
    }

    /// The chunk that contains `offset`.
    pub(super) fn chunk_of(&self, offset: u64) -> usize {
        ((offset - PAGE_BYTES) / u64::from(self.chunk_bytes)) as usize
    }

    /// Adds a chunk after the last one, and fills it with zeros: overwriting
    /// allocated blocks is faster than allocating them.
    pub(super) fn add_chunk(&self, chunk: usize) -> io::Result<()> {
        self.backend.set_len(self.offset_of(chunk + 1))?;
        let zeros = vec![0; ZEROS_BYTES.min(self.chunk_bytes())];
        for at in (0..self.chunk_bytes()).step_by(zeros.len()) {
            let part = zeros.len().min(self.chunk_bytes() - at);
            self.backend.write(self.offset_of(chunk) + at as u64, &zeros[..part])?;
        }
        Ok(())
    }

    /// Returns the space of this chunk and all after it to the file system.
    pub(super) fn cut(&self, chunk: usize) -> io::Result<()> {
        self.backend.set_len(self.offset_of(chunk))
    }

    pub(in crate::storage::log) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.backend.write(offset, bytes)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.metrics.measure_sync(|| self.backend.sync_data())
    }

    pub(in crate::storage::log) fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, bytes)
    }

    pub(in crate::storage::log) fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    /// While this is held, no part of the log is overwritten.
    pub(in crate::storage::log) fn reading(&self) -> RwLockReadGuard<'_, ()> {
        self.reading.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all current reads have ended.
    pub(super) fn exclusive(&self) -> RwLockWriteGuard<'_, ()> {
        self.reading.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn header(chunk_bytes: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..12].copy_from_slice(MAGIC);
    header[12..16].copy_from_slice(&VERSION.to_le_bytes());
    header[16..20].copy_from_slice(&chunk_bytes.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..20]);
    header[20..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// The file at a path.
#[derive(Debug)]
pub(in crate::storage::log) struct RealFile(File);

impl RealFile {
    /// Opens and locks the file at `path`. If there is none, `fill` fills it
    /// first: a crash leaves no file or a complete one.
    pub(in crate::storage::log) fn open_or_create(
        path: &Path,
        fill: impl FnOnce(Self) -> io::Result<()>,
    ) -> io::Result<Self> {
        if !path.try_exists()? {
            atomic_file::create(path, |aside| fill(Self(private_file::create(aside)?)))?;
        }
        let file = private_file::open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl StorageBackend for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn close(&self) -> io::Result<()> {
        self.0.unlock()
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn a_file_that_is_not_a_log_is_rejected() {
        let open = |edit: fn(&dyn StorageBackend)| {
            let backend = InMemoryBackend::new();
            LogFile::create(Box::new(InMemoryBackend::new()), 8192).expect("made");
            backend.set_len(PAGE_BYTES + 8192).expect("budget");
            backend.write(0, &header(8192)).expect("written");
            edit(&backend);
            LogFile::open(Box::new(backend))
                .map(|file| file.chunks().expect("a length"))
                .map_err(|e| e.to_string())
        };
        assert_eq!(open(|_| {}), Ok(1));
        let error = open(|backend| backend.write(5, b"x").expect("written"));
        assert!(error.expect_err("rejected").contains("not a log"));
        assert_eq!(open(|backend| backend.set_len(PAGE_BYTES + 8192 + 100).expect("cut")), Ok(1));
        assert_eq!(open(|backend| backend.set_len(PAGE_BYTES + 100).expect("cut")), Ok(0));
        let newer = |backend: &dyn StorageBackend| {
            let mut header = header(8192);
            header[12] = 2;
            let checksum = crc32c::crc32c(&header[..20]);
            header[20..].copy_from_slice(&checksum.to_le_bytes());
            backend.write(0, &header).expect("written");
        };
        assert!(open(newer).expect_err("rejected").contains("newer"));
    }
}
