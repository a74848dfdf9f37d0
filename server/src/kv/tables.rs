//! The tables while entries are applied.

use coffee_common::id::Revision;

use super::{
    digest::Digest,
    error::KvError,
    memory::RequestMemory,
    row::format::seal,
    store::Store,
    table::{MetaKey, Table},
};

/// The tables as applying changes them, and the memory that goes with them.
pub struct Tables<'state> {
    pub(super) store: &'state mut Store,
    pub(super) memory: &'state mut RequestMemory,
    forgotten_before: Revision,
    pub(super) digest: Digest,
    /// Where rows are put together, so that not each of them takes memory anew.
    pub(super) row: Vec<u8>,
}

impl<'state> Tables<'state> {
    /// Opens the tables. `memory` is the one that was loaded from them, and has
    /// seen everything that was applied since.
    pub fn open(store: &'state mut Store, memory: &'state mut RequestMemory) -> Result<Self, KvError> {
        let digest = store.digest()?;
        let forgotten_before = memory.forgotten();
        Ok(Self { store, memory, forgotten_before, digest, row: Vec::new() })
    }

    /// Notes something of the state as a whole.
    pub fn write_meta(&mut self, key: MetaKey, payload: &[u8]) {
        let row = seal(Table::Meta, key.as_bytes(), payload);
        self.store.insert(Table::Meta, key.as_bytes(), &row);
    }

    /// The digest of the rows as they are now.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Writes what was held back until the end of a batch.
    pub fn finish(mut self) {
        let forgotten = self.memory.forgotten();
        if forgotten != self.forgotten_before {
            self.write_meta(MetaKey::Forgotten, &forgotten.0.to_le_bytes());
        }
        // Even if it is what it was: else whether there is a row at all would
        // depend on where a batch ends.
        self.write_meta(MetaKey::Digest, &self.digest.0.to_le_bytes());
    }
}
