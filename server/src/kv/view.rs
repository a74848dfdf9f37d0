//! Reads of the state as it is.

use std::ops::Bound;

use coffee_common::{
    command::{Entry, NodeRecord},
    id::NodeName,
    key::{Key, KeyRange},
    limits::{RANGE_BYTES_MAX, RANGE_KEYS_MAX},
};

use super::{
    digest::Digest,
    layers::{Layers, Rows},
    layout::{KvError, decode_entry, decode_key, open},
    nodes,
    tables::{MetaKey, Table},
};

/// A part of a range of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The keys in order, with their entries (values empty if left out).
    pub entries: Vec<(Key, Entry)>,
    /// Whether the range goes on behind the last of these.
    pub more: bool,
}

const ALL: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Unbounded);

impl Layers {
    /// Reads a key.
    pub fn get(&self, key: &Key) -> Result<Option<Entry>, KvError> {
        let key = key.as_str().as_bytes();
        self.row(Table::Keys, key)?.map(|row| decode_entry(key, row.get(), false)).transpose()
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
    pub fn node(&self, name: &NodeName) -> Result<Option<NodeRecord>, KvError> {
        let key = name.as_str().as_bytes();
        self.row(Table::Nodes, key)?.map(|row| nodes::decode(key, row.get())).transpose()
    }

    /// Reads the records of all nodes, in the order of their names.
    pub fn nodes(&self) -> Result<Vec<NodeRecord>, KvError> {
        let rows = self.rows(Table::Nodes)?;
        rows.map(|row| row.and_then(|(key, row)| nodes::decode(key.get(), row.get()))).collect()
    }

    /// Every row of a table, in order, as it is: nothing of it is verified.
    pub(super) fn rows(&self, table: Table) -> Result<Rows<'_>, KvError> {
        self.rows_from(table, ALL)
    }

    /// The digest that the state says it has; of an empty one, where it says
    /// nothing. Reads one row.
    pub fn digest(&self) -> Result<Digest, KvError> {
        let Some(digest) = self.meta(MetaKey::Digest)? else { return Ok(Digest::default()) };
        let bytes =
            digest.try_into().map_err(|_| KvError::damaged(Table::Meta, "the digest has a wrong length"))?;
        Ok(Digest(u64::from_le_bytes(bytes)))
    }

    /// Reads and verifies what is kept of the state as a whole.
    pub fn meta(&self, key: MetaKey) -> Result<Option<Vec<u8>>, KvError> {
        let row = self.row(Table::Meta, key.as_bytes())?;
        row.map(|row| open(Table::Meta, key.as_bytes(), row.get()).map(<[u8]>::to_vec)).transpose()
    }
}

fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    let to = range.to().map_or(Bound::Unbounded, |to| Bound::Excluded(to.as_bytes()));
    (Bound::Included(range.from().as_bytes()), to)
}
