//! The rows of values that are too long for the rows of their keys.
//!
//! An on-disk format: `key | revision 8 (big endian)` to `format 1 | crc 4 | value`. Each version has a row
//! of its own, which the key's row and the history share.

use coffee_common::id::Revision;

use super::format::{open, scatter};
use crate::kv::{error::KvError, table::Table};

/// The key of the row of a version.
pub(in crate::kv) fn key(key: &[u8], modified: Revision) -> Vec<u8> {
    [key, &modified.0.to_be_bytes()].concat()
}

/// Verifies a row and returns its value.
pub(in crate::kv) fn decode<'row>(key: &[u8], row: &'row [u8]) -> Result<&'row [u8], KvError> {
    open(Table::Values, key, row)
}

/// A row's contribution to the digest of the state. A row that is deleted need not be read: the row of
/// its key, or its change, had the checksum of the value.
pub(in crate::kv) fn contribution(key: &[u8]) -> u64 {
    scatter((key.len() as u64) << 32 | u64::from(crc32c::crc32c(key)))
}
