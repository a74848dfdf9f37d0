//! A digest of a whole state, kept up with each row that changes.
//!
//! Replicas that applied the same entries have the same one, so that nodes can
//! tell each other from time to time whether they still agree. It is the sum
//! of a number for each row, whatever the order in which the rows came; that
//! number is made of the checksums that the row carries anyway, so the digest
//! costs no look at keys and values. It finds accidents: replicas that took a
//! different way, rows that were lost. It is no defence against forgery.
//!
//! [`Table::Meta`] is left out: it holds the digest itself.

use super::{
    layers::Layers,
    layout::{KvError, checksums},
    requests,
    tables::Table,
};

/// The digest of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(pub u64);

impl Digest {
    /// Reads a whole state.
    pub fn of(layers: &Layers) -> Result<Self, KvError> {
        let mut digest = Self::default();
        for table in Table::ALL {
            for row in layers.rows(table)? {
                let (key, row) = row?;
                digest.add(table, key.get(), row.get());
            }
        }
        Ok(digest)
    }

    /// A row was put in.
    pub fn add(&mut self, table: Table, key: &[u8], row: &[u8]) {
        self.add_number(number(table, key, row));
    }

    /// A row of this number was put in.
    pub(super) fn add_number(&mut self, number: u64) {
        self.0 = self.0.wrapping_add(number);
    }

    /// A row of this number was taken out.
    pub(super) fn subtract(&mut self, number: u64) {
        self.0 = self.0.wrapping_sub(number);
    }
}

/// What a row adds: its checksums cover the table and the key, too. A row of
/// requests adds what each of its records does, which was added one by one.
pub(super) fn number(table: Table, key: &[u8], row: &[u8]) -> u64 {
    match table {
        Table::Meta => 0,
        Table::Keys | Table::Nodes => scatter(checksums(table, row)),
        Table::Requests => requests::numbers(key, row),
    }
}

/// Spreads numbers that differ little over all 64 bits, one to one (the
/// finalizer of splitmix64), so that sums of them hardly ever meet.
pub(super) fn scatter(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
