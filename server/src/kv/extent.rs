//! The extent of the history: a row among the values that describe the whole state.

use coffee_common::id::Revision;

use super::{
    error::KvError,
    store::Store,
    table::{MetaKey, Table},
};

/// How much history is kept: the oldest chunks are dropped when there is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The most bytes of chunks and of earlier values.
    pub bytes: u64,
    /// The most changes of keys.
    pub changes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { bytes: 256 << 20, changes: 1_000_000 }
    }
}

/// The extent of the history, a row among the values that describe the whole state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistoryExtent {
    /// Changes up to this revision are gone.
    pub floor: Revision,
    /// The first revision of the chunk that takes the next change, and its bytes and revisions; no bytes
    /// if there is none.
    pub(super) open: Revision,
    pub(super) open_bytes: u64,
    pub(super) open_revisions: u64,
    /// The changes of keys that are kept.
    pub changes: u64,
    /// The bytes of chunks, and of earlier values that are kept for them.
    pub bytes: u64,
}

/// Fields of an extent as a row has them.
const FIELDS: usize = 6;

impl HistoryExtent {
    pub(super) fn encode(&self) -> [u8; 8 * FIELDS] {
        let Self { floor, open, open_bytes, open_revisions, changes, bytes } = *self;
        let mut row = [0; 8 * FIELDS];
        let numbers = [floor.0, open.0, open_bytes, open_revisions, changes, bytes];
        for (field, number) in row.chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        row
    }

    fn decode(row: &[u8]) -> Result<Self, KvError> {
        let wrong = || KvError::damaged(Table::Meta, "the extent of the history has a wrong length");
        let (fields, []) = row.as_chunks::<8>() else { return Err(wrong()) };
        let [floor, open, open_bytes, open_revisions, changes, bytes]: [[u8; 8]; FIELDS] =
            fields.try_into().map_err(|_| wrong())?;
        let [floor, open] = [floor, open].map(|field| Revision(u64::from_le_bytes(field)));
        let [open_bytes, open_revisions, changes, bytes] =
            [open_bytes, open_revisions, changes, bytes].map(u64::from_le_bytes);
        Ok(Self { floor, open, open_bytes, open_revisions, changes, bytes })
    }

    /// Whether the change of a revision is in the chunk that takes the next change.
    pub(super) fn is_in_open_chunk(&self, revision: Revision) -> bool {
        self.open_bytes > 0 && revision >= self.open
    }
}

impl Store {
    /// Reads the extent of the history; `None` if the cluster keeps none.
    ///
    /// # Errors
    /// The row is damaged, or the database failed.
    pub fn history_extent(&self) -> Result<Option<HistoryExtent>, KvError> {
        self.meta(MetaKey::History)?.map(|row| HistoryExtent::decode(&row)).transpose()
    }
}
