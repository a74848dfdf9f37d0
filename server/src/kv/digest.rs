//! A digest of the whole state, updated with every row that changes.
//!
//! Replicas that applied the same entries have the same digest, so nodes can
//! check from time to time that they agree. The digest is the sum of one number
//! per row, independent of the order in which rows were written. The number is
//! made of the checksums that the row already carries, so the digest costs no
//! pass over keys and values. It detects accidents: replicas that diverged, and
//! lost rows. It does not protect against forgery.
//!
//! [`Table::Meta`] does not contribute: it holds the digest itself.

use super::{
    error::KvError,
    row::{self, format},
    store::Store,
    table::Table,
};

/// The digest of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(pub u64);

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
    }

    /// Adds a row's contribution.
    pub(super) fn add_number(&mut self, contribution: u64) {
        self.0 = self.0.wrapping_add(contribution);
    }

    /// Subtracts the contribution of a row that was replaced or deleted.
    pub(super) fn subtract(&mut self, contribution: u64) {
        self.0 = self.0.wrapping_sub(contribution);
    }
}
