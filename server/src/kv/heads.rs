//! The heads of rows that a batch is about to replace.
//!
//! Applying a write needs the header of the row that it replaces, and not the
//! value. Reading the headers first, without the state's lock, keeps the disk out
//! of the time in which readers wait.

use std::{collections::BTreeMap, sync::Arc};

use coffee_common::key::Key;

use super::{
    db_snapshot::DbSnapshot,
    error::KvError,
    row::format::HEADER_BYTES,
    store::{RowBytes, Store},
    table::Table,
};

/// A header, and the bytes of its whole row.
pub(super) type RowHead = ([u8; HEADER_BYTES], usize);

/// The headers of some keys' rows in the database; `None` for a key without a row.
/// Valid as long as nothing is applied.
#[derive(Default)]
pub struct RowHeads<'k>(BTreeMap<&'k [u8], Option<RowHead>>);

/// Keys whose headers are to be read, and the database that holds them.
pub struct HeadsRead<'k> {
    snapshot: Arc<DbSnapshot>,
    keys: Vec<&'k Key>,
    heads: RowHeads<'k>,
}

impl Store {
    /// Begins to read the headers of those of these keys that only the database
    /// holds. Does not read from the database.
    pub fn begin_heads<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> HeadsRead<'k> {
        let stored = |key: &&Key| self.is_only_stored(Table::Keys, key.as_str().as_bytes());
        let keys = keys.filter(stored).collect();
        HeadsRead { snapshot: self.snapshot().clone(), keys, heads: RowHeads::default() }
    }
}

impl<'k> HeadsRead<'k> {
    /// Reads the next header. Returns `false` once all are read. Blocks on the
    /// disk.
    ///
    /// # Errors
    /// The database failed.
    pub fn read_next(&mut self) -> Result<bool, KvError> {
        let Some(key) = self.keys.pop() else { return Ok(false) };
        let key = key.as_str().as_bytes();
        match self.snapshot.row(Table::Keys, key)? {
            None => drop(self.heads.0.insert(key, None)),
            // A shorter row is damaged, and rejected when it is read again.
            Some(row) => {
                if let Some(head) = row.value().first_chunk() {
                    self.heads.0.insert(key, Some((*head, row.value().len())));
                }
            }
        }
        Ok(true)
    }

    /// The headers that were read.
    pub fn finish(self) -> RowHeads<'k> {
        self.heads
    }
}

impl RowHeads<'_> {
    /// A key's header, if it was read: `Some(None)` says that the key has no row.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<RowBytes<'_>>> {
        self.0.get(key).map(|head| head.as_ref().map(as_row))
    }

    /// Removes the header of a row that is about to change: from then on the memtable
    /// has the row.
    pub(super) fn take(&mut self, table: Table, key: &[u8]) -> Option<Option<RowHead>> {
        if table == Table::Keys { self.0.remove(key) } else { None }
    }
}

/// A header as a row without the rest.
pub(super) fn as_row((head, bytes): &RowHead) -> RowBytes<'_> {
    RowBytes::Head(head, *bytes)
}
