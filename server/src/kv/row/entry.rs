//! The rows of keys.
//!
//! An on-disk format, held by golden bytes. The head of a row has a checksum of its own, so a write
//! need not read the value that it replaces.
//!
//! ```text
//! format 1 | head crc 4 | created 8 | modified 8 | version 8 | value crc 4 | value ...
//! format 2 | head crc 4 | value crc 4 | flags 1 | created v | modified v | version v | prev v
//!          | [value bytes v] | value ...
//! ```
//!
//! Numbers of eight and four bytes are little endian, `v` is a varint. Rows are written in format 2 once
//! the cluster keeps a history: `prev` is the revision that modified the key before, 0 if none is known.
//! A value of more than [`INLINE_BYTES_MAX`] bytes is elsewhere, in the table of values; its length is
//! here. A *tombstone* has no value: the key is deleted, and its row stays as long as the change that
//! deleted it.

use bytes::Bytes;
use coffee_common::{
    entry::Entry,
    id::Revision,
    key::{Key, Value},
};

use super::{
    format::{FieldReader, HISTORY_FORMAT, SEAL_BYTES, checksum, open},
    varint::{self, VARINT_BYTES_MAX, VarintReader},
};
use crate::kv::{
    error::KvError,
    table::{ROW_FORMAT, Table},
};

/// A longer value is kept in the table of values.
pub(in crate::kv) const INLINE_BYTES_MAX: usize = 1024;

/// Bytes of the head in format 1.
const OLD_HEAD_BYTES: usize = 33;

/// Bytes before the flags in format 2.
const CHECKSUMS_BYTES: usize = SEAL_BYTES + 4;

/// No head of a row has more bytes.
pub(in crate::kv) const HEAD_BYTES_MAX: usize = CHECKSUMS_BYTES + 1 + 5 * VARINT_BYTES_MAX;

const TOMBSTONE: u8 = 1;
const ELSEWHERE: u8 = 2;

/// Where the value of a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kv) enum ValuePlace {
    /// In the row.
    Inline,
    /// In the table of values, with this many bytes.
    Elsewhere(u64),
    /// Nowhere: the key is deleted.
    Deleted,
}

/// The head of a key's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kv) struct RowHead {
    /// The revision that created the key; 0 if it is deleted.
    pub(in crate::kv) created: Revision,
    /// The revision that last modified or deleted it.
    pub(in crate::kv) modified: Revision,
    /// How often it was set since it was created; 0 if it is deleted.
    pub(in crate::kv) version: u64,
    /// The revision that modified it before `modified`; 0 if none is known.
    pub(in crate::kv) prev: Revision,
    pub(in crate::kv) place: ValuePlace,
}

impl RowHead {
    /// Whether the key is there.
    pub(in crate::kv) fn is_live(&self) -> bool {
        self.place != ValuePlace::Deleted
    }
}

/// Encodes the row of a key in the first format into `row`, whose content it replaces.
pub(in crate::kv) fn encode_old(row: &mut Vec<u8>, key: &[u8], head: &RowHead, value: &[u8]) {
    row.clear();
    row.reserve(OLD_HEAD_BYTES + value.len());
    row.extend_from_slice(&[ROW_FORMAT, 0, 0, 0, 0]);
    for number in [head.created.0, head.modified.0, head.version] {
        row.extend_from_slice(&number.to_le_bytes());
    }
    row.extend_from_slice(&crc32c::crc32c(value).to_le_bytes());
    finish_head(row, key);
    row.extend_from_slice(value);
}

/// Encodes the row of a key into `row`, whose content it replaces. `value` counts even if it is
/// elsewhere: the row has its checksum.
pub(in crate::kv) fn encode(row: &mut Vec<u8>, key: &[u8], head: &RowHead, value: &[u8]) {
    row.clear();
    row.extend_from_slice(&[HISTORY_FORMAT, 0, 0, 0, 0]);
    row.extend_from_slice(&crc32c::crc32c(value).to_le_bytes());
    row.push(match head.place {
        ValuePlace::Inline => 0,
        ValuePlace::Elsewhere(_) => ELSEWHERE,
        ValuePlace::Deleted => TOMBSTONE,
    });
    for number in [head.created.0, head.modified.0, head.version, head.prev.0] {
        varint::push(row, number);
    }
    if let ValuePlace::Elsewhere(bytes) = head.place {
        varint::push(row, bytes);
    }
    finish_head(row, key);
    if head.place == ValuePlace::Inline {
        row.extend_from_slice(value);
    }
}

fn finish_head(row: &mut [u8], key: &[u8]) {
    let crc = checksum(Table::Keys, row[0], key, &row[SEAL_BYTES..]);
    row[1..SEAL_BYTES].copy_from_slice(&crc.to_le_bytes());
}

/// Verifies and decodes the head of a key's row, which may be all that is given. Returns it with its
/// length.
fn split(key: &[u8], row: &[u8]) -> Result<(RowHead, usize), KvError> {
    let damaged = |what| KvError::damaged(Table::Keys, what);
    if row.first() != Some(&HISTORY_FORMAT) {
        let head = row.get(..OLD_HEAD_BYTES).ok_or(damaged("it is too short"))?;
        let mut fields = FieldReader { table: Table::Keys, rest: open(Table::Keys, key, head)? };
        let mut number = || Ok::<_, KvError>(u64::from_le_bytes(fields.take()?));
        let (created, modified, version) = (Revision(number()?), Revision(number()?), number()?);
        let (prev, place) = (Revision(0), ValuePlace::Inline);
        if created > modified {
            return Err(damaged("its revisions are out of order"));
        }
        return Ok((RowHead { created, modified, version, prev, place }, OLD_HEAD_BYTES));
    }
    let rest = row.get(CHECKSUMS_BYTES..).ok_or(damaged("it is too short"))?;
    let mut fields = VarintReader { table: Table::Keys, rest };
    let flags = fields.bytes(1)?;
    let [created, modified, version, prev] =
        [fields.number()?, fields.number()?, fields.number()?, fields.number()?];
    let place = match flags {
        [0] => ValuePlace::Inline,
        [ELSEWHERE] => ValuePlace::Elsewhere(fields.number()?),
        [TOMBSTONE] => ValuePlace::Deleted,
        _ => return Err(damaged("its flags are not known")),
    };
    let length = row.len() - fields.rest.len();
    open(Table::Keys, key, &row[..length])?;
    if created > modified || prev > 0 && prev >= modified {
        return Err(damaged("its revisions are out of order"));
    }
    let [created, modified, prev] = [created, modified, prev].map(Revision);
    Ok((RowHead { created, modified, version, prev, place }, length))
}

/// Verifies and decodes the head of a key's row, which may be all that is given.
pub(in crate::kv) fn decode_head(key: &[u8], row: &[u8]) -> Result<RowHead, KvError> {
    split(key, row).map(|(head, _)| head)
}

/// Verifies a key's row, and returns its head and the value in it: an empty one if it is elsewhere or
/// the key is deleted.
pub(in crate::kv) fn decode<'row>(key: &[u8], row: &'row [u8]) -> Result<(RowHead, &'row [u8]), KvError> {
    let (head, length) = split(key, row)?;
    let value = &row[length..];
    match head.place {
        ValuePlace::Inline if value_checksum(row) != crc32c::crc32c(value) => {
            Err(KvError::damaged(Table::Keys, "the checksum of the value does not match"))
        }
        ValuePlace::Inline => Ok((head, value)),
        _ if !value.is_empty() => Err(KvError::damaged(Table::Keys, "it is too long")),
        _ => Ok((head, value)),
    }
}

/// Verifies the value of a row whose value is elsewhere.
pub(in crate::kv) fn check_value(row: &[u8], value: &[u8]) -> Result<(), KvError> {
    match value_checksum(row) == crc32c::crc32c(value) {
        true => Ok(()),
        false => Err(KvError::damaged(Table::Values, "the checksum in the key's row does not match")),
    }
}

fn value_checksum(row: &[u8]) -> u32 {
    (checksums(row) >> 32) as u32
}

/// The checksums of head and value, as one number. Of a row that has none, any number.
pub(in crate::kv) fn checksums(row: &[u8]) -> u64 {
    let word =
        |at: usize| row.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes);
    let value = match row.first() {
        Some(&HISTORY_FORMAT) => SEAL_BYTES,
        _ => OLD_HEAD_BYTES - 4,
    };
    u64::from(word(value)) << 32 | u64::from(word(1))
}

/// Whether the row is that of a key that is deleted. Does not verify it.
pub(in crate::kv) fn is_tombstone(row: &[u8]) -> bool {
    row.first() == Some(&HISTORY_FORMAT) && row.get(CHECKSUMS_BYTES) == Some(&TOMBSTONE)
}

/// The bytes of data that a row of `row_bytes` bytes stands for, its key not counted; 0 of a key that is
/// deleted. The head suffices. Does not verify it.
pub(in crate::kv) fn data_bytes(key: &[u8], row: &[u8], row_bytes: usize) -> u64 {
    let place = match row.first() {
        Some(&HISTORY_FORMAT) => split(key, row).map_or(ValuePlace::Inline, |(head, _)| head.place),
        _ => ValuePlace::Inline,
    };
    match place {
        ValuePlace::Inline => (key.len() + row_bytes) as u64,
        ValuePlace::Elsewhere(bytes) => ((key.len() + row_bytes) as u64).wrapping_add(bytes),
        ValuePlace::Deleted => 0,
    }
}

/// The entry of a key with this head and value.
pub(in crate::kv) fn entry(table: Table, head: &RowHead, value: Bytes) -> Result<Entry, KvError> {
    let value = Value::new(value).map_err(|_| KvError::damaged(table, "the value is too long"))?;
    Ok(Entry { value, created: head.created, modified: head.modified, version: head.version })
}

/// Decodes the key of a row.
pub(in crate::kv) fn decode_key(table: Table, key: &[u8]) -> Result<Key, KvError> {
    Key::new(key).map_err(|_| KvError::damaged(table, "its key is not valid"))
}

/// Verifies a row that arrived in a snapshot.
pub(super) fn check(key: &[u8], row: &[u8]) -> Result<(), KvError> {
    decode_key(Table::Keys, key)?;
    decode(key, row).map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &[u8] = b"order/1";

    fn head(place: ValuePlace) -> RowHead {
        let (created, modified, prev) = (Revision(3), Revision(4711), Revision(300));
        RowHead { created, modified, version: 7, prev, place }
    }

    fn old_row(value: &[u8]) -> Vec<u8> {
        let mut row = Vec::new();
        encode_old(&mut row, KEY, &head(ValuePlace::Inline), value);
        row
    }

    fn row(place: ValuePlace, value: &[u8]) -> Vec<u8> {
        let mut row = Vec::new();
        encode(&mut row, KEY, &head(place), value);
        row
    }

    #[test]
    fn golden_row_of_a_key() {
        let row = old_row(b"latte");
        crate::golden_test::check("state_keys", &row);
        let (found, value) = decode(KEY, &row).expect("its own bytes");
        assert_eq!(found, RowHead { prev: Revision(0), ..head(ValuePlace::Inline) });
        assert_eq!(value, b"latte");
    }

    #[test]
    fn golden_rows_of_a_key_with_a_history() {
        for (name, place, value) in [
            ("state_keys_history", ValuePlace::Inline, &b"latte"[..]),
            ("state_keys_elsewhere", ValuePlace::Elsewhere(2000), &[7; 2000]),
            ("state_keys_deleted", ValuePlace::Deleted, b""),
        ] {
            let row = row(place, value);
            crate::golden_test::check(name, &row);
            let inline: &[u8] = if place == ValuePlace::Inline { value } else { b"" };
            assert_eq!(decode(KEY, &row).expect("its own bytes"), (head(place), inline), "{name}");
            assert!(check_value(&row, value).is_ok(), "{name}");
            assert!(check_value(&row, b"mocha").is_err(), "{name}");
            assert_eq!(is_tombstone(&row), place == ValuePlace::Deleted, "{name}");
        }
    }

    #[test]
    fn a_head_is_as_short_as_its_numbers() {
        let row = row(ValuePlace::Inline, b"latte");
        assert_eq!(row.len() - 5, CHECKSUMS_BYTES + 1 + 1 + 2 + 1 + 2);
        let most = Revision(u64::MAX);
        let longest = RowHead {
            created: most,
            modified: most,
            version: u64::MAX,
            prev: Revision(u64::MAX - 1),
            place: ValuePlace::Elsewhere(u64::MAX),
        };
        let mut row = Vec::new();
        encode(&mut row, KEY, &longest, b"");
        assert_eq!(row.len(), HEAD_BYTES_MAX);
        assert_eq!(decode_head(KEY, &row).expect("its own bytes"), longest);
    }

    #[test]
    fn a_deleted_key_counts_as_no_bytes() {
        let bytes = |row: &[u8]| data_bytes(KEY, row, row.len());
        let inline = row(ValuePlace::Inline, b"latte");
        assert_eq!(bytes(&inline), 7 + inline.len() as u64);
        let elsewhere = row(ValuePlace::Elsewhere(2000), &[7; 2000]);
        assert_eq!(bytes(&elsewhere), 7 + elsewhere.len() as u64 + 2000);
        assert_eq!(bytes(&row(ValuePlace::Deleted, b"")), 0);
        let old = old_row(b"latte");
        assert_eq!(bytes(&old), 7 + old.len() as u64);
    }

    proptest! {
        #[test]
        fn any_single_bit_flip_is_found(
            value in prop::collection::vec(any::<u8>(), 0..64),
            is_old in any::<bool>(),
            bit in any::<prop::sample::Index>(),
        ) {
            let mut row = if is_old { old_row(&value) } else { row(ValuePlace::Inline, &value) };
            let bit = bit.index(row.len() * 8);
            row[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode(KEY, &row).is_err());
        }
    }
}
