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

    /// As [`Digest::of`], but of [`Table::Meta`] too: equal only on replicas that
    /// have applied the same last entry.
    ///
    /// # Errors
    /// The database failed.
    pub fn of_all(store: &Store) -> Result<Self, KvError> {
        let mut digest = Self::of(store)?;
        for row in store.rows(Table::Meta)? {
            let (_, row) = row?;
            digest.add_number(format::scatter(format::checksums(Table::Meta, row.get())));
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
