//! The tables while entries are applied: the only writer of the state.
//!
//! Guards that the digest is updated with every row that changes. A row that was
//! written without the digest would make this replica differ from the others, so
//! store and digest are private to this file: what changes one changes both.

use coffee_common::{
    command::Outcome,
    feature_level::FeatureLevel,
    id::{RequestId, Revision},
};

use super::{
    digest::Digest,
    error::KvError,
    extent::HistoryExtent,
    heads::{RowHeads, as_row},
    memory::{RememberedRequest, RequestMemory},
    row::{changes, format::seal, requests, values},
    store::{RowBytes, Store},
    table::{MetaKey, Table},
};

/// A key that was changed at a revision.
pub type ChangedKey = (Revision, Box<[u8]>);

/// The tables while a batch of entries is applied, and the request memory.
pub struct Tables<'state> {
    store: &'state mut Store,
    digest: Digest,
    memory: &'state mut RequestMemory,
    forgotten_before: Revision,
    heads: RowHeads<'state>,
    history: Option<HistoryExtent>,
    /// The keys that were changed, if they are wanted.
    changed: Option<Vec<ChangedKey>>,
    /// The row that is being encoded: one buffer for all of them.
    row: Vec<u8>,
}

impl<'state> Tables<'state> {
    /// Opens the tables for a batch. `memory` must have been loaded from `store`
    /// and have seen all entries that were applied since.
    ///
    /// # Errors
    /// The stored digest is damaged, or the database failed.
    pub fn open(store: &'state mut Store, memory: &'state mut RequestMemory) -> Result<Self, KvError> {
        let digest = store.digest()?;
        let forgotten_before = memory.forgotten();
        let (heads, history) = (RowHeads::default(), store.history_extent()?);
        Ok(Self { store, digest, memory, forgotten_before, heads, history, changed: None, row: Vec::new() })
    }

    /// Uses headers that were read from the database since the last batch.
    pub fn with_heads(self, heads: RowHeads<'state>) -> Self {
        Self { heads, ..self }
    }

    /// Notes the keys that are changed from now on, if they are `wanted`.
    pub fn noting_changes(self, wanted: bool) -> Self {
        Self { changed: wanted.then(Vec::new), ..self }
    }

    /// Returns the keys that were noted, in order, and notes no more.
    pub fn take_changed(&mut self) -> Option<Vec<ChangedKey>> {
        self.changed.take()
    }

    pub(super) fn note_changed(&mut self, at: Revision, key: &[u8]) {
        if let Some(changed) = &mut self.changed {
            changed.push((at, key.into()));
        }
    }

    /// Reads the head of a key's row. The rest of a long row may be missing.
    pub(super) fn head(&self, key: &[u8]) -> Result<Option<RowBytes<'_>>, KvError> {
        self.heads.get(key).map_or_else(|| self.store.row(Table::Keys, key), Ok)
    }

    /// The state, for reads.
    pub(super) fn store(&self) -> &Store {
        self.store
    }

    /// The request memory, for reads.
    pub(super) fn memory(&self) -> &RequestMemory {
        self.memory
    }

    /// Inserts or replaces a row. `encode` receives the old row, if there is one
    /// (of a key's row perhaps only the head), and the buffer for the new row.
    /// Nothing changes if it fails.
    pub(super) fn put<T>(
        &mut self,
        table: Table,
        key: &[u8],
        encode: impl FnOnce(Option<&[u8]>, &mut Vec<u8>) -> Result<T, KvError>,
    ) -> Result<T, KvError> {
        let result = {
            let known = self.heads.take(table, key);
            let old = match &known {
                Some(head) => head.as_ref().map(as_row),
                None => self.store.row(table, key)?,
            };
            let result = encode(old.as_ref().map(RowBytes::get), &mut self.row)?;
            if let Some(old) = &old {
                self.digest.remove(table, key, old.get(), old.len());
            }
            result
        };
        self.store.insert(table, key, &self.row);
        self.digest.add(table, key, &self.row);
        Ok(result)
    }

    /// Returns an empty buffer to encode into. Changing a row uses the same one.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        self.row.clear();
        &mut self.row
    }

    /// Deletes a row. `decode` receives it (of a key's row perhaps only the head);
    /// nothing changes if that fails.
    /// Returns `None` if there is no such row.
    pub(super) fn take<T>(
        &mut self,
        table: Table,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, KvError>,
    ) -> Result<Option<T>, KvError> {
        let known = self.heads.take(table, key);
        let old = match &known {
            Some(head) => head.as_ref().map(as_row),
            None => self.store.row(table, key)?,
        };
        let Some(old) = old else { return Ok(None) };
        let result = decode(old.get())?;
        self.digest.remove(table, key, old.get(), old.len());
        drop(old);
        self.store.remove(table, key);
        Ok(Some(result))
    }

    /// Adds the record of a request, and deletes the oldest row of records if all
    /// of it is forgotten. A record is appended to its row without reading the
    /// row, and added to the digest alone.
    pub(super) fn remember(
        &mut self,
        at: Revision,
        request: &RequestId,
        command_digest: u64,
        outcome: &Outcome,
    ) -> Result<(), KvError> {
        let contribution = requests::encode(&mut self.row, at, command_digest, request, outcome)?;
        let record = &self.row;
        self.store.update(Table::Requests, &requests::key(at), |row| requests::append(row, at, record))?;
        self.digest.add_number(contribution);
        if let Some(row) = self.memory.push(RememberedRequest::new(request, at, contribution)) {
            self.store.remove(Table::Requests, &row.first_index.to_be_bytes());
            self.digest.subtract(row.contribution);
        }
        Ok(())
    }

    /// The extent of the history; `None` if the cluster keeps none.
    pub(super) fn history(&self) -> Option<&HistoryExtent> {
        self.history.as_ref()
    }

    pub(super) fn history_mut(&mut self) -> &mut Option<HistoryExtent> {
        &mut self.history
    }

    /// Adds a value that is not in the row of its key.
    pub(super) fn put_value(&mut self, key: &[u8], value: &[u8]) {
        self.store.insert(Table::Values, key, &seal(Table::Values, key, value));
        self.digest.add_number(values::contribution(key));
    }

    /// Deletes a value that is not in the row of its key.
    pub(super) fn remove_value(&mut self, key: &[u8]) {
        self.store.remove(Table::Values, key);
        self.digest.subtract(values::contribution(key));
    }

    /// Appends a record to the chunk of changes that begins with `first`.
    pub(super) fn append_changes(
        &mut self,
        first: Revision,
        record: &[u8],
        contribution: u64,
    ) -> Result<(), KvError> {
        let append = |row: &mut Vec<u8>| changes::append(row, first, record);
        self.store.update(Table::Changes, &changes::key(first), append)?;
        self.digest.add_number(contribution);
        Ok(())
    }

    /// Deletes a chunk of changes, with the contribution of its records.
    pub(super) fn remove_chunk(&mut self, key: &[u8], contribution: u64) {
        self.store.remove(Table::Changes, key);
        self.digest.subtract(contribution);
    }

    /// Writes a value that describes the state as a whole, other than the feature
    /// level. The digest does not cover it.
    pub fn write_meta(&mut self, key: MetaKey, payload: &[u8]) {
        let row = seal(Table::Meta, key.as_bytes(), payload);
        self.store.insert(Table::Meta, key.as_bytes(), &row);
    }

    /// The feature level of the cluster.
    ///
    /// # Errors
    /// The row is damaged, or the database failed.
    pub fn level(&self) -> Result<FeatureLevel, KvError> {
        self.store.level()
    }

    /// The digest of the current rows.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Ends a batch: writes what is written once per batch.
    pub fn finish(mut self) {
        let forgotten = self.memory.forgotten();
        if forgotten != self.forgotten_before {
            self.write_meta(MetaKey::Forgotten, &forgotten.0.to_le_bytes());
        }
        if let Some(extent) = self.history {
            self.write_meta(MetaKey::History, &extent.encode());
        }
        // Even if it did not change: otherwise the existence of the row would
        // depend on where a batch ends.
        self.write_meta(MetaKey::Digest, &self.digest.encode());
    }
}
