//! The write-ahead log: records in frames, frames in chunks of one file.
//!
//! Added records are gathered into a frame, which is written after the last one
//! and synced: one write and one sync for any number of records. When a chunk is
//! full, the log continues in another one. A chunk whose entries are all purged
//! is reused, so the disk overwrites allocated blocks and the file does not grow.
//! Each chunk begins with the result of all records before it, so earlier chunks
//! can be dropped. An entry that does not fit into the rest of a chunk is divided:
//! its second part is in the next one.
//!
//! Guards that a torn end, which was never reported durable, is dropped, and that
//! anything else that is incomplete is damage (see `replay`). The first frame of
//! a chunk is durable before the chunk before it says that the log continues
//! there.

mod file;
mod frame;
mod locations;
mod replay;
mod run;

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::{Arc, Mutex},
};

use redb::StorageBackend;

pub(super) use self::{
    file::{CHUNK_BYTES, FileFault, LogFile, RealFile},
    locations::{EntryLocations, Lookup, UnreadChunk},
    replay::{LogFault, read_old},
    run::EntryLocation,
};
use super::{
    lock,
    records::{self, LogRecord, LogSummary},
};
use crate::storage::record::LogIdRecord;

/// Bytes kept free at the end of a chunk, for the frame that ends it.
const END_BYTES: usize = 2 * frame::HEADER_BYTES + 32;

/// The most bytes that the first frame of a chunk takes.
const BEGIN_BYTES_MAX: usize = 256;

/// A larger frame buffer is released after use.
const FRAME_BYTES_KEPT: usize = 256 << 10;

/// Up to this part of a chunk is left unused at its end, where the next entry does
/// not fit. A longer rest is used for a part of the entry.
const UNUSED_PART: usize = 64;

/// How many free chunks are kept. Others are returned to the file system.
const SPARE_CHUNKS: usize = 2;

/// A chunk in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunk {
    /// Its position in the file.
    slot: usize,
    sequence: u64,
}

/// The end of the log, to which records are appended.
pub(super) struct Wal {
    file: Arc<LogFile>,
    locations: Arc<Mutex<EntryLocations>>,
    /// The result of all records so far.
    summary: LogSummary,
    /// Oldest first. The last one is appended to.
    chunks: VecDeque<Chunk>,
    free: BTreeSet<usize>,
    /// The offset of the next frame in the last chunk.
    at: usize,
    /// The number of the next frame.
    number: u64,
    /// The frame that is being gathered.
    frame: Vec<u8>,
}

impl Wal {
    /// Creates an empty log on a backend, durably.
    pub(super) fn create(backend: Box<dyn StorageBackend>, chunk_bytes: u32) -> io::Result<()> {
        let file = LogFile::create(backend, chunk_bytes)?;
        let begin = begin(&file, Chunk { slot: 0, sequence: 1 }, 1, &LogSummary::default())?;
        file.write(file.offset_of(0), &begin)?;
        file.sync()?;
        file.close()
    }

    /// Opens a log whose entries up to `applied` are durably applied. Reads what
    /// comes after them, and blocks on the disk.
    pub(super) fn open(backend: Box<dyn StorageBackend>, applied: Option<u64>) -> Result<Self, LogFault> {
        let file = LogFile::open(backend)?;
        let found = replay::replay(&file, applied)?;
        let used: BTreeSet<usize> = found.chunks.iter().map(|chunk| chunk.slot).collect();
        let mut wal = Self {
            free: (0..file.chunks()?).filter(|slot| !used.contains(slot)).collect(),
            file: Arc::new(file),
            locations: Arc::new(Mutex::new(found.locations)),
            summary: found.summary,
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

    pub(super) fn summary(&self) -> &LogSummary {
        &self.summary
    }

    /// After a failed sync the page cache may hold what the disk does not. Only
    /// the last frame can be affected, because nothing is written after a
    /// failure. Writing it again makes it durable.
    fn rewrite_last_frame(&mut self, start: usize) -> io::Result<()> {
        let place = self.chunk_offset() + start as u64;
        let mut bytes = vec![0; self.at - start];
        self.file.read(place, &mut bytes)?;
        self.file.write(place, &bytes)?;
        self.file.sync()
    }

    /// Adds entries whose records are concatenated in `bytes`. They reach the
    /// disk together, unless they continue in another chunk.
    pub(super) fn add_entries(&mut self, entries: &[(LogIdRecord, usize)], bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        for (id, length) in entries {
            let (record, after) = rest.split_at(*length);
            rest = after;
            self.add_entry(*id, record)?;
        }
        Ok(())
    }

    fn add_entry(&mut self, id: LogIdRecord, record: &[u8]) -> io::Result<()> {
        self.check_fits(record.len())?;
        let space = self.space();
        let unused_max = self.file.chunk_bytes() / UNUSED_PART;
        if space >= record.len() || space < unused_max.max(records::FIRST_PART_BYTES_MIN) {
            self.ensure_space(record.len())?;
            self.push_entry(id, record, 0);
            return Ok(());
        }
        let divided = records::divide(id, record, space, self.next_offset());
        let (first, second) = divided.map_err(io::Error::other)?;
        self.frame.extend_from_slice(&first);
        self.ensure_space(second.len())?;
        self.push_entry(id, &second, first.len() as u32);
        Ok(())
    }

    /// Adds the record that completes an entry.
    fn push_entry(&mut self, id: LogIdRecord, record: &[u8], first_part_bytes: u32) {
        let (offset, bytes) = (self.next_offset(), record.len() as u32);
        self.frame.extend_from_slice(record);
        self.summary.last = Some(id);
        lock(&self.locations).add(id.index, EntryLocation { offset, bytes, first_part_bytes });
    }

    /// Adds a record that is not an entry.
    pub(super) fn add(&mut self, record: &LogRecord) -> io::Result<()> {
        let bytes = records::sealed(record).map_err(io::Error::other)?;
        self.ensure_space(bytes.len())?;
        self.frame.extend_from_slice(&bytes);
        replay::note(&mut self.summary, &mut lock(&self.locations), record);
        Ok(())
    }

    /// Writes the added records, and waits until they are durable. Afterwards
    /// purged chunks may be overwritten.
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

    fn chunk_offset(&self) -> u64 {
        self.file.offset_of(self.chunk().slot)
    }

    /// The bytes of records that an empty chunk takes in one frame.
    fn chunk_capacity(&self) -> usize {
        self.file.chunk_bytes().saturating_sub(BEGIN_BYTES_MAX + frame::HEADER_BYTES + END_BYTES)
    }

    /// The offset of the next record in the file.
    fn next_offset(&self) -> u64 {
        self.chunk_offset() + (self.at + self.frame.len()) as u64
    }

    /// The bytes of records that the current chunk still takes.
    fn space(&self) -> usize {
        let end = self.file.chunk_bytes().saturating_sub(END_BYTES);
        end.saturating_sub(self.at + self.frame.len())
    }

    fn check_fits(&self, bytes: usize) -> io::Result<()> {
        if bytes > self.chunk_capacity() {
            let what = format!("{bytes} bytes are more than a chunk of the log holds");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        Ok(())
    }

    /// Makes sure that the next record of `bytes` bytes fits. Begins another
    /// chunk if necessary.
    fn ensure_space(&mut self, bytes: usize) -> io::Result<()> {
        self.check_fits(bytes)?;
        if bytes <= self.space() {
            return Ok(());
        }
        self.write_frame()?;
        self.begin_next_chunk()
    }

    fn write_frame(&mut self) -> io::Result<()> {
        if self.frame.len() == frame::HEADER_BYTES {
            return Ok(());
        }
        let (place, sequence) = (self.chunk_offset() + self.at as u64, self.chunk().sequence);
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
        let (old, end_offset) = (self.chunk(), self.chunk_offset() + self.at as u64);
        let slot = self.take_chunk()?;
        let chunk = Chunk { slot, sequence: old.sequence + 1 };
        let begin = begin(&self.file, chunk, self.number, &self.summary)?;
        self.summary.truncated_from = None;
        self.file.write(self.file.offset_of(slot), &begin)?;
        self.file.sync()?;
        let mut end = vec![0; frame::HEADER_BYTES];
        end.extend(records::sealed(&LogRecord::Continued).map_err(io::Error::other)?);
        // The same number as the frame that it refers to.
        frame::seal(&mut end, end_offset, old.sequence, self.number);
        self.file.write(end_offset, &end)?;
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

    /// Frees the chunks before the first remaining entry. Call it once the purge
    /// is durable.
    fn release(&mut self) -> io::Result<()> {
        let first = lock(&self.locations).first_place();
        let needed =
            first.filter(|_| !planted!("chunk-freed-too-early")).and_then(|(offset, begun_before)| {
                let slot = self.file.chunk_of(offset);
                let completed = self.chunks.iter().position(|chunk| chunk.slot == slot)?;
                Some(completed.saturating_sub(usize::from(begun_before)))
            });
        let needed = needed.unwrap_or(self.chunks.len() - 1);
        self.free.extend(self.chunks.drain(..needed).map(|chunk| chunk.slot));
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
fn begin(file: &LogFile, chunk: Chunk, number: u64, summary: &LogSummary) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; frame::HEADER_BYTES];
    frame.extend(records::sealed(&LogRecord::Begin(summary.clone())).map_err(io::Error::other)?);
    frame::seal(&mut frame, file.offset_of(chunk.slot), chunk.sequence, number);
    Ok(frame)
}

#[cfg(test)]
mod tests;
