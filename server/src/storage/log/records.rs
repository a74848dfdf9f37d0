//! The records of the log, and how damage of a record is detected.
//!
//! ```text
//! record   length 4 | crc32c 4 | kind 1 | body (see `storage::record`)
//! ```
//!
//! All numbers are little-endian. The length is that of kind and body, which the
//! checksum covers. The log is the result of its records in their order.

use serde::{Deserialize, Serialize};

use crate::{
    raft_types::LogEntry,
    storage::record::{self, EntryRecord, LogIdRecord, RecordError, VoteRecord},
};

/// Bytes of length and checksum.
pub(super) const HEADER_BYTES: usize = 8;

const BEGIN: u8 = 1;
const ENTRY: u8 = 2;
const VOTE: u8 = 3;
const TRUNCATE: u8 = 4;
const PURGE: u8 = 5;
const COMMITTED: u8 = 6;
const CLOSED: u8 = 7;
const CONTINUED: u8 = 8;
const FIRST_PART: u8 = 9;
const SECOND_PART: u8 = 10;

/// The bytes that the two records of a divided entry take more than its own, at
/// most: less than the smallest part.
const DIVIDED_BYTES_MAX: usize = 2 * (HEADER_BYTES + 1) + 36;

/// An entry is divided only if this many bytes are left for its first part, so
/// that the second one is shorter than the whole.
pub(super) const FIRST_PART_BYTES_MIN: usize = DIVIDED_BYTES_MAX + HEADER_BYTES + 2;

/// The state of the log except its entries. Each chunk of the file begins with
/// one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogSummary {
    /// The last vote.
    pub(super) vote: Option<VoteRecord>,
    /// The last entry known to be committed.
    pub(super) committed: Option<LogIdRecord>,
    /// The last entry that was purged.
    pub(super) purged: Option<LogIdRecord>,
    /// The last entry, purged ones included.
    pub(super) last: Option<LogIdRecord>,
    /// The first index from which entries were truncated since the last chunk
    /// began: earlier chunks hold entries that this one has replaced.
    pub(super) truncated_from: Option<u64>,
}

/// A record of the log.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LogRecord {
    /// The first record of each chunk: the result of all records before it.
    Begin(LogSummary),
    /// The next entry.
    Entry(LogEntry),
    /// A new vote.
    Vote(VoteRecord),
    /// Truncates the log after this entry, or completely.
    Truncate(Option<LogIdRecord>),
    /// Purges the log up to this entry.
    Purge(LogIdRecord),
    /// The last entry known to be committed.
    Committed(LogIdRecord),
    /// The log was closed cleanly.
    Closed,
    /// The last record of a chunk: the log continues in another one.
    Continued,
}

/// The place of the first part of an entry that two chunks hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FirstPart {
    /// The offset of its record in the file.
    pub(super) offset: u64,
    /// The bytes of its record.
    pub(super) bytes: u32,
}

/// A record as far as replaying needs it: an entry is decoded when it is read.
#[derive(Debug, PartialEq)]
pub(super) enum RecordHead {
    /// The id of an entry.
    Entry(LogIdRecord),
    /// The first part of an entry. It counts for nothing without the second one,
    /// which a power cut may have prevented.
    FirstPart,
    /// The second part of an entry, which completes it.
    SecondPart(LogIdRecord, FirstPart),
    /// Any other record.
    Other(LogRecord),
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordFault {
    /// It is shorter than its length says.
    #[error("it is cut short")]
    Short,
    /// It does not hold what was written.
    #[error("its checksum does not match")]
    Checksum,
    /// A build that knows more kinds has written it.
    #[error("a record of kind {0}, which this build does not know")]
    Kind(u8),
    /// Its body cannot be decoded.
    #[error(transparent)]
    LogRecord(#[from] RecordError),
}

impl RecordFault {
    /// Whether a newer version of coffeed wrote the record, whose checksum matches.
    pub(super) fn is_newer(&self) -> bool {
        match self {
            Self::Kind(kind) => *kind > SECOND_PART,
            Self::LogRecord(error) => error.is_newer(),
            Self::Short | Self::Checksum => false,
        }
    }
}

/// Appends the record of an entry to `bytes`; returns the length of the record.
pub(super) fn add_entry(bytes: &mut Vec<u8>, entry: &LogEntry) -> Result<usize, RecordError> {
    let start = bytes.len();
    seal(bytes, ENTRY, |bytes| record::encode_to(bytes, &EntryRecord::from(entry)))?;
    Ok(bytes.len() - start)
}

/// Divides the record of an entry in two, of which the first takes `space` bytes.
/// The second one says where the first one is: at `offset`.
pub(super) fn divide(
    id: LogIdRecord,
    record: &[u8],
    space: usize,
    offset: u64,
) -> Result<(Vec<u8>, Vec<u8>), RecordError> {
    let (first, second) = record.split_at(space - HEADER_BYTES - 1);
    let (mut begin, mut end) = (Vec::with_capacity(space), Vec::with_capacity(second.len() + 64));
    let append = |mut bytes: Vec<u8>, part: &[u8]| {
        bytes.extend_from_slice(part);
        bytes
    };
    seal(&mut begin, FIRST_PART, |bytes| Ok(append(bytes, first)))?;
    let place = FirstPart { offset, bytes: begin.len() as u32 };
    seal(&mut end, SECOND_PART, |bytes| Ok(append(record::encode_to(bytes, &(id, place))?, second)))?;
    Ok((begin, end))
}

/// Where the first part of an entry is, whose second one is `bytes`.
pub(super) fn first_part(bytes: &[u8]) -> Result<FirstPart, RecordFault> {
    match open_head(bytes)?.0 {
        RecordHead::SecondPart(_, place) => Ok(place),
        _ => Err(RecordFault::Kind(ENTRY)),
    }
}

/// Joins the two records of a divided entry.
pub(super) fn join(first: &[u8], second: &[u8]) -> Result<Vec<u8>, RecordFault> {
    match (verified(first)?, verified(second)?) {
        ((FIRST_PART, first, _), (SECOND_PART, body, _)) => {
            let (_, second) = record::decode_first::<(LogIdRecord, FirstPart)>(body)?;
            Ok([first, second].concat())
        }
        ((kind, _, _), _) => Err(RecordFault::Kind(kind)),
    }
}

/// Encodes a record.
pub(super) fn sealed(record: &LogRecord) -> Result<Vec<u8>, RecordError> {
    fn of<T: Serialize>(kind: u8, value: &T) -> Result<Vec<u8>, RecordError> {
        let mut bytes = Vec::new();
        seal(&mut bytes, kind, |bytes| record::encode_to(bytes, value))?;
        Ok(bytes)
    }
    match record {
        LogRecord::Begin(head) => of(BEGIN, head),
        LogRecord::Entry(entry) => of(ENTRY, &EntryRecord::from(entry)),
        LogRecord::Vote(vote) => of(VOTE, vote),
        LogRecord::Truncate(keep) => of(TRUNCATE, keep),
        LogRecord::Purge(upto) => of(PURGE, upto),
        LogRecord::Committed(committed) => of(COMMITTED, committed),
        LogRecord::Closed => of(CLOSED, &()),
        LogRecord::Continued => of(CONTINUED, &()),
    }
}

/// Appends a record of a kind, with its checksum.
pub(super) fn seal(
    bytes: &mut Vec<u8>,
    kind: u8,
    body: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, RecordError>,
) -> Result<(), RecordError> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; HEADER_BYTES]);
    bytes.push(kind);
    *bytes = body(std::mem::take(bytes))?;
    let (head, content) = bytes[start..].split_at_mut(HEADER_BYTES);
    head[..4].copy_from_slice(&(content.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&crc32c::crc32c(content).to_le_bytes());
    Ok(())
}

/// Decodes the first record of `bytes`; returns its length, too.
pub(super) fn open(bytes: &[u8]) -> Result<(LogRecord, usize), RecordFault> {
    let (kind, body, end) = verified(bytes)?;
    Ok((decode(kind, body)?, end))
}

/// As [`open`], but decodes only the id of an entry.
pub(super) fn open_head(bytes: &[u8]) -> Result<(RecordHead, usize), RecordFault> {
    let (kind, body, end) = verified(bytes)?;
    let head = match kind {
        ENTRY => RecordHead::Entry(record::decode_first(body)?.0),
        FIRST_PART => RecordHead::FirstPart,
        SECOND_PART => {
            let (id, place) = record::decode_first(body)?.0;
            RecordHead::SecondPart(id, place)
        }
        kind => RecordHead::Other(decode(kind, body)?),
    };
    Ok((head, end))
}

/// Returns kind, body and length of the first record of `bytes`, whose checksum
/// matches.
fn verified(bytes: &[u8]) -> Result<(u8, &[u8], usize), RecordFault> {
    let word =
        |at: usize| bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes);
    let (length, checksum) = word(0).zip(word(4)).ok_or(RecordFault::Short)?;
    let end = HEADER_BYTES + length as usize;
    let content = bytes.get(HEADER_BYTES..end).ok_or(RecordFault::Short)?;
    if crc32c::crc32c(content) != checksum && !planted!("torn-tail-accepted") {
        return Err(RecordFault::Checksum);
    }
    let (kind, body) = content.split_first().ok_or(RecordFault::Short)?;
    Ok((*kind, body, end))
}

fn decode(kind: u8, body: &[u8]) -> Result<LogRecord, RecordFault> {
    Ok(match kind {
        BEGIN => LogRecord::Begin(record::decode(body)?),
        ENTRY => LogRecord::Entry(record::decode::<EntryRecord<'_>>(body)?.try_into()?),
        VOTE => LogRecord::Vote(record::decode(body)?),
        TRUNCATE => LogRecord::Truncate(record::decode(body)?),
        PURGE => LogRecord::Purge(record::decode(body)?),
        COMMITTED => LogRecord::Committed(record::decode(body)?),
        CLOSED => nothing(body, LogRecord::Closed)?,
        CONTINUED => nothing(body, LogRecord::Continued)?,
        kind => return Err(RecordFault::Kind(kind)),
    })
}

fn nothing(body: &[u8], record: LogRecord) -> Result<LogRecord, RecordFault> {
    record::decode::<()>(body)?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use openraft::entry::RaftEntry;

    use super::*;
    use crate::raft_types::Payload;

    fn all() -> Vec<LogRecord> {
        let id = LogIdRecord { term: 3, index: 7 };
        let vote = VoteRecord {
            leader: record::LeaderRecord { term: 3, node: coffee_common::id::NodeId(1) },
            committed: true,
        };
        vec![
            LogRecord::Begin(LogSummary {
                vote: Some(vote),
                last: Some(id),
                truncated_from: Some(5),
                ..LogSummary::default()
            }),
            LogRecord::Entry(LogEntry::new(id.into(), Payload::Blank)),
            LogRecord::Vote(vote),
            LogRecord::Truncate(None),
            LogRecord::Purge(id),
            LogRecord::Committed(id),
            LogRecord::Closed,
            LogRecord::Continued,
        ]
    }

    #[test]
    fn records_come_back_and_every_flipped_bit_is_noticed() {
        for record in all() {
            let bytes = sealed(&record).expect("encodes");
            let head = match &record {
                LogRecord::Entry(entry) => RecordHead::Entry(LogIdRecord::from(&entry.log_id)),
                other => RecordHead::Other(other.clone()),
            };
            assert_eq!(open_head(&bytes).expect("whole"), (head, bytes.len()));
            assert_eq!(open(&bytes).expect("whole"), (record, bytes.len()));
            for bit in 0..bytes.len() * 8 {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(open(&bytes).is_err(), "bit {bit}");
            }
            for len in 0..bytes.len() {
                assert!(open(&bytes[..len]).is_err(), "{len} bytes");
            }
        }
    }

    #[test]
    fn a_divided_entry_comes_back_and_every_flipped_bit_is_noticed() {
        let id = LogIdRecord { term: 3, index: 7 };
        let entry = LogEntry::new(id.into(), Payload::Blank);
        let mut record = Vec::new();
        add_entry(&mut record, &entry).expect("encodes");
        for space in HEADER_BYTES + 1..HEADER_BYTES + 1 + record.len() {
            let (first, second) = divide(id, &record, space, 4096).expect("encodes");
            assert_eq!(first.len(), space);
            assert!(first.len() + second.len() <= record.len() + DIVIDED_BYTES_MAX);
            assert_eq!(open_head(&first).expect("whole"), (RecordHead::FirstPart, first.len()));
            assert!(first_part(&record).is_err() && first_part(&first).is_err());
            let place = first_part(&second).expect("whole");
            assert_eq!(open_head(&second).expect("whole"), (RecordHead::SecondPart(id, place), second.len()));
            assert_eq!((place.offset, place.bytes as usize), (4096, first.len()));
            assert_eq!(join(&first, &second).expect("whole"), record);
            for bit in 0..first.len() * 8 {
                let mut first = first.clone();
                first[bit / 8] ^= 1 << (bit % 8);
                assert!(join(&first, &second).is_err(), "bit {bit}");
            }
            assert!(join(&second, &first).is_err() && join(&first, &first).is_err());
        }
    }

    #[test]
    fn golden_records_of_the_log() {
        let mut records: Vec<u8> = all().iter().flat_map(|record| sealed(record).expect("encodes")).collect();
        let (first, second) = divide(LogIdRecord { term: 3, index: 7 }, &[7; 9], 13, 4096).expect("encodes");
        records.extend(first.into_iter().chain(second));
        crate::golden_test::check("log_records", &records);
    }
}
