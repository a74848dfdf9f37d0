//! The rows of the database at one point in time.
//!
//! A snapshot pins the pages that it reads, so it is replaced after every
//! flush. Rows are returned unverified: the code that decodes a row verifies it.

use std::ops::Bound;

use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTableMetadata};

use super::{error::KvError, table::Table};

type ByteSlice = &'static [u8];

/// A row of the database, or its key.
pub(super) type StoredBytes = AccessGuard<'static, ByteSlice>;

/// Every row of a table of the database, in order. Valid while its snapshot exists.
pub type RowIter = redb::Range<'static, ByteSlice, ByteSlice>;

/// All tables of the database, as one read transaction sees them.
pub struct DbSnapshot {
    /// In the order of [`Table::ALL`].
    tables: [ReadOnlyTable<ByteSlice, ByteSlice>; Table::ALL.len()],
}

impl DbSnapshot {
    /// Opens the tables in a transaction.
    ///
    /// # Errors
    /// A table is missing, or the database failed.
    pub fn open(txn: &ReadTransaction) -> Result<Self, KvError> {
        let open = |table: Table| txn.open_table(table.definition());
        let [keys, requests, nodes, meta, revocations, settings, values, changes] = Table::ALL;
        let tables = [
            open(keys)?,
            open(requests)?,
            open(nodes)?,
            open(meta)?,
            open(revocations)?,
            open(settings)?,
            open(values)?,
            open(changes)?,
        ];
        Ok(Self { tables })
    }

    pub(super) fn row(&self, table: Table, key: &[u8]) -> Result<Option<StoredBytes>, KvError> {
        Ok(self.tables[table.position()].get(key)?)
    }

    pub(super) fn rows_from(
        &self,
        table: Table,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<RowIter, KvError> {
        Ok(self.tables[table.position()].range::<&[u8]>(bounds)?)
    }

    /// Every row of a table, in order, unverified.
    ///
    /// # Errors
    /// The database failed.
    pub fn rows(&self, table: Table) -> Result<RowIter, KvError> {
        Ok(self.tables[table.position()].range::<&[u8]>(..)?)
    }

    /// The number of rows of all tables together.
    ///
    /// # Errors
    /// The database failed.
    pub fn count_rows(&self) -> Result<u64, KvError> {
        self.tables.iter().try_fold(0, |rows, table| Ok(rows + table.len()?))
    }
}
