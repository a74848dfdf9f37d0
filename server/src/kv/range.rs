//! Pages of a range of keys.
//!
//! A page is read in two parts. The first copies the range's changes out of the
//! memtables, which needs the state's lock and no disk. The second merges them
//! with the snapshot of the database, which needs the disk and no lock, so
//! applying continues meanwhile. Guards that a page is the state of one moment,
//! and that the bytes it *reads* are bounded, whatever it returns.

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
        entry::{self, ValuePlace},
        values,
    },
    store::Store,
    table::Table,
};

/// A page of a range of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RangePage {
    /// The keys in order, with their entries (values are empty if only keys were asked for).
    pub entries: Vec<(Key, Entry)>,
    /// Whether the range continues after the last of these.
    pub more: bool,
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
    /// more.
    changes: Vec<CopiedChange>,
    range: KeyRange,
    room: PageRoom,
    keys_only: bool,
}

/// The room that is left in a page.
#[derive(Clone, Copy)]
struct PageRoom {
    keys: usize,
    bytes: usize,
    empty: bool,
}

impl PageRoom {
    fn new(limit: u32) -> Self {
        let keys = if limit == 0 { RANGE_KEYS_MAX } else { limit.min(RANGE_KEYS_MAX) } as usize;
        Self { keys, bytes: RANGE_BYTES_MAX, empty: true }
    }

    /// Whether a row of this many bytes fits; if so it is counted. A row is read as a whole, so the
    /// value in it counts even if only keys are returned; one that is elsewhere counts if it is returned.
    fn takes(&mut self, key: &[u8], bytes: usize) -> bool {
        let bytes = key.len() + bytes;
        if self.keys == 0 || (bytes > self.bytes && !self.empty) {
            return false;
        }
        *self = Self { keys: self.keys - 1, bytes: self.bytes.saturating_sub(bytes), empty: false };
        true
    }
}

impl Store {
    /// Begins to read a page of a range: at most `limit` keys (0: no limit of the
    /// caller's), [`RANGE_KEYS_MAX`] keys, and [`RANGE_BYTES_MAX`] bytes of keys
    /// and values, which count even if only keys are asked for. The first key is
    /// always included. Does not read from the database.
    pub fn begin_range(&self, range: &KeyRange, limit: u32, keys_only: bool) -> RangeRead {
        let room = PageRoom::new(limit);
        let (mut left, mut changes) = (room, Vec::new());
        if !range.is_empty() {
            for (key, change) in self.changes_from(Table::Keys, bounds(range)) {
                let copy = self.copy(key, change.as_deref(), keys_only);
                let bytes = copy.row.as_ref().map(|row| row.len() + copy.value.as_ref().map_or(0, Vec::len));
                changes.push(copy);
                if bytes.is_some_and(|bytes| !left.takes(key, bytes)) {
                    break;
                }
            }
        }
        RangeRead { snapshot: self.snapshot().clone(), changes, range: range.clone(), room, keys_only }
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
        let Self { snapshot, changes, range, mut room, keys_only } = self;
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
                (Some(CopiedChange { row: None, .. }), _) | (None, None) => continue,
                (Some(CopiedChange { key, row: Some(row), value }), _) => {
                    (&**key, row.as_slice(), value.as_deref())
                }
                (None, Some((key, row))) => (key.value(), row.value(), None),
            };
            let (head, inline) = entry::decode(key, row)?;
            let value_bytes = match head.place {
                ValuePlace::Deleted => continue,
                ValuePlace::Elsewhere(bytes) if !keys_only => usize::try_from(bytes).unwrap_or(usize::MAX),
                _ => 0,
            };
            // The change that did not fit when the page was begun does not fit here either, so no
            // row after the last known change is returned.
            if !room.takes(key, row.len().saturating_add(value_bytes)) {
                page.more = true;
                return Ok(page);
            }
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
            page.entries
                .push((entry::decode_key(Table::Keys, key)?, entry::entry(Table::Keys, &head, value)?));
        }
    }
}

fn checked(row: &[u8], value: &[u8]) -> Result<Bytes, KvError> {
    entry::check_value(row, value)?;
    Ok(Bytes::copy_from_slice(value))
}

pub(super) fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    let to = range.to().map_or(Bound::Unbounded, |to| Bound::Excluded(to.as_bytes()));
    (Bound::Included(range.from().as_bytes()), to)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use coffee_common::{
        command::{Batch, Command, Operation, Proposal},
        id::Revision,
        key::Value,
    };
    use proptest::prelude::*;
    use redb::{Database, ReadableDatabase, backends::InMemoryBackend};

    use super::*;
    use crate::kv::{RequestMemory, Tables, create_tables};

    fn database() -> Database {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).expect("made");
        let txn = database.begin_write().expect("begins");
        create_tables(&txn).expect("creates");
        txn.commit().expect("commits");
        database
    }

    fn snapshot(database: &Database) -> DbSnapshot {
        DbSnapshot::open(&database.begin_read().expect("begins")).expect("opens")
    }

    fn key(n: u32) -> Key {
        Key::new(format!("key/{n:04}")).expect("legal")
    }

    fn apply(store: &mut Store, operation: Operation) {
        let mut memory = RequestMemory::load(store, 100).expect("loads");
        let mut tables = Tables::open(store, &mut memory).expect("opens");
        let command = Command::Batch(Batch::of(operation).into());
        let proposal = Proposal { request: None, proposed_at_ms: 0, command, author: String::new() };
        crate::kv::apply(&mut tables, Revision(7), &proposal).expect("applies");
        tables.finish();
    }

    fn set(store: &mut Store, n: u32, bytes: usize) {
        apply(store, Operation::Set(key(n), Value::new(vec![n as u8; bytes]).expect("legal")));
    }

    fn flush(store: &mut Store, database: &Database) {
        store.seal();
        let Some(memtable) = store.sealed() else { return };
        let txn = database.begin_write().expect("begins");
        memtable.flush(&txn).expect("flushes");
        txn.commit().expect("commits");
        drop(store.install_flushed(snapshot(database)));
    }

    fn numbers(page: &RangePage) -> Vec<String> {
        page.entries.iter().map(|(key, _)| key.as_str()[4..].trim_start_matches('0').to_owned()).collect()
    }

    #[test]
    fn a_page_of_keys_reads_no_more_bytes_than_a_page_of_values() {
        let database = database();
        let mut store = Store::over(snapshot(&database));
        for n in 1..=9 {
            set(&mut store, n, 300_000);
            if n == 6 {
                flush(&mut store, &database);
            }
        }
        for keys_only in [false, true] {
            let page = store.range(&KeyRange::all(), 0, keys_only).expect("reads");
            assert_eq!((numbers(&page), page.more), (vec!["1".into(), "2".into(), "3".into()], true));
        }
    }

    #[test]
    fn a_page_is_as_of_its_begin_though_applying_and_flushing_continue() {
        let database = database();
        let mut store = Store::over(snapshot(&database));
        (1..=3).for_each(|n| set(&mut store, n, 10));
        flush(&mut store, &database);
        set(&mut store, 5, 10);
        let begun = store.begin_range(&KeyRange::all(), 0, false);
        apply(&mut store, Operation::Delete(key(2)));
        set(&mut store, 4, 10);
        flush(&mut store, &database);
        assert_eq!(numbers(&begun.finish().expect("reads")), ["1", "2", "3", "5"]);
        assert_eq!(numbers(&store.range(&KeyRange::all(), 0, false).expect("reads")), ["1", "3", "4", "5"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pages_together_are_the_range(
            steps in prop::collection::vec((0u32..16, 0u8..8, 0usize..3), 0..60),
            limit in 0u32..5,
        ) {
            let database = database();
            let mut store = Store::over(snapshot(&database));
            let mut expected = BTreeMap::new();
            for (n, step, size) in steps {
                match step {
                    0 => flush(&mut store, &database),
                    1 => store.seal(),
                    2 | 3 => {
                        apply(&mut store, Operation::Delete(key(n)));
                        expected.remove(&key(n));
                    }
                    _ => {
                        let bytes = [3, 400_000, 1 << 20][size];
                        set(&mut store, n, bytes);
                        expected.insert(key(n), bytes);
                    }
                }
            }
            let (mut found, mut range) = (Vec::new(), KeyRange::all());
            loop {
                let page = store.range(&range, limit, false).expect("reads");
                prop_assert!(!page.more || !page.entries.is_empty());
                found.extend(page.entries.iter().map(|(key, entry)| (key.clone(), entry.value.as_bytes().len())));
                let Some((last, _)) = page.entries.last().filter(|_| page.more) else { break };
                range = range.after(last);
            }
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
