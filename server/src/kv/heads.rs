//! The heads of rows that a batch is about to replace.
//!
//! Applying a write needs the head of the row that it replaces, and a value that is short enough to be
//! in it: the history keeps that. Reading both first, without the state's lock, keeps the disk out of the
//! time in which readers wait.

use std::{collections::BTreeMap, sync::Arc};

use coffee_common::key::Key;

use super::{
    db_snapshot::DbSnapshot,
    error::KvError,
    row::entry::{HEAD_BYTES_MAX, INLINE_BYTES_MAX},
    store::{RowBytes, Store},
    table::Table,
};

/// The beginning of a row, and the bytes of the whole row.
pub(super) type RowBeginning = (Box<[u8]>, usize);

/// A row of no more bytes is kept as a whole.
pub(super) const WHOLE_BYTES_MAX: usize = HEAD_BYTES_MAX + INLINE_BYTES_MAX;

/// The heads of some keys' rows in the database; `None` for a key without a row.
/// Valid as long as nothing is applied.
#[derive(Default)]
pub struct RowHeads<'k>(BTreeMap<&'k [u8], Option<RowBeginning>>);

/// Keys whose heads are to be read, and the database that holds them.
pub struct HeadsRead<'k> {
    snapshot: Arc<DbSnapshot>,
    keys: Vec<&'k Key>,
    heads: RowHeads<'k>,
}

impl Store {
    /// Begins to read the heads of those of these keys that only the database
    /// holds. Does not read from the database.
    pub fn begin_heads<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> HeadsRead<'k> {
        let stored = |key: &&Key| self.is_only_stored(Table::Keys, key.as_bytes());
        let keys = keys.filter(stored).collect();
        HeadsRead { snapshot: self.snapshot().clone(), keys, heads: RowHeads::default() }
    }
}

impl<'k> HeadsRead<'k> {
    /// Reads the next head. Returns `false` once all are read. Blocks on the
    /// disk.
    ///
    /// # Errors
    /// The database failed.
    pub fn read_next(&mut self) -> Result<bool, KvError> {
        let Some(key) = self.keys.pop() else { return Ok(false) };
        let key = key.as_bytes();
        let row = self.snapshot.row(Table::Keys, key)?;
        let beginning = row.map(|row| {
            let row = row.value();
            let kept = if row.len() > WHOLE_BYTES_MAX { &row[..HEAD_BYTES_MAX] } else { row };
            (kept.into(), row.len())
        });
        self.heads.0.insert(key, beginning);
        Ok(true)
    }

    /// The heads that were read.
    pub fn finish(self) -> RowHeads<'k> {
        self.heads
    }
}

impl RowHeads<'_> {
    /// A key's head, if it was read: `Some(None)` says that the key has no row.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<RowBytes<'_>>> {
        self.0.get(key).map(|head| head.as_ref().map(as_row))
    }

    /// Removes the head of a row that is about to change: from then on the memtable
    /// has the row.
    pub(super) fn take(&mut self, table: Table, key: &[u8]) -> Option<Option<RowBeginning>> {
        if table == Table::Keys { self.0.remove(key) } else { None }
    }
}

/// The beginning as a row without the rest.
pub(super) fn as_row((head, bytes): &RowBeginning) -> RowBytes<'_> {
    RowBytes::Head(head, *bytes)
}
