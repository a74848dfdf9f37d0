//! The rows that changed since the last flush, in memory.
//!
//! Holds the latest version of each changed row, or a tombstone if the row was
//! deleted: a row is flushed once, however often it changed. Guards that a flush
//! is one transaction, so the database always holds the state as of one entry.

use std::{
    collections::{BTreeMap, btree_map},
    ops::Bound,
};

use redb::WriteTransaction;

use super::{error::KvError, table::Table};

/// The approximate memory that a row takes besides its bytes.
const ROW_OVERHEAD_BYTES: usize = 96;

/// A row that is replaced keeps its buffer up to this capacity, or up to twice
/// the new row's length. A larger one would hold memory for nothing.
const REUSED_CAPACITY_MAX: usize = 256;

/// A row that is changed in place has room for this many more bytes. Its buffer
/// grows by a few times as many, not by doubling: the rest would be counted too.
const APPENDED_BYTES: usize = 128;

/// The new row, or `None` (a tombstone) if it was deleted.
type ChangedRow = Option<Vec<u8>>;

/// Changed rows of a table, in order.
pub(super) type ChangedRows<'a> = btree_map::Range<'a, Box<[u8]>, ChangedRow>;

/// Changed rows of all tables.
#[derive(Default)]
pub struct MemTable {
    /// In the order of [`Table::ALL`].
    tables: [BTreeMap<Box<[u8]>, ChangedRow>; Table::ALL.len()],
    bytes: usize,
}

impl MemTable {
    /// The approximate memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.iter().all(BTreeMap::is_empty)
    }

    /// Returns the row if it changed: `Some(None)` is a deleted row, `None` an
    /// unchanged one.
    pub(super) fn row(&self, table: Table, key: &[u8]) -> Option<Option<&[u8]>> {
        self.tables[table.position()].get(key).map(Option::as_deref)
    }

    pub(super) fn rows_from(&self, table: Table, bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> ChangedRows<'_> {
        self.tables[table.position()].range::<[u8], _>(bounds)
    }

    pub(super) fn insert(&mut self, table: Table, key: &[u8], row: &[u8]) {
        match self.tables[table.position()].get_mut(key) {
            Some(Some(old)) => {
                self.bytes -= old.capacity();
                if old.capacity() > REUSED_CAPACITY_MAX.max(2 * row.len()) {
                    *old = row.to_vec();
                } else {
                    old.clear();
                    old.extend_from_slice(row);
                }
                self.bytes += old.capacity();
            }
            Some(change @ None) => {
                self.bytes += row.len();
                *change = Some(row.to_vec());
            }
            None => self.add(table, key, Some(row.to_vec())),
        }
    }

    /// Changes a row in place. Does nothing if the memtable has no such row.
    pub(super) fn update(&mut self, table: Table, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(Some(row)) = self.tables[table.position()].get_mut(key) {
            self.bytes -= row.capacity();
            if row.capacity() - row.len() < APPENDED_BYTES {
                row.reserve_exact(APPENDED_BYTES * 4);
            }
            change(row);
            self.bytes += row.capacity();
        }
    }

    pub(super) fn remove(&mut self, table: Table, key: &[u8]) {
        match self.tables[table.position()].get_mut(key) {
            Some(change) => self.bytes -= change.take().map_or(0, |row| row.capacity()),
            None => self.add(table, key, None),
        }
    }

    fn add(&mut self, table: Table, key: &[u8], change: ChangedRow) {
        self.bytes += ROW_OVERHEAD_BYTES + key.len() + change.as_ref().map_or(0, Vec::capacity);
        self.tables[table.position()].insert(key.into(), change);
    }

    /// Drops the rows of a table: a planted fault.
    pub(super) fn lose(&mut self, table: Table) {
        self.tables[table.position()].clear();
    }

    /// Writes the changed rows to the tables of the database, in order.
    ///
    /// # Errors
    /// The database failed. The transaction must not be committed then.
    pub fn flush(&self, txn: &WriteTransaction) -> Result<(), KvError> {
        for table in Table::ALL {
            let mut rows = txn.open_table(table.definition())?;
            for (key, change) in &self.tables[table.position()] {
                match change {
                    Some(row) => drop(rows.insert(&**key, row.as_slice())?),
                    None => drop(rows.remove(&**key)?),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl MemTable {
        /// The memory of all rows and keys, counted one by one.
        fn held_bytes(&self) -> usize {
            let rows = self.tables.iter().flatten();
            rows.map(|(key, change)| {
                ROW_OVERHEAD_BYTES + key.len() + change.as_ref().map_or(0, Vec::capacity)
            })
            .sum()
        }
    }

    #[test]
    fn a_large_row_that_is_replaced_by_a_small_one_returns_its_memory() {
        let mut memtable = MemTable::default();
        for key in 0..50u8 {
            memtable.insert(Table::Keys, &[key], &[1; 1 << 20]);
            memtable.insert(Table::Keys, &[key], b"done");
        }
        assert!(memtable.held_bytes() < 50 * 1024, "{} bytes are held", memtable.held_bytes());
        assert_eq!(memtable.bytes(), memtable.held_bytes());
    }

    #[test]
    fn the_account_is_what_the_rows_hold_after_any_change() {
        let mut memtable = MemTable::default();
        for step in 0..4000usize {
            let key = [(step * 7 % 13) as u8];
            match step % 5 {
                0 | 1 => memtable.insert(Table::Keys, &key, &vec![0; step * 31 % 3000]),
                2 => memtable.update(Table::Keys, &key, |row| row.extend_from_slice(&[1; 33])),
                3 => memtable.insert(Table::Keys, &key, &vec![0; step % 20]),
                _ => memtable.remove(Table::Keys, &key),
            }
            assert_eq!(memtable.bytes(), memtable.held_bytes(), "step {step}");
        }
    }
}
