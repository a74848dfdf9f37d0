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
                self.bytes = self.bytes + row.len() - old.len();
                old.clear();
                old.extend_from_slice(row);
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
            self.bytes -= row.len();
            change(row);
            self.bytes += row.len();
        }
    }

    pub(super) fn remove(&mut self, table: Table, key: &[u8]) {
        match self.tables[table.position()].get_mut(key) {
            Some(change) => self.bytes -= change.take().map_or(0, |row| row.len()),
            None => self.add(table, key, None),
        }
    }

    fn add(&mut self, table: Table, key: &[u8], change: ChangedRow) {
        self.bytes += ROW_OVERHEAD_BYTES + key.len() + change.as_ref().map_or(0, Vec::len);
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
