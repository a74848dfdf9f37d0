//! The write-ahead log: records in frames, frames in chunks of one file.
//!
//! What is added is gathered into a frame, which is written behind the last one
//! and synced: one write, one sync, however many records. A chunk that is full
//! is left for another; chunks whose entries are all purged are used again, so
//! that the disk overwrites blocks that it has, and the file does not grow. Each
//! chunk begins with what all records before it have made, so that those may go.
//!
//! Guards that a torn end, which nobody was told of, is left out, and that
//! anything else that is not whole is damage (see `replay`). A chunk's first
//! frame is durable before the one before it says that the log goes on there.

mod file;
mod frame;
mod locations;
mod replay;

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::{Arc, Mutex},
};

use redb::StorageBackend;

pub(super) use self::{
    file::{CHUNK_BYTES, FileFault, LogFile, RealFile},
    locations::{EntryLocation, EntryLocations},
    replay::LogFault,
};
use super::{
    lock,
    records::{self, LogRecord, LogSummary},
};
use crate::storage::record::LogIdRecord;

/// Kept free at the end of a chunk, for the frame that says where the log goes on.
const END_BYTES: usize = 2 * frame::HEADER_BYTES + 32;

/// The first frame of a chunk is never longer.
const BEGIN_BYTES_MAX: usize = 256;

/// A frame's buffer is not kept when it is larger.
const FRAME_BYTES_KEPT: usize = 256 << 10;

/// Chunks that wait for their next use. What is more goes back to the file system.
const SPARE_CHUNKS: usize = 2;

/// A chunk in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunk {
    /// Which one of the file.
    slot: usize,
    sequence: u64,
}

/// The end of the log, where it grows.
pub(super) struct Wal {
    file: Arc<LogFile>,
    locations: Arc<Mutex<EntryLocations>>,
    /// What all records up to now have made.
    head: LogSummary,
    /// Oldest first; the last one grows.
    chunks: VecDeque<Chunk>,
    free: BTreeSet<usize>,
    /// Where in the last chunk the next frame goes.
    at: usize,
    /// The next frame's number.
    number: u64,
    /// The next frame.
    frame: Vec<u8>,
}

impl Wal {
    /// Makes an empty log on a backend, durably.
    pub(super) fn create(backend: Box<dyn StorageBackend>, chunk_bytes: u32) -> io::Result<()> {
        let file = LogFile::create(backend, chunk_bytes)?;
        let begin = begin(&file, Chunk { slot: 0, sequence: 1 }, 1, &LogSummary::default())?;
        file.write(file.place(0), &begin)?;
        file.sync()?;
        file.close()
    }

    /// Opens a log. Reads all of it, and waits for the disk.
    pub(super) fn open(backend: Box<dyn StorageBackend>) -> Result<Self, LogFault> {
        let file = LogFile::open(backend)?;
        let found = replay::replay(&file)?;
        let used: BTreeSet<usize> = found.chunks.iter().map(|chunk| chunk.slot).collect();
        let mut wal = Self {
            free: (0..file.chunks()?).filter(|slot| !used.contains(slot)).collect(),
            file: Arc::new(file),
            locations: Arc::new(Mutex::new(found.locations)),
            head: found.head,
            chunks: found.chunks,
            at: found.at,
            number: found.number,
            frame: vec![0; frame::HEADER_BYTES],
        };
        wal.rewrite_last_frame(found.last_frame)?;
        wal.release()?;
        Ok(wal)
    }

    pub(super) fn file(&self) -> &Arc<LogFile> {
        &self.file
    }

    pub(super) fn locations(&self) -> &Arc<Mutex<EntryLocations>> {
        &self.locations
    }

    pub(super) fn head(&self) -> &LogSummary {
        &self.head
    }

    /// After a sync that failed, the page cache may say what the disk does not
    /// know. Only the last frame can be of that kind, since nothing is written
    /// after a failure: once it is written again, it is where it seems to be.
    fn rewrite_last_frame(&mut self, start: usize) -> io::Result<()> {
        let place = self.chunk_place() + start as u64;
        let mut bytes = vec![0; self.at - start];
        self.file.read(place, &mut bytes)?;
        self.file.write(place, &bytes)?;
        self.file.sync()
    }

    /// Adds entries, whose records lie one behind the other in `bytes`. They
    /// reach the disk together, unless they are more than a chunk holds.
    pub(super) fn add_entries(&mut self, entries: &[(LogIdRecord, usize)], bytes: &[u8]) -> io::Result<()> {
        self.ensure_space(bytes.len().min(self.chunk_capacity()))?;
        let mut rest = bytes;
        for (id, length) in entries {
            let (record, behind) = rest.split_at(*length);
            rest = behind;
            self.ensure_space(*length)?;
            let offset = self.chunk_place() + (self.at + self.frame.len()) as u64;
            self.frame.extend_from_slice(record);
            self.head.last = Some(*id);
            lock(&self.locations).add(id.index, EntryLocation { offset, bytes: *length as u32 });
        }
        Ok(())
    }

    /// Adds a record that is no entry.
    pub(super) fn add(&mut self, record: &LogRecord) -> io::Result<()> {
        let bytes = records::sealed(record).map_err(io::Error::other)?;
        self.ensure_space(bytes.len())?;
        self.frame.extend_from_slice(&bytes);
        replay::note(&mut self.head, &mut lock(&self.locations), record);
        Ok(())
    }

    /// Writes what was added, and waits until the disk has it. Then what is
    /// purged may be overwritten.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.write_frame()?;
        if !planted!("acknowledged-before-fsync") {
            self.file.sync()?;
        }
        self.release()
    }

    fn chunk(&self) -> Chunk {
        self.chunks[self.chunks.len() - 1]
    }

    fn chunk_place(&self) -> u64 {
        self.file.place(self.chunk().slot)
    }

    /// What an empty chunk takes in one frame.
    fn chunk_capacity(&self) -> usize {
        self.file.chunk_bytes().saturating_sub(BEGIN_BYTES_MAX + frame::HEADER_BYTES + END_BYTES)
    }

    /// Sees to it that a record of so many bytes fits behind what was added.
    fn ensure_space(&mut self, bytes: usize) -> io::Result<()> {
        if bytes > self.chunk_capacity() {
            let what = format!("{bytes} bytes are more than a chunk of the log holds");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let end = self.file.chunk_bytes() - END_BYTES;
        if self.at + self.frame.len() + bytes <= end {
            return Ok(());
        }
        self.write_frame()?;
        self.begin_next_chunk()
    }

    fn write_frame(&mut self) -> io::Result<()> {
        if self.frame.len() == frame::HEADER_BYTES {
            return Ok(());
        }
        let (place, sequence) = (self.chunk_place() + self.at as u64, self.chunk().sequence);
        frame::seal(&mut self.frame, place, sequence, self.number);
        self.file.write(place, &self.frame)?;
        self.at = frame::aligned(self.at + self.frame.len());
        self.number += 1;
        self.frame.truncate(frame::HEADER_BYTES);
        self.frame.shrink_to(FRAME_BYTES_KEPT);
        Ok(())
    }

    fn begin_next_chunk(&mut self) -> io::Result<()> {
        self.file.sync()?;
        let (old, old_place) = (self.chunk(), self.chunk_place() + self.at as u64);
        let slot = self.take_chunk()?;
        let chunk = Chunk { slot, sequence: old.sequence + 1 };
        let begin = begin(&self.file, chunk, self.number, &self.head)?;
        self.file.write(self.file.place(slot), &begin)?;
        self.file.sync()?;
        let mut end = vec![0; frame::HEADER_BYTES];
        end.extend(records::sealed(&LogRecord::Continued).map_err(io::Error::other)?);
        // The same number as the frame that it speaks of.
        frame::seal(&mut end, old_place, old.sequence, self.number);
        self.file.write(old_place, &end)?;
        self.chunks.push_back(chunk);
        self.at = frame::aligned(begin.len());
        self.number += 1;
        Ok(())
    }

    fn take_chunk(&mut self) -> io::Result<usize> {
        if let Some(slot) = self.free.pop_first() {
            let _exclusive = self.file.exclusive();
            return Ok(slot);
        }
        let slot = self.chunks.len();
        self.file.add_chunk(slot)?;
        Ok(slot)
    }

    /// Frees the chunks before the first entry that is left. To be called when
    /// it is durable that the others are purged.
    fn release(&mut self) -> io::Result<()> {
        let first = lock(&self.locations).first().map(|(_, place)| self.file.chunk_of(place.offset));
        let first = first.filter(|_| !planted!("chunk-freed-too-early"));
        while self.chunks.len() > 1 && Some(self.chunks[0].slot) != first {
            self.free.extend(self.chunks.pop_front().map(|chunk| chunk.slot));
        }
        let mut cut = None;
        while self.free.len() > SPARE_CHUNKS
            && let Some(last) = self.free.last().copied()
            && last + 1 == self.free.len() + self.chunks.len()
        {
            self.free.pop_last();
            cut = Some(last);
        }
        if let Some(slot) = cut {
            let _exclusive = self.file.exclusive();
            self.file.cut(slot)?;
        }
        Ok(())
    }
}

/// The first frame of a chunk.
fn begin(file: &LogFile, chunk: Chunk, number: u64, head: &LogSummary) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; frame::HEADER_BYTES];
    frame.extend(records::sealed(&LogRecord::Begin(head.clone())).map_err(io::Error::other)?);
    frame::seal(&mut frame, file.place(chunk.slot), chunk.sequence, number);
    Ok(frame)
}

#[cfg(test)]
mod tests;
