//! What was changed since the last fold, in memory.
//!
//! Row by row what the database will hold, or that it will hold none: however
//! often a row was changed, it is folded once. Guards that a fold is one
//! transaction, so that the database is at any time the state at one entry.

use std::{
    collections::{BTreeMap, btree_map},
    ops::Bound,
};

use redb::WriteTransaction;

use super::{layout::KvError, tables::Table};

/// About what a row takes in memory besides its bytes.
const ROW_OVERHEAD_BYTES: usize = 96;

/// A row as it is to be; `None`: it is taken out.
type Change = Option<Vec<u8>>;

/// Changed rows of a table, in order.
pub(super) type Changes<'a> = btree_map::Range<'a, Box<[u8]>, Change>;

/// Changes of the tables.
#[derive(Default)]
pub struct Overlay {
    /// In the order of [`Table::ALL`].
    tables: [BTreeMap<Box<[u8]>, Change>; Table::ALL.len()],
    bytes: usize,
}

impl Overlay {
    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.iter().all(BTreeMap::is_empty)
    }

    /// What it says of a row; `None`: nothing.
    pub(super) fn row(&self, table: Table, key: &[u8]) -> Option<Option<&[u8]>> {
        self.tables[table.position()].get(key).map(Option::as_deref)
    }

    pub(super) fn rows_from(&self, table: Table, bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> Changes<'_> {
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

    /// Changes a row that it has.
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

    fn add(&mut self, table: Table, key: &[u8], change: Change) {
        self.bytes += ROW_OVERHEAD_BYTES + key.len() + change.as_ref().map_or(0, Vec::len);
        self.tables[table.position()].insert(key.into(), change);
    }

    /// Drops the rows of a table: a fault that is planted.
    pub(super) fn lose(&mut self, table: Table) {
        self.tables[table.position()].clear();
    }

    /// Writes the changes into the tables of the database, in order.
    pub fn fold(&self, txn: &WriteTransaction) -> Result<(), KvError> {
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
