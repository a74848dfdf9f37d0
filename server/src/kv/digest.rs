//! A digest of the whole state, updated with every row that changes.
//!
//! Replicas that applied the same entries have the same digest, so nodes can
//! check from time to time that they agree. The digest is the sum of one number
//! per row, independent of the order in which rows were written. The number is
//! made of the checksums that the row already carries, so the digest costs no
//! pass over keys and values. It detects accidents: replicas that diverged, and
//! lost rows. It does not protect against forgery.
//!
//! The bytes of data are counted with it, for the quota. Of [`Table::Meta`], which
//! holds the digest itself, only the feature level contributes.

use super::{
    error::KvError,
    row::{self, entry, format},
    store::Store,
    table::Table,
};

/// The digest of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// The sum of the rows' numbers.
    pub sum: u64,
    /// The bytes of all keys, their rows and their values. Keys that are deleted do not count.
    pub data_bytes: u64,
}

/// Hashes every byte of a state, [`Table::Meta`] included, in order.
///
/// Independent of [`Digest`] and of the checksums in the rows, so that tests which
/// compare states also find a digest that misses something. Equal only on replicas
/// that have applied the same last entry.
///
/// # Errors
/// The database failed.
pub fn content_hash(store: &Store) -> Result<u64, KvError> {
    let mut hash = 0;
    for table in Table::ALL {
        for row in store.rows(table)? {
            let (key, row) = row?;
            for bytes in [&[table as u8], key.get(), row.get()] {
                let piece = u64::from(crc32c::crc32c(bytes)) << 32 | bytes.len() as u64;
                hash = format::scatter(hash ^ piece);
            }
        }
    }
    Ok(hash)
}

impl Digest {
    /// Computes the digest of a state. Reads every row.
    ///
    /// # Errors
    /// The database failed.
    pub fn of(store: &Store) -> Result<Self, KvError> {
        let mut digest = Self::default();
        for table in Table::ALL {
            for row in store.rows(table)? {
                let (key, row) = row?;
                digest.add(table, key.get(), row.get());
            }
        }
        Ok(digest)
    }

    /// Adds a row.
    pub fn add(&mut self, table: Table, key: &[u8], row: &[u8]) {
        self.add_number(row::contribution(table, key, row));
        self.data_bytes = self.data_bytes.wrapping_add(data_bytes(table, key, row, row.len()));
    }

    /// Subtracts a row of `bytes` bytes that was replaced or deleted. Of a key's row,
    /// the header suffices.
    pub(super) fn remove(&mut self, table: Table, key: &[u8], row: &[u8], bytes: usize) {
        self.subtract(row::contribution(table, key, row));
        self.data_bytes = self.data_bytes.wrapping_sub(data_bytes(table, key, row, bytes));
    }

    /// Adds a row's contribution.
    pub(super) fn add_number(&mut self, contribution: u64) {
        self.sum = self.sum.wrapping_add(contribution);
    }

    /// Subtracts the contribution of a row that was deleted.
    pub(super) fn subtract(&mut self, contribution: u64) {
        self.sum = self.sum.wrapping_sub(contribution);
    }

    /// Encodes it as the value of [`MetaKey::Digest`](super::MetaKey::Digest).
    pub(super) fn encode(self) -> [u8; 16] {
        (u128::from(self.data_bytes) << 64 | u128::from(self.sum)).to_le_bytes()
    }

    pub(super) fn decode(payload: Vec<u8>) -> Result<Self, KvError> {
        let wrong = |_| KvError::damaged(Table::Meta, "the digest has a wrong length");
        let both = u128::from_le_bytes(payload.try_into().map_err(wrong)?);
        Ok(Self { sum: both as u64, data_bytes: (both >> 64) as u64 })
    }
}

fn data_bytes(table: Table, key: &[u8], row: &[u8], row_bytes: usize) -> u64 {
    if table == Table::Keys { entry::data_bytes(key, row, row_bytes) } else { 0 }
}
