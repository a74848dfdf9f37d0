//! The rows of the tables as bytes.
//!
//! Knows the formats and their checksums; no table, store or command.

pub(super) mod changes;
pub(super) mod entry;
pub(super) mod format;
pub(super) mod nodes;
pub(super) mod requests;
pub(super) mod revocations;
pub(super) mod settings;
pub(super) mod values;
mod varint;

use self::format::{checksums, open, scatter};
use super::{
    error::KvError,
    table::{MetaKey, Table},
};

/// Verifies a row of any table that arrived in a snapshot.
///
/// # Errors
/// The row is damaged, or of an unknown format.
pub fn check_row(table: Table, key: &[u8], row: &[u8]) -> Result<(), KvError> {
    match table {
        Table::Keys => entry::check(key, row),
        Table::Requests => requests::check(key, row),
        Table::Nodes => nodes::decode(key, row).map(drop),
        Table::Meta => open(table, key, row).map(drop),
        Table::Revocations => revocations::decode(key, row).map(drop),
        Table::Settings => settings::decode(key, row).map(drop),
        Table::Values => values::decode(key, row).map(drop),
        Table::Changes => changes::check(key, row),
    }
}

/// Whether a row is that of a key that is there. Does not verify it.
pub fn is_live_key(table: Table, row: &[u8]) -> bool {
    table == Table::Keys && !entry::is_tombstone(row)
}

/// A row's contribution to the digest of the state. Its checksums cover the
/// table and the key, too. A row of requests or changes contributes the sum of its records,
/// because they are added one by one.
pub(super) fn contribution(table: Table, key: &[u8], row: &[u8]) -> u64 {
    match table {
        Table::Meta if key != MetaKey::Level.as_bytes() => 0,
        Table::Keys => scatter(entry::checksums(row)),
        Table::Nodes | Table::Meta | Table::Revocations | Table::Settings => scatter(checksums(row)),
        Table::Values => values::contribution(key),
        Table::Changes => changes::contribution(key, row),
        Table::Requests => requests::contribution(key, row),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{format::seal, *};

    proptest! {
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
