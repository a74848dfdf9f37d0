//! The format of the rows, and how damage is detected.
//!
//! An on-disk format, held by golden bytes. redb does not verify its pages on
//! ordinary reads, so each row carries our own checksums (CRC-32C) over the
//! table, the row's key and its content. A row that was altered, or that appears
//! under another key, is rejected.
//!
//! ```text
//! format 1 | crc 4 | payload ...     (of keys: see row/entry.rs)
//! ```
//!
//! Numbers are little endian.

use coffee_common::feature_level::{FeatureLevel, HISTORY};

use crate::kv::{
    error::KvError,
    table::{ROW_FORMAT as FORMAT, Table},
};

/// Bytes before the payload of a sealed row.
pub(in crate::kv) const SEAL_BYTES: usize = 5;

/// The format of keys' rows with a history.
pub(in crate::kv) const HISTORY_FORMAT: u8 = 2;

/// The formats of rows that came with a feature level, each with its table. Rows of other tables, and of
/// earlier levels, have the first format. A row keeps the format in which it was last written.
const LATER_FORMATS: &[(Table, FeatureLevel, u8)] = &[
    (Table::Keys, HISTORY, HISTORY_FORMAT),
    #[cfg(coffee_future)]
    (Table::Nodes, coffee_common::feature_level::FUTURE.level, 2),
];

/// The format in which a row is written at this level, by every build.
pub(in crate::kv) fn format_at(table: Table, level: FeatureLevel) -> u8 {
    let later = LATER_FORMATS.iter().rev().find(|(of, since, _)| *of == table && *since <= level);
    later.map_or(FORMAT, |(.., format)| *format)
}

/// Whether this build reads rows of this format.
fn is_known(table: Table, format: u8) -> bool {
    format == FORMAT || LATER_FORMATS.iter().any(|(of, _, later)| (*of, *later) == (table, format))
}

/// The checksum and the length of a sealed row, as one number.
pub(in crate::kv) fn checksums(row: &[u8]) -> u64 {
    let crc = row.get(1..SEAL_BYTES).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes);
    u64::from(row.len() as u32) << 32 | u64::from(crc)
}

/// Spreads numbers that differ little over all 64 bits, one to one (the
/// finalizer of splitmix64), so that sums of them hardly ever collide.
pub(in crate::kv) fn scatter(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Encodes a row: format and checksum before the payload.
pub(in crate::kv) fn seal(table: Table, key: &[u8], payload: &[u8]) -> Vec<u8> {
    seal_as(FORMAT, table, key, payload)
}

/// As [`seal`], in this format.
pub(in crate::kv) fn seal_as(format: u8, table: Table, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(SEAL_BYTES + payload.len());
    row.push(format);
    row.extend_from_slice(&checksum(table, format, key, payload).to_le_bytes());
    row.extend_from_slice(payload);
    row
}

/// Appends to the payload of a sealed row without reading it. Begins an empty row.
pub(in crate::kv) fn seal_more(table: Table, key: &[u8], row: &mut Vec<u8>, more: &[u8]) {
    let crc = match row.first_chunk::<SEAL_BYTES>() {
        Some([_, a, b, c, d]) => u32::from_le_bytes([*a, *b, *c, *d]),
        None => {
            *row = vec![FORMAT; SEAL_BYTES];
            checksum(table, FORMAT, key, &[])
        }
    };
    row.extend_from_slice(more);
    row[1..SEAL_BYTES].copy_from_slice(&crc32c::crc32c_append(crc, more).to_le_bytes());
}

/// Verifies a sealed row and returns its payload.
pub(in crate::kv) fn open<'row>(table: Table, key: &[u8], row: &'row [u8]) -> Result<&'row [u8], KvError> {
    let [format, a, b, c, d, payload @ ..] = row else {
        return Err(KvError::damaged(table, "it is too short"));
    };
    match u32::from_le_bytes([*a, *b, *c, *d]) == checksum(table, *format, key, payload) {
        false => Err(KvError::damaged(table, "the checksum does not match")),
        true if !is_known(table, *format) => Err(KvError::Format { table, format: *format }),
        true => Ok(payload),
    }
}

pub(super) fn checksum(table: Table, format: u8, key: &[u8], payload: &[u8]) -> u32 {
    let [a, b, ..] = key.len().to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&[table as u8, format, a, b]), key);
    crc32c::crc32c_append(crc, payload)
}

/// Reads fixed-size fields from the front of a payload.
pub(in crate::kv) struct FieldReader<'row> {
    pub(in crate::kv) table: Table,
    pub(in crate::kv) rest: &'row [u8],
}

impl FieldReader<'_> {
    pub(in crate::kv) fn take<const N: usize>(&mut self) -> Result<[u8; N], KvError> {
        let (field, rest) =
            self.rest.split_first_chunk().ok_or(KvError::damaged(self.table, "it is too short"))?;
        self.rest = rest;
        Ok(*field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_row_of_meta() {
        let row = seal(Table::Meta, b"forgotten", &4711u64.to_le_bytes());
        crate::golden_test::check("state_meta", &row);
    }

    #[test]
    fn a_newer_format_is_named() {
        let mut row = seal(Table::Meta, b"applied", b"payload");
        row[0] = FORMAT + 1;
        let crc = checksum(Table::Meta, FORMAT + 1, b"applied", b"payload");
        row[1..SEAL_BYTES].copy_from_slice(&crc.to_le_bytes());
        let error = open(Table::Meta, b"applied", &row).expect_err("a format that is not known");
        assert!(matches!(error, KvError::Format { table: Table::Meta, format: 2 }), "{error}");
    }

    #[test]
    fn a_row_belongs_to_its_key_and_table() {
        let row = seal(Table::Meta, b"applied", b"payload");
        assert!(open(Table::Meta, b"applied", &row).is_ok());
        assert!(open(Table::Meta, b"applier", &row).is_err());
        assert!(open(Table::Nodes, b"applied", &row).is_err());
    }
}
