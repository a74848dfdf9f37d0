//! Pages of a range of keys.
//!
//! A page is read in two parts. The first copies the range's changes out of the
//! memtables, which needs the state's lock and no disk. The second merges them
//! with the snapshot of the database, which needs the disk and no lock, so
//! applying continues meanwhile. Guards that a page is the state of one moment,
//! and that the bytes and rows it *reads* are bounded, whatever it returns: a
//! range may have far more deleted keys than live ones.

use std::{cmp::Ordering, ops::Bound, sync::Arc};

use bytes::Bytes;
use coffee_common::{
    entry::Entry,
    key::{Key, KeyRange},
    limits::{RANGE_BYTES_MAX, RANGE_KEYS_MAX},
};

use super::{
    db_snapshot::DbSnapshot,
    error::KvError,
    row::{
        entry::{self, RowHead, ValuePlace},
        values,
    },
    store::Store,
    table::Table,
};

/// A page ends after this many rows, deleted keys included.
const ROWS_MAX: usize = 8192;

/// A page ends after this many changes in memory: they are copied while the state is locked.
const CHANGES_MAX: usize = 1024;

/// A page of a range of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RangePage {
    /// The keys in order, with their entries (values are empty if only keys were asked for).
    pub entries: Vec<(Key, Entry)>,
    /// The last key that was looked at, if the range may continue after it.
    pub upto: Option<Key>,
}

/// A change of a row, as copied.
struct CopiedChange {
    key: Box<[u8]>,
    /// The new row; `None` if the key was deleted.
    row: Option<Vec<u8>>,
    /// The value, if it is not in the row and was asked for.
    value: Option<Vec<u8>>,
}

/// A page that is to be read: the changes in memory, and the database below them.
pub struct RangeRead {
    snapshot: Arc<DbSnapshot>,
    /// The first changes of the range, in order: as many as a page takes, and one
    /// more; or [`CHANGES_MAX`].
    changes: Vec<CopiedChange>,
    /// Whether there may be changes after these that a page would take.
    cut: bool,
    range: KeyRange,
    room: PageRoom,
    keys_only: bool,
}

/// A row that is read, without a value that is elsewhere.
struct RowRead<'row> {
    head: RowHead,
    inline: &'row [u8],
    /// The bytes that are read for it, without its key.
    bytes: usize,
}

impl<'row> RowRead<'row> {
    fn of(key: &[u8], row: &'row [u8], keys_only: bool) -> Result<Self, KvError> {
        let (head, inline) = entry::decode(key, row)?;
        let elsewhere = match head.place {
            ValuePlace::Elsewhere(bytes) if !keys_only => usize::try_from(bytes).unwrap_or(usize::MAX),
            _ => 0,
        };
        Ok(Self { head, inline, bytes: row.len().saturating_add(elsewhere) })
    }
}

/// The room that is left in a page.
#[derive(Clone, Copy)]
struct PageRoom {
    keys: usize,
    bytes: usize,
    rows: usize,
    changes: usize,
    empty: bool,
}

impl PageRoom {
    fn new(limit: u32) -> Self {
        let keys = if limit == 0 { RANGE_KEYS_MAX } else { limit.min(RANGE_KEYS_MAX) } as usize;
        Self { keys, bytes: RANGE_BYTES_MAX, rows: ROWS_MAX, changes: CHANGES_MAX, empty: true }
    }

    /// Whether a row of this many bytes fits; if so it is counted. A row is read as a whole, so the
    /// value in it counts even if only keys are returned; one that is elsewhere counts if it is returned.
    fn takes(&mut self, key: &[u8], bytes: usize) -> bool {
        let bytes = key.len() + bytes;
        if self.keys == 0 || (bytes > self.bytes && !self.empty) {
            return false;
        }
        self.keys -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.empty = false;
        true
    }
}

impl Store {
    /// Begins to read a page of a range: at most `limit` keys (0: no limit of the
    /// caller's), [`RANGE_KEYS_MAX`] keys, and [`RANGE_BYTES_MAX`] bytes of keys
    /// and values, which count even if only keys are asked for. The first key is
    /// always included, unless too many deleted ones are before it. Does not read from the database.
    pub fn begin_range(&self, range: &KeyRange, limit: u32, keys_only: bool) -> RangeRead {
        self.begin_page(range, PageRoom::new(limit), keys_only)
    }

    fn begin_page(&self, range: &KeyRange, room: PageRoom, keys_only: bool) -> RangeRead {
        let (mut left, mut changes, mut cut) = (room, Vec::new(), false);
        if !range.is_empty() {
            for (key, change) in self.changes_from(Table::Keys, bounds(range)) {
                let copy = self.copy(key, change.as_deref(), keys_only);
                let bytes = copy.row.as_ref().map(|row| row.len() + copy.value.as_ref().map_or(0, Vec::len));
                changes.push(copy);
                cut = changes.len() == room.changes;
                if cut || bytes.is_some_and(|bytes| !left.takes(key, bytes)) {
                    break;
                }
            }
        }
        RangeRead { snapshot: self.snapshot().clone(), changes, cut, range: range.clone(), room, keys_only }
    }

    /// Copies a change, with the value that belongs to it.
    fn copy(&self, key: &[u8], row: Option<&[u8]>, keys_only: bool) -> CopiedChange {
        // An error is found again when the row is read.
        let head = row.and_then(|row| entry::decode_head(key, row).ok());
        let row = row.filter(|_| head.is_none_or(|head| head.is_live()));
        let elsewhere = head.filter(|head| !keys_only && matches!(head.place, ValuePlace::Elsewhere(_)));
        let value = elsewhere.and_then(|head| {
            let key = values::key(key, head.modified);
            let row = self.changed_row(Table::Values, &key)?;
            values::decode(&key, row).ok().map(<[u8]>::to_vec)
        });
        CopiedChange { key: key.into(), row: row.map(<[u8]>::to_vec), value }
    }

    /// Reads a page of a range at once; see [`Store::begin_range`].
    ///
    /// # Errors
    /// A row is damaged, or the database failed.
    pub fn range(&self, range: &KeyRange, limit: u32, keys_only: bool) -> Result<RangePage, KvError> {
        self.begin_range(range, limit, keys_only).finish()
    }
}

impl RangeRead {
    /// Reads the page, as of the moment when it was begun. Blocks on the disk.
    ///
    /// # Errors
    /// A row is damaged, or the database failed.
    pub fn finish(self) -> Result<RangePage, KvError> {
        let Self { snapshot, changes, cut, range, mut room, keys_only } = self;
        let mut page = RangePage::default();
        if range.is_empty() {
            return Ok(page);
        }
        let mut changes = changes.iter().peekable();
        let mut stored = snapshot.rows_from(Table::Keys, bounds(&range))?;
        let mut next_stored = None;
        loop {
            if next_stored.is_none() {
                next_stored = stored.next().transpose()?;
            }
            let order = match (changes.peek(), &next_stored) {
                (Some(change), Some((stored, _))) => (*change.key).cmp(stored.value()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return Ok(page),
            };
            let replaced = if order.is_ge() { next_stored.take() } else { None };
            let changed = if order.is_le() { changes.next() } else { None };
            let (key, row, value) = match (changed, &replaced) {
                (Some(change), _) => (&*change.key, change.row.as_deref(), change.value.as_deref()),
                (None, Some((key, row))) => (key.value(), Some(row.value()), None),
                (None, None) => continue,
            };
            room.rows -= 1;
            // After the last copied change, a row may have another one that was not copied.
            let is_last = room.rows == 0 || (cut && changes.peek().is_none());
            let read = row.map(|row| RowRead::of(key, row, keys_only)).transpose()?;
            if let Some(RowRead { head, inline, bytes }) = read.filter(|read| read.head.is_live()) {
                // The change that did not fit when the page was begun does not fit here either, so no
                // row after the last known change is returned.
                if !room.takes(key, bytes) {
                    page.upto = page.entries.last().map(|(key, _)| key.clone());
                    return Ok(page);
                }
                let row = row.unwrap_or_default();
                let value = match (head.place, value) {
                    _ if keys_only => Bytes::new(),
                    (ValuePlace::Elsewhere(_), Some(value)) => checked(row, value)?,
                    (ValuePlace::Elsewhere(_), None) => {
                        let key = values::key(key, head.modified);
                        let found = snapshot.row(Table::Values, &key)?;
                        let found = found.ok_or(KvError::damaged(Table::Values, "a value is missing"))?;
                        checked(row, values::decode(&key, found.value())?)?
                    }
                    _ => Bytes::copy_from_slice(inline),
                };
                let entry = entry::entry(Table::Keys, &head, value)?;
                page.entries.push((entry::decode_key(Table::Keys, key)?, entry));
            }
            if is_last {
                page.upto = Some(entry::decode_key(Table::Keys, key)?);
                return Ok(page);
            }
        }
    }
}

fn checked(row: &[u8], value: &[u8]) -> Result<Bytes, KvError> {
    entry::check_value(row, value)?;
    Ok(Bytes::copy_from_slice(value))
}

pub(super) fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Included(range.from()), range.to().map_or(Bound::Unbounded, Bound::Excluded))
}

#[cfg(test)]
mod tests;
