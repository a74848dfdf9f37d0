//! The stream of a snapshot: encoding and decoding of its chunks. Pure.
//!
//! A format on the wire, held by golden bytes:
//!
//! ```text
//! chunk    kind 1 | body ... | crc 4      crc: CRC-32C of the chunk's number (8), its kind and its body
//! header   magic 7 | format 1 | level 4 | rows 8 | meta (a record) ...
//! rows     (table 1 | key length 2 | row length 4 | key | row) ...
//! trailer  rows 8 | crc 4                 crc: of all chunks before
//! ```
//!
//! Numbers are little endian. The first chunk is the header, the last one the
//! trailer. Rows come in the order of [`Table::ALL`], then of their keys.

use bytes::Bytes;
use coffee_common::{
    feature_level::{FeatureLevel, LEVEL_MAX},
    limits::{KEY_BYTES_MAX, SNAPSHOT_CHUNK_BYTES_MAX, VALUE_BYTES_MAX},
};

use super::SnapshotError;
use crate::{
    kv::Table,
    raft_types::SnapshotMeta,
    storage::record::{self, RecordError, SnapshotMetaRecord},
};

const MAGIC: [u8; 7] = *b"coffee\n";

/// The version of the stream that this build writes and reads.
pub const FORMAT: u8 = 3;

/// The size at which a chunk of rows is closed.
pub(super) const CHUNK_BYTES: usize = 128 << 10;

const ROW_HEADER_BYTES: usize = 7;
const CRC_BYTES: usize = 4;

// A chunk that is almost full takes one more row. The largest is the row of a
// key.
const _: () = {
    let largest_row = ROW_HEADER_BYTES + KEY_BYTES_MAX + 33 + VALUE_BYTES_MAX;
    assert!(CHUNK_BYTES + largest_row + CRC_BYTES < SNAPSHOT_CHUNK_BYTES_MAX);
};

/// The kind of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChunkKind {
    Header = 1,
    Rows = 2,
    Trailer = 3,
}

/// The first chunk of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SnapshotHeader {
    /// The feature level of the state. Read before anything after it, which may be of a later one.
    pub(super) level: FeatureLevel,
    /// The number of rows that follow.
    pub(super) rows: u64,
    /// The last entry and the membership of the snapshot.
    pub(super) meta: SnapshotMeta,
}

/// The last chunk of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SnapshotTrailer {
    /// The number of rows that were sent.
    pub(super) rows: u64,
    /// The checksum of all chunks before this one.
    pub(super) crc: u32,
}

/// One row of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SnapshotRow<'chunk> {
    pub(super) table: Table,
    pub(super) key: &'chunk [u8],
    pub(super) row: &'chunk [u8],
}

/// Numbers and checksums the chunks of one stream. Both ends keep one.
#[derive(Debug, Default)]
pub(super) struct ChunkSequence {
    next: u64,
    crc: u32,
}

impl ChunkSequence {
    /// The checksum of all chunks so far.
    pub(super) fn crc(&self) -> u32 {
        self.crc
    }

    /// Appends the checksum to a chunk, which is a kind and a body.
    pub(super) fn seal(&mut self, mut chunk: Vec<u8>) -> Bytes {
        chunk.extend_from_slice(&self.checksum(&chunk).to_le_bytes());
        self.pass(&chunk);
        chunk.into()
    }

    /// Verifies the next chunk, and returns its kind and body.
    pub(super) fn open<'chunk>(
        &mut self,
        chunk: &'chunk [u8],
    ) -> Result<(ChunkKind, &'chunk [u8]), SnapshotError> {
        let Some((content, crc)) = chunk.split_last_chunk::<CRC_BYTES>() else {
            return Err(self.malformed("it is too short"));
        };
        if *crc != self.checksum(content).to_le_bytes() {
            return Err(self.malformed("its checksum does not match, or it is not the next one"));
        }
        let kind = [ChunkKind::Header, ChunkKind::Rows, ChunkKind::Trailer];
        let known = kind.into_iter().find(|kind| content.first() == Some(&(*kind as u8)));
        let kind = known.ok_or_else(|| self.malformed("its kind is unknown"))?;
        if kind != ChunkKind::Trailer {
            self.pass(chunk);
        }
        Ok((kind, &content[1..]))
    }

    fn checksum(&self, content: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.next.to_le_bytes()), content)
    }

    fn pass(&mut self, chunk: &[u8]) {
        self.next += 1;
        self.crc = crc32c::crc32c_append(self.crc, chunk);
    }

    pub(super) fn malformed(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Malformed { chunk: self.next, what }
    }
}

impl SnapshotHeader {
    pub(super) fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let mut chunk = vec![ChunkKind::Header as u8];
        chunk.extend_from_slice(&MAGIC);
        chunk.push(FORMAT);
        chunk.extend_from_slice(&self.level.0.to_le_bytes());
        chunk.extend_from_slice(&self.rows.to_le_bytes());
        chunk.extend_from_slice(&record::encode(&SnapshotMetaRecord::from(&self.meta))?);
        Ok(chunk)
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, SnapshotError> {
        let malformed = SnapshotError::Malformed { chunk: 0, what: "the header is malformed" };
        let mut reader = ByteReader(body);
        match (reader.array(), reader.array()) {
            (Some(&MAGIC), Some(&[FORMAT])) => {}
            (Some(&MAGIC), Some(&[format])) => return Err(SnapshotError::Format(format)),
            _ => return Err(malformed),
        }
        let Some(level) = reader.array().map(|level| FeatureLevel(u32::from_le_bytes(*level))) else {
            return Err(malformed);
        };
        if level > LEVEL_MAX {
            return Err(SnapshotError::Level(level));
        }
        let rows = u64::from_le_bytes(*reader.array().ok_or(malformed)?);
        let meta = record::decode::<SnapshotMetaRecord>(reader.0)?.try_into()?;
        Ok(Self { level, rows, meta })
    }
}

impl SnapshotTrailer {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut chunk = vec![ChunkKind::Trailer as u8];
        chunk.extend_from_slice(&self.rows.to_le_bytes());
        chunk.extend_from_slice(&self.crc.to_le_bytes());
        chunk
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = ByteReader(body);
        let (rows, crc) = (u64::from_le_bytes(*reader.array()?), u32::from_le_bytes(*reader.array()?));
        reader.0.is_empty().then_some(Self { rows, crc })
    }
}

impl<'chunk> SnapshotRow<'chunk> {
    /// Appends the row to a chunk of rows.
    pub(super) fn encode(&self, chunk: &mut Vec<u8>) {
        chunk.push(self.table as u8);
        chunk.extend_from_slice(&(self.key.len() as u16).to_le_bytes());
        chunk.extend_from_slice(&(self.row.len() as u32).to_le_bytes());
        chunk.extend_from_slice(self.key);
        chunk.extend_from_slice(self.row);
    }

    /// Decodes the next row of a chunk of rows, and removes it from `body`.
    pub(super) fn decode(body: &mut &'chunk [u8]) -> Option<Self> {
        let mut reader = ByteReader(body);
        let [table] = *reader.array()?;
        let table = Table::of(table)?;
        let key_length = u16::from_le_bytes(*reader.array()?);
        let row_length = u32::from_le_bytes(*reader.array()?);
        let key = reader.slice(key_length.into())?;
        let row = reader.slice(row_length as usize)?;
        *body = reader.0;
        Some(Self { table, key, row })
    }
}

struct ByteReader<'chunk>(&'chunk [u8]);

impl<'chunk> ByteReader<'chunk> {
    fn array<const N: usize>(&mut self) -> Option<&'chunk [u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(array)
    }

    fn slice(&mut self, length: usize) -> Option<&'chunk [u8]> {
        let (slice, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(slice)
    }
}
