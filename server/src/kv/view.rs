//! Reads of the current state.

use bytes::Bytes;
use coffee_common::{
    command::NodeRecord, entry::Entry, id::NodeName, key::Key, revocation_list::RevocationList,
};

use super::{
    digest::Digest,
    error::KvError,
    row::{
        entry::{self, ValuePlace},
        format::open,
        nodes,
        revocations::{self, RecordedList},
    },
    store::Store,
    table::{MetaKey, Table},
};

impl Store {
    /// Reads a key.
    ///
    /// # Errors
    /// The row is damaged, or the database failed.
    pub fn get(&self, key: &Key) -> Result<Option<Entry>, KvError> {
        let key = key.as_bytes();
        let Some(row) = self.row(Table::Keys, key)? else { return Ok(None) };
        match entry::decode_head(key, row.get())?.is_live() {
            true => self.entry_of(key, row.get()).map(Some),
            false => Ok(None),
        }
    }

    /// The entry of a key that is there, from its row.
    pub(super) fn entry_of(&self, key: &[u8], row: &[u8]) -> Result<Entry, KvError> {
        let (head, value) = entry::decode(key, row)?;
        match head.place {
            ValuePlace::Elsewhere(_) => {
                let value = self.value_of(key, head.modified)?;
                entry::check_value(row, &value)?;
                entry::entry(Table::Values, &head, value.into())
            }
            _ => entry::entry(Table::Keys, &head, Bytes::copy_from_slice(value)),
        }
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

    /// Reads the revocation lists of the cluster.
    ///
    /// # Errors
    /// A row is damaged, or the database failed.
    pub fn revocation_lists(&self) -> Result<Vec<RevocationList>, KvError> {
        Ok(self.recorded_lists()?.into_iter().map(|recorded| recorded.list).collect())
    }

    pub(super) fn recorded_lists(&self) -> Result<Vec<RecordedList>, KvError> {
        let rows = self.rows(Table::Revocations)?;
        rows.map(|row| row.and_then(|(key, row)| revocations::decode(key.get(), row.get()))).collect()
    }

    /// Reads the digest that is stored with the state; that of an empty state if
    /// none is. Reads one row.
    ///
    /// # Errors
    /// The row is damaged, or the database failed.
    pub fn digest(&self) -> Result<Digest, KvError> {
        self.meta(MetaKey::Digest)?.map_or(Ok(Digest::default()), Digest::decode)
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
