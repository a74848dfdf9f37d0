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
type Head = ([u8; HEADER_BYTES], usize);

/// The headers of some keys' rows in the database; `None` for a key without a row.
/// Valid as long as nothing is applied.
#[derive(Default)]
pub struct RowHeads<'k>(BTreeMap<&'k [u8], Option<Head>>);

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
    /// A row of the state, or the header alone if that was read before.
    pub(super) fn row<'a>(
        &'a self,
        store: &'a Store,
        table: Table,
        key: &[u8],
    ) -> Result<Option<RowBytes<'a>>, KvError> {
        let known = (table == Table::Keys).then(|| self.0.get(key)).flatten();
        match known.filter(|_| store.is_only_stored(table, key)) {
            Some(head) => Ok(head.as_ref().map(|(head, bytes)| RowBytes::Head(head, *bytes))),
            None => store.row(table, key),
        }
    }
}
