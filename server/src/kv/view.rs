//! Reads of the current state.

use std::ops::Bound;

use coffee_common::{
    command::{Entry, NodeRecord},
    id::NodeName,
    key::{Key, KeyRange},
    limits::{RANGE_BYTES_MAX, RANGE_KEYS_MAX},
};

use super::{
    digest::Digest,
    error::KvError,
    row::{
        format::{decode_entry, decode_key, open},
        nodes,
    },
    store::Store,
    table::{MetaKey, Table},
};

/// A page of a range of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RangePage {
    /// The keys in order, with their entries (values are empty if only keys were asked for).
    pub entries: Vec<(Key, Entry)>,
    /// Whether the range continues after the last of these.
    pub more: bool,
}

impl Store {
    /// Reads a key.
    ///
    /// # Errors
    /// The row is damaged, or the database failed.
    pub fn get(&self, key: &Key) -> Result<Option<Entry>, KvError> {
        let key = key.as_str().as_bytes();
        self.row(Table::Keys, key)?.map(|row| decode_entry(key, row.get(), false)).transpose()
    }

    /// Reads a page of a range: at most `limit` keys (0: no limit of the
    /// caller's), [`RANGE_KEYS_MAX`] keys, and [`RANGE_BYTES_MAX`] bytes of keys
    /// and values. The first key is always included.
    ///
    /// # Errors
    /// A row is damaged, or the database failed.
    pub fn range(&self, range: &KeyRange, limit: u32, keys_only: bool) -> Result<RangePage, KvError> {
        let mut page = RangePage::default();
        if range.is_empty() {
            return Ok(page);
        }
        let limit = if limit == 0 { RANGE_KEYS_MAX } else { limit.min(RANGE_KEYS_MAX) } as usize;
        let mut bytes_left = RANGE_BYTES_MAX;
        for row in self.rows_from(Table::Keys, bounds(range))? {
            let (key, row) = row?;
            let (key, row) = (key.get(), row.get());
            let size = key.len() + if keys_only { 0 } else { row.len() };
            if page.entries.len() == limit || (size > bytes_left && !page.entries.is_empty()) {
                page.more = true;
                break;
            }
            bytes_left = bytes_left.saturating_sub(size);
            page.entries.push((decode_key(key)?, decode_entry(key, row, keys_only)?));
        }
        Ok(page)
    }

    /// Reads the record of a node.
    ///
    /// # Errors
    /// The row is damaged, or the database failed.
    pub fn node(&self, name: &NodeName) -> Result<Option<NodeRecord>, KvError> {
        let key = name.as_str().as_bytes();
        self.row(Table::Nodes, key)?.map(|row| nodes::decode(key, row.get())).transpose()
    }

    /// Reads the records of all nodes, in the order of their names.
    ///
    /// # Errors
    /// A row is damaged, or the database failed.
    pub fn nodes(&self) -> Result<Vec<NodeRecord>, KvError> {
        let rows = self.rows(Table::Nodes)?;
        rows.map(|row| row.and_then(|(key, row)| nodes::decode(key.get(), row.get()))).collect()
    }

    /// Reads the digest that is stored with the state; that of an empty state if
    /// none is. Reads one row.
    ///
    /// # Errors
    /// The row is damaged, or the database failed.
    pub fn digest(&self) -> Result<Digest, KvError> {
        let Some(digest) = self.meta(MetaKey::Digest)? else { return Ok(Digest::default()) };
        let bytes =
            digest.try_into().map_err(|_| KvError::damaged(Table::Meta, "the digest has a wrong length"))?;
        Ok(Digest(u64::from_le_bytes(bytes)))
    }

    /// Reads a value that describes the state as a whole.
    ///
    /// # Errors
    /// The row is damaged, or the database failed.
    pub fn meta(&self, key: MetaKey) -> Result<Option<Vec<u8>>, KvError> {
        let row = self.row(Table::Meta, key.as_bytes())?;
        row.map(|row| open(Table::Meta, key.as_bytes(), row.get()).map(<[u8]>::to_vec)).transpose()
    }
}

fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    let to = range.to().map_or(Bound::Unbounded, |to| Bound::Excluded(to.as_bytes()));
    (Bound::Included(range.from().as_bytes()), to)
}
