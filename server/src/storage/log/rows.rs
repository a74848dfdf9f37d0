//! How the log lies in its database, and how damage is found.
//!
//! ```text
//! table entries   index -> crc32c 4 | record (see `storage::record`)
//! table meta      name  -> crc32c 4 | record
//! ```
//!
//! redb does not verify its pages on ordinary reads, so each row carries a
//! checksum of our own, over where it belongs and what it holds: a row that
//! was altered, or turns up elsewhere, is refused.

use redb::TableDefinition;
use serde::{Serialize, de::DeserializeOwned};

use super::view;
use crate::{
    storage::record::{self, EntryRecord, RecordError},
    types::LogEntry,
};

/// Log index to sealed [`EntryRecord`].
pub(super) const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");

/// Name to sealed record: the names below.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// The last vote.
pub(super) const VOTE: &str = "vote";
/// The last entry known to be committed.
pub(super) const COMMITTED: &str = "committed";
/// The last entry that was purged.
pub(super) const PURGED: &str = "purged";

const SEAL_BYTES: usize = 4;

/// Room for a sealed record of [`META`].
const META_BYTES: usize = 32;

/// Why a row cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    /// It is not what was written, or not what belongs there.
    #[error("its checksum does not match")]
    Checksum,
    /// It cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// It says that it belongs elsewhere.
    #[error("it is the entry of index {0}")]
    Misplaced(u64),
}

/// Seals an entry for its row.
pub(super) fn seal_entry(entry: &LogEntry) -> Result<Vec<u8>, RecordError> {
    seal(&entry.log_id.index.to_le_bytes(), &EntryRecord::from(entry), view::bytes(entry))
}

/// Opens the row at `index`.
pub(super) fn open_entry(index: u64, row: &[u8]) -> Result<LogEntry, RowError> {
    let record: EntryRecord<'_> = open(&index.to_le_bytes(), row)?;
    match LogEntry::try_from(record)? {
        entry if entry.log_id.index == index => Ok(entry),
        entry => Err(RowError::Misplaced(entry.log_id.index)),
    }
}

/// Seals a record for the row `name` of [`META`].
pub(super) fn seal_meta<T: Serialize>(name: &str, value: &T) -> Result<Vec<u8>, RecordError> {
    seal(name.as_bytes(), value, META_BYTES)
}

/// Opens the row `name` of [`META`].
pub(super) fn open_meta<T: DeserializeOwned>(name: &str, row: &[u8]) -> Result<T, RowError> {
    open(name.as_bytes(), row)
}

/// The record is encoded in its row, with room for `bytes`: it is not copied.
fn seal<T: Serialize>(place: &[u8], value: &T, bytes: usize) -> Result<Vec<u8>, RecordError> {
    let mut row = Vec::with_capacity(SEAL_BYTES + bytes);
    row.extend_from_slice(&[0; SEAL_BYTES]);
    let mut row = record::encode_behind(row, value)?;
    let (seal, record) = row.split_at_mut(SEAL_BYTES);
    seal.copy_from_slice(&checksum(place, record).to_le_bytes());
    Ok(row)
}

fn open<T: DeserializeOwned>(place: &[u8], row: &[u8]) -> Result<T, RowError> {
    match row.split_first_chunk::<SEAL_BYTES>() {
        Some((seal, record)) if *seal == checksum(place, record).to_le_bytes() => Ok(record::decode(record)?),
        _ => Err(RowError::Checksum),
    }
}

fn checksum(place: &[u8], record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(place), record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{storage::record::LogIdRecord, types::Payload};
    use openraft::entry::RaftEntry;

    fn entry(index: u64) -> LogEntry {
        LogEntry::new(LogIdRecord { term: 3, index }.into(), Payload::Blank)
    }

    #[test]
    fn every_flipped_bit_and_every_other_place_is_noticed() {
        let row = seal_entry(&entry(7)).expect("encodes");
        assert_eq!(open_entry(7, &row).expect("whole"), entry(7));
        assert!(open_entry(8, &row).is_err());
        for bit in 0..row.len() * 8 {
            let mut row = row.clone();
            row[bit / 8] ^= 1 << (bit % 8);
            assert!(open_entry(7, &row).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn golden_rows_of_the_log() {
        let mut rows = seal_entry(&entry(7)).expect("encodes");
        let id = LogIdRecord { term: 3, index: 6 };
        rows.extend(seal_meta(PURGED, &id).expect("encodes"));
        crate::golden::check("log_rows", &rows);
    }
}
