//! The file of a backup: pure encoding and decoding.
//!
//! A format on disk and on the wire, held by golden bytes:
//!
//! ```text
//! file     magic 14 | format 1 | block ...          the last block is the end
//! block    length 4 | kind 1 | body ... | crc 4     length: of the body alone
//! header   a message (postcard): [`BackupHeader`]         the first block
//! data     rows 8 | a chunk of a snapshot, as nodes send it to each other
//! end      a message (postcard): [`BackupEnd`]
//! ```
//!
//! Numbers are little endian. `crc` is CRC-32C of the block's number (8) and of
//! all that stands before it in the block. `rows` counts the rows up to the end
//! of this block. The end has a SHA-256 of all bytes before it, and so says that
//! nothing is missing: a file without it is none.
//!
//! Guards that nothing is taken for a backup in which a bit has changed, or
//! which was cut short. Holds one block at a time. Knows nothing of what a
//! snapshot is made of.

use bytes::{Buf, Bytes, BytesMut};
use ring::digest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    id::{Address, ClusterId, NodeId, NodeName, Revision},
    limits::BACKUP_BLOCK_BYTES_MAX,
};

const MAGIC: [u8; 14] = *b"coffee backup\n";

/// The version that this build writes and reads.
pub const FORMAT: u8 = 1;

const PREAMBLE_BYTES: usize = MAGIC.len() + 1;
const HEAD_BYTES: usize = 5;
const CRC_BYTES: usize = 4;
const ROWS_BYTES: usize = 8;

const HEADER: u8 = 1;
const DATA: u8 = 2;
const END: u8 = 3;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHeader {
    /// The cluster whose state it is.
    pub cluster: ClusterId,
    /// The node that gave it.
    pub node: NodeName,
    /// What Raft knew that node by.
    pub node_id: NodeId,
    /// The last entry that it contains.
    pub revision: Revision,
    /// The term of the leader that proposed that entry.
    pub term: u64,
    /// Who belonged to the cluster then.
    pub members: Vec<BackupMember>,
    /// By the node's clock, in milliseconds since 1970.
    pub taken_at_ms: u64,
    /// The node's version of coffeed.
    pub version: String,
    /// How many rows follow: the measure of progress.
    pub rows: u64,
}

/// A member of the cluster, as a backup has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupMember {
    /// What Raft knew it by.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// Where it was reached.
    pub address: Address,
    /// Whether it had a vote.
    pub votes: bool,
}

/// What a backup ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupEnd {
    /// How many keys it holds.
    pub keys: u64,
    /// How many bytes come before the end.
    pub bytes: u64,
    /// SHA-256 of these bytes.
    pub sha256: [u8; 32],
}

/// What is known of a backup that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What it says of itself.
    pub header: BackupHeader,
    /// What it ends with.
    pub end: BackupEnd,
    /// How long the file is, in bytes.
    pub bytes: u64,
}

/// Why bytes are no backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// They do not even begin as one.
    #[error("it is no backup of coffeed")]
    NotABackup,
    /// Another version of coffeed wrote it.
    #[error("it has format {0}; this build knows format {FORMAT}")]
    Format(u8),
    /// It is not what was written.
    #[error("it is damaged at byte {at}, in block {block}: {what}")]
    Damaged {
        /// Where the block begins, in bytes from the file's beginning.
        at: u64,
        /// Which block, counted from 0.
        block: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// It ends before its end.
    #[error("it is cut short: it ends at byte {at}, in block {block}, without an end mark")]
    Truncated {
        /// How many bytes there are.
        at: u64,
        /// Which block is missing, counted from 0.
        block: u64,
    },
    /// A part of it cannot be put into bytes.
    #[error("it cannot be encoded: {0}")]
    Encode(#[from] postcard::Error),
}

/// Makes the bytes of a backup, piece by piece.
pub struct Packer {
    next: u64,
    bytes: u64,
    sha256: digest::Context,
}

impl Packer {
    /// Begins a backup; gives its first piece, too.
    ///
    /// # Errors
    /// The header cannot be put into bytes.
    pub fn begin(header: &BackupHeader) -> Result<(Self, Bytes), BackupError> {
        let mut packer = Self { next: 0, bytes: 0, sha256: digest::Context::new(&digest::SHA256) };
        let mut piece = MAGIC.to_vec();
        piece.push(FORMAT);
        add_block(&mut piece, packer.next, HEADER, &[&postcard::to_stdvec(header)?]);
        let piece = packer.pass(piece);
        Ok((packer, piece))
    }

    /// The next piece: a chunk of a snapshot, up to whose end there are so many rows.
    pub fn data(&mut self, rows: u64, chunk: &[u8]) -> Bytes {
        let mut piece = Vec::with_capacity(HEAD_BYTES + ROWS_BYTES + chunk.len() + CRC_BYTES);
        add_block(&mut piece, self.next, DATA, &[&rows.to_le_bytes(), chunk]);
        self.pass(piece)
    }

    /// The last piece of a backup that holds so many keys.
    ///
    /// # Errors
    /// The end cannot be put into bytes.
    pub fn end(self, keys: u64) -> Result<Bytes, BackupError> {
        let end = BackupEnd { keys, bytes: self.bytes, sha256: sha256_of(self.sha256) };
        let mut piece = Vec::new();
        add_block(&mut piece, self.next, END, &[&postcard::to_stdvec(&end)?]);
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

fn checksum(number: u64, block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), block)
}

fn sha256_of(context: digest::Context) -> [u8; 32] {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(context.finish().as_ref());
    sha256
}

/// A verified part of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupBlock {
    /// Comes first.
    Header(Box<BackupHeader>),
    /// Any number of these.
    Data {
        /// How many rows there are up to its end.
        rows: u64,
        /// A chunk of a snapshot.
        chunk: Bytes,
    },
    /// Comes last.
    End(BackupEnd),
}

/// Verifies the bytes of a backup and takes them apart, in pieces of any size.
///
/// Holds what was pushed last and one unfinished block, whose length is judged
/// before the rest of it is waited for.
pub struct Unpacker {
    buffer: BytesMut,
    /// Where the buffer begins in the file.
    at: u64,
    /// How many blocks came before. The preamble belongs to the first.
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
    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next block, if all of it is there. After an error there are no more.
    ///
    /// # Errors
    /// The bytes are no backup.
    pub fn next_block(&mut self) -> Result<Option<BackupBlock>, BackupError> {
        if !self.begun && !self.begin()? {
            return Ok(None);
        }
        if self.end.is_some() {
            let more = !self.buffer.is_empty();
            return if more { Err(self.damaged("something stands behind its end")) } else { Ok(None) };
        }
        let Some([a, b, c, d, kind]) = self.buffer.first_chunk::<HEAD_BYTES>().copied() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > BACKUP_BLOCK_BYTES_MAX {
            return Err(self.damaged("its length cannot be"));
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

    /// Whether the bytes so far are a whole backup, and what is known of it.
    ///
    /// # Errors
    /// They are none, or not all of one.
    pub fn finish(mut self) -> Result<Summary, BackupError> {
        while self.next_block()?.is_some() {}
        match (self.header, self.end) {
            (Some(header), Some(end)) => Ok(Summary { header, end, bytes: self.at }),
            _ => Err(BackupError::Truncated { at: self.at + self.buffer.len() as u64, block: self.block }),
        }
    }

    /// Takes the preamble off, as soon as it is there.
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

    /// What a block of this kind says.
    fn open(&mut self, kind: u8, mut body: Bytes) -> Result<BackupBlock, BackupError> {
        match (kind, &self.header) {
            (HEADER, None) => {
                let header: BackupHeader = self.message(&body)?;
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
        match postcard::take_from_bytes(body) {
            Ok((message, [])) => Ok(message),
            _ => Err(self.damaged("it is malformed")),
        }
    }

    fn damaged(&self, what: &'static str) -> BackupError {
        BackupError::Damaged { at: self.at, block: self.block, what }
    }
}

#[cfg(test)]
mod tests;
