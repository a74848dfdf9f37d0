//! Reads of the state, at one point in time.
//!
//! A view pins the pages that it reads: hold it for a read, not longer.

use std::ops::Bound;

use coffee_common::{
    command::{Entry, NodeRecord},
    id::NodeName,
    key::{Key, KeyRange},
    limits::{RANGE_BYTES_MAX, RANGE_KEYS_MAX},
};
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::{
    digest::Digest,
    layout::{KvError, decode_entry, decode_key},
    nodes,
    tables::{MetaKey, Table, read_digest, read_meta},
};

/// The state at one point in time.
pub struct View {
    txn: ReadTransaction,
}

/// Every row of a table. Reads on while the view it came from is there.
pub type RowIter = redb::Range<'static, &'static [u8], &'static [u8]>;

/// A part of a range of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The keys in order, with their entries (values empty if left out).
    pub entries: Vec<(Key, Entry)>,
    /// Whether the range goes on behind the last of these.
    pub more: bool,
}

impl View {
    /// The state as the transaction sees it.
    pub fn new(txn: ReadTransaction) -> Self {
        Self { txn }
    }

    /// Reads a key.
    pub fn get(&self, key: &Key) -> Result<Option<Entry>, KvError> {
        let keys = self.txn.open_table(Table::Keys.definition())?;
        let key = key.as_str().as_bytes();
        keys.get(key)?.map(|row| decode_entry(key, row.value(), false)).transpose()
    }

    /// Reads a page of a range: at most `limit` keys (0: as many as a page
    /// holds), [`RANGE_KEYS_MAX`] keys, and [`RANGE_BYTES_MAX`] bytes of keys
    /// and values, the first key excepted.
    pub fn range(&self, range: &KeyRange, limit: u32, keys_only: bool) -> Result<Page, KvError> {
        let mut page = Page::default();
        if range.is_empty() {
            return Ok(page);
        }
        let limit = if limit == 0 { RANGE_KEYS_MAX } else { limit.min(RANGE_KEYS_MAX) } as usize;
        let mut bytes_left = RANGE_BYTES_MAX;
        let keys = self.txn.open_table(Table::Keys.definition())?;
        for row in keys.range::<&[u8]>(bounds(range))? {
            let (key, row) = row?;
            let size = key.value().len() + if keys_only { 0 } else { row.value().len() };
            if page.entries.len() == limit || (size > bytes_left && !page.entries.is_empty()) {
                page.more = true;
                break;
            }
            bytes_left = bytes_left.saturating_sub(size);
            page.entries.push((decode_key(key.value())?, decode_entry(key.value(), row.value(), keys_only)?));
        }
        Ok(page)
    }

    /// Reads the record of a node.
    pub fn node(&self, name: &NodeName) -> Result<Option<NodeRecord>, KvError> {
        let table = self.txn.open_table(Table::Nodes.definition())?;
        let key = name.as_str().as_bytes();
        table.get(key)?.map(|row| nodes::decode(key, row.value())).transpose()
    }

    /// Reads the records of all nodes, in the order of their names.
    pub fn nodes(&self) -> Result<Vec<NodeRecord>, KvError> {
        let table = self.txn.open_table(Table::Nodes.definition())?;
        let mut records = Vec::new();
        for row in table.iter()? {
            let (key, row) = row?;
            records.push(nodes::decode(key.value(), row.value())?);
        }
        Ok(records)
    }

    /// Every row of a table, in order, as it is: nothing of it is verified.
    pub fn rows(&self, table: Table) -> Result<RowIter, KvError> {
        Ok(self.txn.open_table(table.definition())?.range::<&[u8]>(..)?)
    }

    /// The digest that the state says it has. Reads one row.
    pub fn digest(&self) -> Result<Digest, KvError> {
        read_digest(&self.txn.open_table(Table::Meta.definition())?)
    }

    /// How many rows all tables have together.
    pub fn count_rows(&self) -> Result<u64, KvError> {
        let count = |rows, table: Table| Ok(rows + self.txn.open_table(table.definition())?.len()?);
        Table::ALL.into_iter().try_fold(0, count)
    }

    /// Reads what is kept of the state as a whole.
    pub fn meta(&self, key: MetaKey) -> Result<Option<Vec<u8>>, KvError> {
        read_meta(&self.txn.open_table(Table::Meta.definition())?, key)
    }
}

fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    let to = range.to().map_or(Bound::Unbounded, |to| Bound::Excluded(to.as_bytes()));
    (Bound::Included(range.from().as_bytes()), to)
}
