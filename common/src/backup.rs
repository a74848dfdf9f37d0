//! The file format of a backup: pure encoding and decoding.
//!
//! A format on disk and on the wire, guarded by golden bytes:
//!
//! ```text
//! file     magic 14 | format 1 | block ...          the last block is the end
//! block    length 4 | kind 1 | body ... | crc 4     length: of the body alone
//! header   [`BackupHeader`], a body: see [`envelope`]   the first block
//! data     rows 8 | a chunk of a snapshot, as nodes send it to each other
//! end      [`BackupEnd`], a body
//! ```
//!
//! Numbers are little endian. `crc` is the CRC-32C of the block's number (8 bytes) and of the block
//! up to the CRC. `rows` counts the rows up to the end of this block. The end holds a SHA-256 of
//! all bytes before it; a file without an end is incomplete.
//!
//! Guards that a file with a flipped bit or a missing part is never accepted. Holds one block at a
//! time. Knows nothing of the contents of a snapshot.

use bytes::{Buf, Bytes, BytesMut};
use ring::digest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    envelope,
    feature_level::FeatureLevel,
    id::{Address, ClusterId, NodeId, NodeName, Revision},
    limits::BACKUP_BLOCK_BYTES_MAX,
};

const MAGIC: [u8; 14] = *b"coffee backup\n";

/// The format version that this build writes and reads.
pub const FORMAT: u8 = 3;

const PREAMBLE_BYTES: usize = MAGIC.len() + 1;
const HEAD_BYTES: usize = 5;
const CRC_BYTES: usize = 4;
const ROWS_BYTES: usize = 8;

const HEADER: u8 = 1;
const DATA: u8 = 2;
const END: u8 = 3;

/// The metadata at the start of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHeader {
    /// The cluster that was backed up.
    pub cluster: ClusterId,
    /// The node that wrote the backup.
    pub node: NodeName,
    /// The id of that node in Raft.
    pub node_id: NodeId,
    /// The last entry that the backup contains.
    pub revision: Revision,
    /// The term of that entry.
    pub term: u64,
    /// The members of the cluster as of that entry.
    pub members: Vec<BackupMember>,
    /// When it was taken, by the node's clock, in milliseconds since 1970.
    pub taken_at_ms: u64,
    /// The node's version of coffeed.
    #[serde(deserialize_with = "crate::text::word")]
    pub version: String,
    /// The number of rows in the backup, for showing progress.
    pub rows: u64,
    /// The feature level of the cluster.
    pub level: FeatureLevel,
}

/// A member of the cluster, as recorded in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct BackupMember {
    /// The member's id in Raft.
    pub id: NodeId,
    /// The member's name.
    pub name: NodeName,
    /// The address at which it was reached.
    pub address: Address,
    /// Whether it was a voter.
    pub votes: bool,
}

crate::enveloped!(BackupMember);

/// The totals and the checksum at the end of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupEnd {
    /// The number of keys.
    pub keys: u64,
    /// The number of bytes before the end block.
    pub bytes: u64,
    /// The SHA-256 of these bytes.
    pub sha256: [u8; 32],
}

/// The metadata of a complete, verified backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The metadata at its start.
    pub header: BackupHeader,
    /// The totals at its end.
    pub end: BackupEnd,
    /// The length of the file, in bytes.
    pub bytes: u64,
}

/// Why bytes are not a valid backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// They do not start as a backup does.
    #[error("it is not a coffeed backup")]
    NotABackup,
    /// Another version of coffeed wrote the backup.
    #[error("it has format {0}; this build knows format {FORMAT}")]
    Format(u8),
    /// A block is not what was written.
    #[error("it is damaged at byte {at}, in block {block}: {what}")]
    Damaged {
        /// The offset of the block in the file, in bytes.
        at: u64,
        /// The number of the block, counted from 0.
        block: u64,
        /// The check that failed.
        what: &'static str,
    },
    /// The file ends before the end block.
    #[error("it is cut short: it ends at byte {at}, in block {block}, without an end mark")]
    Truncated {
        /// The length of the file, in bytes.
        at: u64,
        /// The number of the missing block, counted from 0.
        block: u64,
    },
    /// A block cannot be encoded.
    #[error("it cannot be encoded: {0}")]
    Encode(#[from] postcard::Error),
}

/// Encodes a backup piece by piece.
pub struct Packer {
    next: u64,
    bytes: u64,
    sha256: digest::Context,
}

impl Packer {
    /// Starts a backup, and returns its first piece.
    ///
    /// # Errors
    /// The header cannot be encoded.
    pub fn begin(header: &BackupHeader) -> Result<(Self, Bytes), BackupError> {
        let mut packer = Self { next: 0, bytes: 0, sha256: digest::Context::new(&digest::SHA256) };
        let mut piece = MAGIC.to_vec();
        piece.push(FORMAT);
        add_block(&mut piece, packer.next, HEADER, &[&body_of(header)?]);
        let piece = packer.pass(piece);
        Ok((packer, piece))
    }

    /// Returns the next piece: a chunk of a snapshot that ends after `rows` rows.
    pub fn data(&mut self, rows: u64, chunk: &[u8]) -> Bytes {
        let mut piece = Vec::with_capacity(HEAD_BYTES + ROWS_BYTES + chunk.len() + CRC_BYTES);
        add_block(&mut piece, self.next, DATA, &[&rows.to_le_bytes(), chunk]);
        self.pass(piece)
    }

    /// Returns the last piece of a backup with `keys` keys.
    ///
    /// # Errors
    /// The end cannot be encoded.
    pub fn end(self, keys: u64) -> Result<Bytes, BackupError> {
        let end = BackupEnd { keys, bytes: self.bytes, sha256: sha256_of(self.sha256) };
        let mut piece = Vec::new();
        add_block(&mut piece, self.next, END, &[&body_of(&end)?]);
        Ok(piece.into())
    }

    fn pass(&mut self, piece: Vec<u8>) -> Bytes {
        self.next += 1;
        self.bytes += piece.len() as u64;
        self.sha256.update(&piece);
        piece.into()
    }
}

fn add_block(piece: &mut Vec<u8>, number: u64, kind: u8, body: &[&[u8]]) {
    let start = piece.len();
    let length: usize = body.iter().map(|part| part.len()).sum();
    piece.extend_from_slice(&(length as u32).to_le_bytes());
    piece.push(kind);
    body.iter().for_each(|part| piece.extend_from_slice(part));
    let crc = checksum(number, &piece[start..]);
    piece.extend_from_slice(&crc.to_le_bytes());
}

fn body_of(message: &impl Serialize) -> Result<Vec<u8>, BackupError> {
    let mut body = Vec::new();
    envelope::encode_to(&mut body, message)?;
    Ok(body)
}

fn checksum(number: u64, block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), block)
}

fn sha256_of(context: digest::Context) -> [u8; 32] {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(context.finish().as_ref());
    sha256
}

/// A verified block of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupBlock {
    /// The first block.
    Header(Box<BackupHeader>),
    /// Any number of blocks in between.
    Data {
        /// The number of rows up to the end of this block.
        rows: u64,
        /// A chunk of a snapshot.
        chunk: Bytes,
    },
    /// The last block.
    End(BackupEnd),
}

/// Verifies and decodes the bytes of a backup, in pieces of any size.
///
/// Buffers the last piece and one incomplete block, since it checks the length of a block before it
/// waits for the rest.
pub struct Unpacker {
    buffer: BytesMut,
    /// The offset of the buffer in the file.
    at: u64,
    /// The number of the next block. The preamble belongs to the first.
    block: u64,
    begun: bool,
    sha256: Option<digest::Context>,
    header: Option<BackupHeader>,
    end: Option<BackupEnd>,
}

impl Default for Unpacker {
    fn default() -> Self {
        let sha256 = Some(digest::Context::new(&digest::SHA256));
        Self { buffer: BytesMut::new(), at: 0, block: 0, begun: false, sha256, header: None, end: None }
    }
}

impl Unpacker {
    /// Adds the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next block, if it is complete. After an error there are no more blocks.
    ///
    /// # Errors
    /// The bytes are not a valid backup.
    pub fn next_block(&mut self) -> Result<Option<BackupBlock>, BackupError> {
        if !self.begun && !self.begin()? {
            return Ok(None);
        }
        if self.end.is_some() {
            let more = !self.buffer.is_empty();
            return if more { Err(self.damaged("there are bytes after its end")) } else { Ok(None) };
        }
        let Some([a, b, c, d, kind]) = self.buffer.first_chunk::<HEAD_BYTES>().copied() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > BACKUP_BLOCK_BYTES_MAX {
            return Err(self.damaged("its length is out of range"));
        }
        if self.buffer.len() < HEAD_BYTES + length + CRC_BYTES {
            return Ok(None);
        }
        let (content, crc) = self.buffer[..HEAD_BYTES + length + CRC_BYTES].split_at(HEAD_BYTES + length);
        if crc != checksum(self.block, content).to_le_bytes() {
            return Err(self.damaged("its checksum does not match"));
        }
        let bytes = self.buffer.split_to(HEAD_BYTES + length + CRC_BYTES).freeze();
        let block = self.open(kind, bytes.slice(HEAD_BYTES..HEAD_BYTES + length))?;
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(&bytes);
        }
        self.at += bytes.len() as u64;
        self.block += 1;
        Ok(Some(block))
    }

    /// Checks that the bytes so far are a complete backup, and returns its metadata.
    ///
    /// # Errors
    /// The bytes are not a valid backup, or are incomplete.
    pub fn finish(mut self) -> Result<Summary, BackupError> {
        while self.next_block()?.is_some() {}
        match (self.header, self.end) {
            (Some(header), Some(end)) => Ok(Summary { header, end, bytes: self.at }),
            _ => Err(BackupError::Truncated { at: self.at + self.buffer.len() as u64, block: self.block }),
        }
    }

    /// Removes the preamble from the buffer once it is complete.
    fn begin(&mut self) -> Result<bool, BackupError> {
        let there = self.buffer.len().min(MAGIC.len());
        if self.buffer[..there] != MAGIC[..there] {
            return Err(BackupError::NotABackup);
        }
        let Some(format) = self.buffer.get(MAGIC.len()).copied() else { return Ok(false) };
        if format != FORMAT {
            return Err(BackupError::Format(format));
        }
        let preamble = self.buffer.split_to(PREAMBLE_BYTES);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(&preamble);
        }
        self.at += PREAMBLE_BYTES as u64;
        self.begun = true;
        Ok(true)
    }

    /// Decodes the body of a block.
    fn open(&mut self, kind: u8, mut body: Bytes) -> Result<BackupBlock, BackupError> {
        match (kind, &self.header) {
            (HEADER, None) => {
                let header = self.message::<BackupHeader>(&body)?;
                self.header = Some(header.clone());
                Ok(BackupBlock::Header(Box::new(header)))
            }
            (DATA, Some(_)) if body.len() < ROWS_BYTES => Err(self.damaged("it is too short")),
            (DATA, Some(_)) => Ok(BackupBlock::Data { rows: body.get_u64_le(), chunk: body }),
            (END, Some(_)) => {
                let end: BackupEnd = self.message(&body)?;
                let sha256 = self.sha256.take().map(sha256_of);
                if end.bytes != self.at || sha256 != Some(end.sha256) {
                    return Err(self.damaged("the checksum of the whole file does not match"));
                }
                self.end = Some(end);
                Ok(BackupBlock::End(end))
            }
            _ => Err(self.damaged("it is not expected here")),
        }
    }

    fn message<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, BackupError> {
        envelope::decode_body(body).map_err(|_| self.damaged("it is malformed"))
    }

    fn damaged(&self, what: &'static str) -> BackupError {
        BackupError::Damaged { at: self.at, block: self.block, what }
    }
}

#[cfg(test)]
mod tests;
