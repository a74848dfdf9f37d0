//! The format of the rows, and how damage is detected.
//!
//! An on-disk format, held by golden bytes. redb does not verify its pages on
//! ordinary reads, so each row carries our own checksums (CRC-32C) over the
//! table, the row's key and its content. A row that was altered, or that appears
//! under another key, is rejected.
//!
//! ```text
//! keys        format 1 | header crc 4 | created 8 | modified 8 | version 8 | value crc 4 | value ...
//! all others  format 1 | crc 4 | payload ...     (of requests: see row/requests.rs)
//! ```
//!
//! Numbers are little endian. The header of a key's row has a checksum of its
//! own, so a write need not read the value that it replaces.

use bytes::Bytes;
use coffee_common::{
    entry::Entry,
    feature_level::FeatureLevel,
    id::Revision,
    key::{Key, Value},
};

use crate::kv::{
    error::KvError,
    table::{ROW_FORMAT as FORMAT, Table},
};

/// Bytes before the payload of a sealed row.
pub(super) const SEAL_BYTES: usize = 5;

/// Bytes before the value in a row of [`Table::Keys`].
pub(in crate::kv) const HEADER_BYTES: usize = 33;

/// The formats of rows that came with a feature level, each with its table. Rows of other tables, and of
/// earlier levels, have the first format. A row keeps the format in which it was last written.
const LATER_FORMATS: &[(Table, FeatureLevel, u8)] = &[
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

/// The revisions and the version of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kv) struct RowHeader {
    pub(in crate::kv) created: Revision,
    pub(in crate::kv) modified: Revision,
    pub(in crate::kv) version: u64,
}

/// Encodes the row of a key into `row`, whose content it replaces.
pub(in crate::kv) fn encode_entry(row: &mut Vec<u8>, key: &Key, header: RowHeader, value: &[u8]) {
    row.clear();
    row.reserve(HEADER_BYTES + value.len());
    row.extend_from_slice(&[FORMAT, 0, 0, 0, 0]);
    for number in [header.created.0, header.modified.0, header.version] {
        row.extend_from_slice(&number.to_le_bytes());
    }
    row.extend_from_slice(&crc32c::crc32c(value).to_le_bytes());
    let crc = checksum(Table::Keys, FORMAT, key.as_str().as_bytes(), &row[SEAL_BYTES..]);
    row[1..SEAL_BYTES].copy_from_slice(&crc.to_le_bytes());
    row.extend_from_slice(value);
}

/// Verifies and decodes the header of a key's row.
pub(in crate::kv) fn decode_header(key: &[u8], row: &[u8]) -> Result<RowHeader, KvError> {
    let Some(header) = row.get(..HEADER_BYTES) else {
        return Err(KvError::damaged(Table::Keys, "it is too short"));
    };
    let mut fields = FieldReader { table: Table::Keys, rest: open(Table::Keys, key, header)? };
    Ok(RowHeader {
        created: Revision(u64::from_le_bytes(fields.take()?)),
        modified: Revision(u64::from_le_bytes(fields.take()?)),
        version: u64::from_le_bytes(fields.take()?),
    })
}

/// Verifies and returns the value in a key's row. Does not verify the header.
pub(in crate::kv) fn decode_value(row: &[u8]) -> Result<&[u8], KvError> {
    let Some((header, value)) = row.split_at_checked(HEADER_BYTES) else {
        return Err(KvError::damaged(Table::Keys, "it is too short"));
    };
    if header[HEADER_BYTES - 4..] == crc32c::crc32c(value).to_le_bytes() {
        Ok(value)
    } else {
        Err(KvError::damaged(Table::Keys, "the checksum of the value does not match"))
    }
}

/// Verifies and decodes a key's row. Skips the value if `keys_only`.
pub(in crate::kv) fn decode_entry(key: &[u8], row: &[u8], keys_only: bool) -> Result<Entry, KvError> {
    let RowHeader { created, modified, version } = decode_header(key, row)?;
    let value = match keys_only {
        true => Value::default(),
        false => Value::new(Bytes::copy_from_slice(decode_value(row)?))
            .map_err(|_| KvError::damaged(Table::Keys, "the value is too long"))?,
    };
    Ok(Entry { value, created, modified, version })
}

/// The checksums that a row carries, as one number: those of header and value
/// of a key's row, the checksum and the length of any other row.
pub(in crate::kv) fn checksums(table: Table, row: &[u8]) -> u64 {
    let word =
        |at: usize| row.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes);
    let second = if table == Table::Keys { word(HEADER_BYTES - 4) } else { row.len() as u32 };
    u64::from(second) << 32 | u64::from(word(1))
}

/// Spreads numbers that differ little over all 64 bits, one to one (the
/// finalizer of splitmix64), so that sums of them hardly ever collide.
pub(in crate::kv) fn scatter(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Decodes the key of a row of [`Table::Keys`].
pub(in crate::kv) fn decode_key(key: &[u8]) -> Result<Key, KvError> {
    let text =
        std::str::from_utf8(key).map_err(|_| KvError::damaged(Table::Keys, "its key is not valid UTF-8"))?;
    Key::new(text).map_err(|_| KvError::damaged(Table::Keys, "its key is not valid"))
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

fn checksum(table: Table, format: u8, key: &[u8], payload: &[u8]) -> u32 {
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
    use proptest::prelude::*;

    use super::*;

    fn entry_row(key: &Key, value: &[u8]) -> Vec<u8> {
        let header = RowHeader { created: Revision(3), modified: Revision(4711), version: 7 };
        let mut row = Vec::new();
        encode_entry(&mut row, key, header, value);
        row
    }

    #[test]
    fn golden_row_of_a_key() {
        let key = Key::new("order/1").expect("legal");
        let row = entry_row(&key, b"latte");
        crate::golden_test::check("state_keys", &row);
        let entry = decode_entry(key.as_str().as_bytes(), &row, false).expect("its own bytes");
        assert_eq!(entry.value.as_bytes().as_ref(), b"latte");
        assert_eq!((entry.created, entry.modified, entry.version), (Revision(3), Revision(4711), 7));
    }

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

    proptest! {
        #[test]
        fn any_single_bit_flip_is_found(
            value in prop::collection::vec(any::<u8>(), 0..64), bit in any::<prop::sample::Index>(),
        ) {
            let key = Key::new("k").expect("legal");
            let mut row = entry_row(&key, &value);
            let bit = bit.index(row.len() * 8);
            row[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode_entry(b"k", &row, false).is_err());
        }
    }
}
