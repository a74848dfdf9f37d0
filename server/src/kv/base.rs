//! The rows that the database holds, at one point in time.
//!
//! A base pins the pages that it reads: it is given up for the next one as soon
//! as there is one. Nothing that it gives is verified but by whoever decodes it.

use std::ops::Bound;

use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTableMetadata};

use super::{layout::KvError, tables::Table};

type Bytes = &'static [u8];

/// A row of the database, or its key.
pub(super) type Stored = AccessGuard<'static, Bytes>;

/// Every row of a table of the database, in order. Reads on while its base is there.
pub type RowIter = redb::Range<'static, Bytes, Bytes>;

/// All tables of the database, as one transaction sees them.
pub struct Base {
    /// In the order of [`Table::ALL`].
    tables: [ReadOnlyTable<Bytes, Bytes>; Table::ALL.len()],
}

impl Base {
    /// Opens the tables in a transaction.
    pub fn open(txn: &ReadTransaction) -> Result<Self, KvError> {
        let open = |table: Table| txn.open_table(table.definition());
        let [keys, requests, nodes, meta] = Table::ALL;
        Ok(Self { tables: [open(keys)?, open(requests)?, open(nodes)?, open(meta)?] })
    }

    pub(super) fn row(&self, table: Table, key: &[u8]) -> Result<Option<Stored>, KvError> {
        Ok(self.tables[table.position()].get(key)?)
    }

    pub(super) fn rows_from(
        &self,
        table: Table,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<RowIter, KvError> {
        Ok(self.tables[table.position()].range::<&[u8]>(bounds)?)
    }

    /// Every row of a table, in order, as it is.
    pub fn rows(&self, table: Table) -> Result<RowIter, KvError> {
        Ok(self.tables[table.position()].range::<&[u8]>(..)?)
    }

    /// How many rows all tables have together.
    pub fn count_rows(&self) -> Result<u64, KvError> {
        self.tables.iter().try_fold(0, |rows, table| Ok(rows + table.len()?))
    }
}
