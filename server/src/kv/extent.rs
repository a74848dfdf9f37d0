//! The extent of the history: a row among the values that describe the whole state.

use coffee_common::id::Revision;

use super::{
    error::KvError,
    store::Store,
    table::{MetaKey, Table},
};

/// The extent of the history, a row among the values that describe the whole state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistoryExtent {
    /// The first revision at which the state can be read: changes up to it are gone, or will be.
    pub floor: Revision,
    /// The last revision of the chunks that are gone.
    pub(super) dropped: Revision,
    /// The first revision of the chunk that takes the next change, its bytes with a part of the earlier
    /// values that are kept for it, and its revisions; no bytes if there is none.
    pub(super) open: Revision,
    pub(super) open_bytes: u64,
    pub(super) open_revisions: u64,
    /// The changes of keys that are kept.
    pub changes: u64,
    /// The bytes of chunks, and of earlier values that are kept for them.
    pub bytes: u64,
}

/// Fields of an extent as a row has them.
const FIELDS: usize = 7;

impl HistoryExtent {
    pub(super) fn encode(&self) -> [u8; 8 * FIELDS] {
        let Self { floor, dropped, open, open_bytes, open_revisions, changes, bytes } = *self;
        let mut row = [0; 8 * FIELDS];
        let numbers = [floor.0, dropped.0, open.0, open_bytes, open_revisions, changes, bytes];
        for (field, number) in row.chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        row
    }

    fn decode(row: &[u8]) -> Result<Self, KvError> {
        let wrong = || KvError::damaged(Table::Meta, "the extent of the history has a wrong length");
        let (fields, []) = row.as_chunks::<8>() else { return Err(wrong()) };
        let [floor, dropped, open, open_bytes, open_revisions, changes, bytes]: [[u8; 8]; FIELDS] =
            fields.try_into().map_err(|_| wrong())?;
        let [floor, dropped, open] = [floor, dropped, open].map(|field| Revision(u64::from_le_bytes(field)));
        let [open_bytes, open_revisions, changes, bytes] =
            [open_bytes, open_revisions, changes, bytes].map(u64::from_le_bytes);
        Ok(Self { floor, dropped, open, open_bytes, open_revisions, changes, bytes })
    }

    /// Closes the chunk that takes the next change: it goes to another one.
    pub(super) fn close_chunk(&mut self) {
        (self.open_bytes, self.open_revisions) = (0, 0);
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
