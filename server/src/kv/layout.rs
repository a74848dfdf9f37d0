//! How the rows of the tables are laid out in bytes, and how damage is found.
//!
//! An on-disk format, held by golden bytes. redb does not verify its pages on
//! ordinary reads, so each row carries checksums (CRC-32C) of our own, over
//! the table, the row's key and its content: a row that was altered, or that
//! turns up under another key, is refused.
//!
//! ```text
//! keys        format 1 | head crc 4 | created 8 | modified 8 | version 8 | value crc 4 | value ...
//! all others  format 1 | crc 4 | payload ...     (of requests: see requests/chunk.rs)
//! ```
//!
//! Numbers are little endian. A key's head has a checksum apart from its
//! value's, so that a write need not read through the value that it replaces.

use bytes::Bytes;
use coffee_common::{
    command::Entry,
    id::Revision,
    key::{Key, Value},
};

use super::tables::Table;

/// The version of the layout that this build writes and reads.
const FORMAT: u8 = 1;

/// Bytes before the payload of a sealed row.
const SEAL_BYTES: usize = 5;

/// Bytes before the value in a row of [`Table::Keys`].
pub(super) const HEAD_BYTES: usize = 33;

/// Why tables cannot be used any further.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Box<redb::Error>),
    /// A row is not what was written.
    #[error("a row of the table {table:?} is damaged: {what}")]
    Damaged {
        /// In which table.
        table: Table,
        /// What does not fit.
        what: &'static str,
    },
    /// A row has a layout that this build does not know.
    #[error("a row of the table {table:?} has format {format}; this build knows format {FORMAT}")]
    Format {
        /// In which table.
        table: Table,
        /// The format that was found.
        format: u8,
    },
    /// Another version of coffeed wrote the tables.
    #[error("its tables have format {0}; this build knows format {known}", known = super::tables::FORMAT)]
    Version(u32),
    /// A value cannot be put into bytes.
    #[error("a row cannot be encoded: {0}")]
    Encode(#[source] postcard::Error),
}

/// Every error of the database that a transaction can meet.
macro_rules! database_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for KvError {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        })*
    };
}
database_errors!(
    redb::DatabaseError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::SetDurabilityError,
    redb::CommitError
);

impl KvError {
    pub(super) fn damaged(table: Table, what: &'static str) -> Self {
        Self::Damaged { table, what }
    }
}

/// What is known of a key besides its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) created: Revision,
    pub(super) modified: Revision,
    pub(super) version: u64,
}

/// Writes the row of a key into `row`, in place of what it held.
pub(super) fn encode_entry(row: &mut Vec<u8>, key: &Key, head: Head, value: &[u8]) {
    row.clear();
    row.reserve(HEAD_BYTES + value.len());
    row.extend_from_slice(&[FORMAT, 0, 0, 0, 0]);
    for number in [head.created.0, head.modified.0, head.version] {
        row.extend_from_slice(&number.to_le_bytes());
    }
    row.extend_from_slice(&crc32c::crc32c(value).to_le_bytes());
    let crc = checksum(Table::Keys, FORMAT, key.as_str().as_bytes(), &row[SEAL_BYTES..]);
    row[1..SEAL_BYTES].copy_from_slice(&crc.to_le_bytes());
    row.extend_from_slice(value);
}

/// Reads and verifies the head of a key's row.
pub(super) fn decode_head(key: &[u8], row: &[u8]) -> Result<Head, KvError> {
    let Some(head) = row.get(..HEAD_BYTES) else {
        return Err(KvError::damaged(Table::Keys, "it is too short"));
    };
    let mut fields = Fields { table: Table::Keys, rest: open(Table::Keys, key, head)? };
    Ok(Head {
        created: Revision(u64::from_le_bytes(fields.take()?)),
        modified: Revision(u64::from_le_bytes(fields.take()?)),
        version: u64::from_le_bytes(fields.take()?),
    })
}

/// Reads and verifies the value in a key's row, whose head was verified.
pub(super) fn decode_value(row: &[u8]) -> Result<&[u8], KvError> {
    let Some((head, value)) = row.split_at_checked(HEAD_BYTES) else {
        return Err(KvError::damaged(Table::Keys, "it is too short"));
    };
    if head[HEAD_BYTES - 4..] == crc32c::crc32c(value).to_le_bytes() {
        Ok(value)
    } else {
        Err(KvError::damaged(Table::Keys, "the checksum of the value does not match"))
    }
}

/// Reads and verifies a key's row; without its value if `keys_only`.
pub(super) fn decode_entry(key: &[u8], row: &[u8], keys_only: bool) -> Result<Entry, KvError> {
    let Head { created, modified, version } = decode_head(key, row)?;
    let value = match keys_only {
        true => Value::default(),
        false => Value::new(Bytes::copy_from_slice(decode_value(row)?))
            .map_err(|_| KvError::damaged(Table::Keys, "the value is too long"))?,
    };
    Ok(Entry { value, created, modified, version })
}

/// The checksums of a row, which tell it from any other: of the head and the
/// value of a key; of another row, with its length.
pub(super) fn checksums(table: Table, row: &[u8]) -> u64 {
    let word =
        |at: usize| row.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes);
    let second = if table == Table::Keys { word(HEAD_BYTES - 4) } else { row.len() as u32 };
    u64::from(second) << 32 | u64::from(word(1))
}

/// Reads the key of a row of [`Table::Keys`].
pub(super) fn decode_key(key: &[u8]) -> Result<Key, KvError> {
    let text = std::str::from_utf8(key).map_err(|_| KvError::damaged(Table::Keys, "its key is no text"))?;
    Key::new(text).map_err(|_| KvError::damaged(Table::Keys, "its key is not legal"))
}

/// Puts format and checksum before a payload.
pub(super) fn seal(table: Table, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(SEAL_BYTES + payload.len());
    row.push(FORMAT);
    row.extend_from_slice(&checksum(table, FORMAT, key, payload).to_le_bytes());
    row.extend_from_slice(payload);
    row
}

/// Adds to the payload of a sealed row, without a look at what it has; an empty
/// one is begun.
pub(super) fn seal_more(table: Table, key: &[u8], row: &mut Vec<u8>, more: &[u8]) {
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

/// Verifies a sealed row, and gives its payload.
pub(super) fn open<'row>(table: Table, key: &[u8], row: &'row [u8]) -> Result<&'row [u8], KvError> {
    let [format, a, b, c, d, payload @ ..] = row else {
        return Err(KvError::damaged(table, "it is too short"));
    };
    match u32::from_le_bytes([*a, *b, *c, *d]) == checksum(table, *format, key, payload) {
        false => Err(KvError::damaged(table, "the checksum does not match")),
        true if *format != FORMAT => Err(KvError::Format { table, format: *format }),
        true => Ok(payload),
    }
}

/// Verifies a row of any table, as it comes out of a snapshot.
pub fn check_row(table: Table, key: &[u8], row: &[u8]) -> Result<(), KvError> {
    match table {
        Table::Keys => decode_key(key).and_then(|_| decode_entry(key, row, false)).map(drop),
        Table::Requests => super::requests::check_row(key, row),
        Table::Nodes => super::nodes::decode(key, row).map(drop),
        Table::Meta => open(table, key, row).map(drop),
    }
}

fn checksum(table: Table, format: u8, key: &[u8], payload: &[u8]) -> u32 {
    let [a, b, ..] = key.len().to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&[table as u8, format, a, b]), key);
    crc32c::crc32c_append(crc, payload)
}

/// Takes fixed fields off the front of a payload.
pub(super) struct Fields<'row> {
    pub(super) table: Table,
    pub(super) rest: &'row [u8],
}

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], KvError> {
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
        let head = Head { created: Revision(3), modified: Revision(4711), version: 7 };
        let mut row = Vec::new();
        encode_entry(&mut row, key, head, value);
        row
    }

    #[test]
    fn golden_row_of_a_key() {
        let key = Key::new("order/1").expect("legal");
        let row = entry_row(&key, b"latte");
        crate::golden::check("state_keys", &row);
        let entry = decode_entry(key.as_str().as_bytes(), &row, false).expect("its own bytes");
        assert_eq!(entry.value.as_bytes().as_ref(), b"latte");
        assert_eq!((entry.created, entry.modified, entry.version), (Revision(3), Revision(4711), 7));
    }

    #[test]
    fn golden_row_of_meta() {
        let row = seal(Table::Meta, b"forgotten", &4711u64.to_le_bytes());
        crate::golden::check("state_meta", &row);
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

        #[test]
        fn hostile_rows_never_panic(key in prop::collection::vec(any::<u8>(), 0..16), row in prop::collection::vec(any::<u8>(), 0..80)) {
            for table in Table::ALL {
                prop_assert!(check_row(table, &key, &row).is_err());
                let sealed = seal(table, &key, &row);
                let _ = check_row(table, &key, &sealed);
            }
        }
    }
}
