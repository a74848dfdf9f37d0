//! The current state: the database, and the changes since the last flush.
//!
//! Three layers, newest first: the *active* memtable, which applying changes;
//! the *sealed* one, while it is flushed to the database; and a snapshot of the
//! database as of the last flush. Guards that a read returns the newest version
//! of a row, and that no layer is dropped before the layer below has its rows.

use std::{cmp::Ordering, iter::Peekable, ops::Bound, sync::Arc};

use super::{
    db_snapshot::{DbSnapshot, RowIter, StoredBytes},
    error::KvError,
    memtable::{ChangedRows, MemTable},
    table::Table,
};

/// The state: two memtables over a snapshot of the database.
pub struct Store {
    active: MemTable,
    sealed: Option<Arc<MemTable>>,
    snapshot: Arc<DbSnapshot>,
}

/// A copy of a row, after its key.
pub(super) type OwnedRow = (Vec<u8>, Vec<u8>);

/// A row or its key, in memory or in the database.
pub(super) enum RowBytes<'a> {
    Memory(&'a [u8]),
    Stored(StoredBytes),
    /// The beginning of a row of this many bytes, or all of it.
    Head(&'a [u8], usize),
}

impl RowBytes<'_> {
    pub(super) fn get(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) | Self::Head(bytes, _) => bytes,
            Self::Stored(guard) => guard.value(),
        }
    }

    /// The bytes of the whole row.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Head(_, bytes) => *bytes,
            other => other.get().len(),
        }
    }
}

impl Store {
    /// The state that a database holds, without changes.
    pub fn over(snapshot: impl Into<Arc<DbSnapshot>>) -> Self {
        Self { active: MemTable::default(), sealed: None, snapshot: snapshot.into() }
    }

    /// The database as of the last flush.
    pub fn snapshot(&self) -> &Arc<DbSnapshot> {
        &self.snapshot
    }

    /// The approximate memory that the active memtable takes.
    pub fn active_bytes(&self) -> usize {
        self.active.bytes()
    }

    /// The approximate memory of the changes that are not flushed yet.
    pub fn unflushed_bytes(&self) -> usize {
        self.active.bytes() + self.sealed.as_ref().map_or(0, |sealed| sealed.bytes())
    }

    /// Seals the active memtable: it no longer changes, and a new one takes the
    /// changes from now on. Does nothing if the last sealed memtable is not
    /// flushed yet, or if there are no changes.
    pub fn seal(&mut self) {
        if self.sealed.is_none() && !self.active.is_empty() {
            let mut memtable = std::mem::take(&mut self.active);
            planted!("overlay-lost-at-checkpoint", memtable.lose(Table::Keys));
            self.sealed = Some(Arc::new(memtable));
        }
    }

    /// The sealed memtable, to be flushed and then dropped by
    /// [`Store::install_flushed`].
    pub fn sealed(&self) -> Option<Arc<MemTable>> {
        self.sealed.clone()
    }

    /// Drops the sealed memtable, whose rows `snapshot` holds. Returns the
    /// replaced layers, which take long to drop: drop them outside of any lock.
    pub fn install_flushed(&mut self, snapshot: DbSnapshot) -> impl Sized + use<> {
        (self.sealed.take(), std::mem::replace(&mut self.snapshot, Arc::new(snapshot)))
    }

    fn sealed_memtable(&self) -> Option<&MemTable> {
        self.sealed.as_deref().filter(|_| !planted!("frozen-layer-missed"))
    }

    pub(super) fn row(&self, table: Table, key: &[u8]) -> Result<Option<RowBytes<'_>>, KvError> {
        let changed = self.active.row(table, key).or_else(|| self.sealed_memtable()?.row(table, key));
        match changed {
            Some(row) => Ok(row.map(RowBytes::Memory)),
            None => Ok(self.snapshot.row(table, key)?.map(RowBytes::Stored)),
        }
    }

    /// The rows within bounds, in order.
    pub(super) fn rows_from(
        &self,
        table: Table,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<StoreRows<'_>, KvError> {
        Ok(StoreRows {
            active: self.active.rows_from(table, bounds).peekable(),
            sealed: self.sealed_memtable().map(|sealed| sealed.rows_from(table, bounds).peekable()),
            stored: self.snapshot.rows_from(table, bounds)?,
            next_stored: None,
        })
    }

    /// The changes of rows within bounds since the last flush, in order.
    pub(super) fn changes_from<'a>(
        &'a self,
        table: Table,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> impl Iterator<Item = KeyAndChange<'a>> + use<'a> {
        let mut active = self.active.rows_from(table, bounds).peekable();
        let mut sealed = self.sealed_memtable().map(|sealed| sealed.rows_from(table, bounds).peekable());
        std::iter::from_fn(move || next_change(&mut active, sealed.as_mut(), None))
    }

    /// Whether the newest version of a row is in the database, or nowhere.
    pub(super) fn is_only_stored(&self, table: Table, key: &[u8]) -> bool {
        self.active.row(table, key).is_none()
            && self.sealed_memtable().is_none_or(|sealed| sealed.row(table, key).is_none())
    }

    /// Every row of a table, in order, unverified.
    pub(super) fn rows(&self, table: Table) -> Result<StoreRows<'_>, KvError> {
        self.rows_from(table, (Bound::Unbounded, Bound::Unbounded))
    }

    /// The first row after this key, and its key.
    pub(super) fn first_row_after(&self, table: Table, key: &[u8]) -> Result<Option<OwnedRow>, KvError> {
        let first = self.rows_from(table, (Bound::Excluded(key), Bound::Unbounded))?.next().transpose()?;
        Ok(first.map(|(key, row)| (key.get().to_vec(), row.get().to_vec())))
    }

    /// The last row whose key is this one or before it, but after another one, and its key.
    pub(super) fn last_row_between(
        &self,
        table: Table,
        after: &[u8],
        key: &[u8],
    ) -> Result<Option<OwnedRow>, KvError> {
        let mut upto = Bound::Included(key.to_vec());
        loop {
            if matches!(&upto, Bound::Included(upto) | Bound::Excluded(upto) if upto.as_slice() <= after) {
                return Ok(None);
            }
            let bounds = (Bound::Excluded(after), upto.as_ref().map(Vec::as_slice));
            let changed = [Some(&self.active), self.sealed_memtable()].into_iter().flatten();
            let changed = changed.filter_map(|layer| layer.rows_from(table, bounds).next_back());
            // Of two changes of the same row, the newer one comes first.
            let changed = changed.reduce(|newer, older| if older.0 > newer.0 { older } else { newer });
            let stored = self.snapshot.rows_from(table, bounds)?.next_back().transpose()?;
            let stored =
                stored.filter(|(key, _)| changed.is_none_or(|(changed, _)| key.value() > &**changed));
            match (stored, changed) {
                (Some((key, row)), _) => return Ok(Some((key.value().to_vec(), row.value().to_vec()))),
                (None, Some((key, Some(row)))) => return Ok(Some((key.to_vec(), row.clone()))),
                (None, Some((key, None))) => upto = Bound::Excluded(key.to_vec()),
                (None, None) => return Ok(None),
            }
        }
    }

    /// A row that was changed since the last flush.
    pub(super) fn changed_row(&self, table: Table, key: &[u8]) -> Option<&[u8]> {
        self.active.row(table, key).or_else(|| self.sealed_memtable()?.row(table, key))?
    }

    pub(super) fn insert(&mut self, table: Table, key: &[u8], row: &[u8]) {
        self.active.insert(table, key, row);
    }

    /// Changes a row in place. A missing row is passed as an empty one.
    pub(super) fn update(
        &mut self,
        table: Table,
        key: &[u8],
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), KvError> {
        if self.active.row(table, key).flatten().is_none() {
            let row = self.row(table, key)?.map(|row| row.get().to_vec()).unwrap_or_default();
            self.active.insert(table, key, &row);
        }
        self.active.update(table, key, change);
        Ok(())
    }

    pub(super) fn remove(&mut self, table: Table, key: &[u8]) {
        self.active.remove(table, key);
    }
}

/// Rows of all layers, merged in the order of their keys, unverified.
pub(super) struct StoreRows<'a> {
    active: Peekable<ChangedRows<'a>>,
    sealed: Option<Peekable<ChangedRows<'a>>>,
    stored: RowIter,
    /// The next row of `stored`.
    next_stored: Option<(StoredBytes, StoredBytes)>,
}

impl<'a> StoreRows<'a> {
    fn next_row(&mut self) -> Result<Option<(RowBytes<'a>, RowBytes<'a>)>, KvError> {
        loop {
            if self.next_stored.is_none() {
                self.next_stored = self.stored.next().transpose()?;
            }
            let changed = next_change(&mut self.active, self.sealed.as_mut(), self.next_stored.as_ref());
            let Some((key, change)) = changed else {
                let stored = self.next_stored.take();
                return Ok(stored.map(|(key, row)| (RowBytes::Stored(key), RowBytes::Stored(row))));
            };
            if self.next_stored.as_ref().is_some_and(|(stored, _)| stored.value() == &**key) {
                self.next_stored = None;
            }
            if let Some(row) = change {
                return Ok(Some((RowBytes::Memory(key), RowBytes::Memory(row))));
            }
        }
    }
}

pub(super) type KeyAndChange<'a> = (&'a Box<[u8]>, &'a Option<Vec<u8>>);

/// The next change whose key is not after the next stored row's, if there is
/// one. Skips the older change of the same row.
fn next_change<'a>(
    active: &mut Peekable<ChangedRows<'a>>,
    sealed: Option<&mut Peekable<ChangedRows<'a>>>,
    stored: Option<&(StoredBytes, StoredBytes)>,
) -> Option<KeyAndChange<'a>> {
    let due = |change: &KeyAndChange<'a>| stored.is_none_or(|(key, _)| &**change.0 <= key.value());
    let Some(sealed) = sealed else { return active.next_if(due) };
    let order = match (active.peek(), sealed.peek()) {
        (Some((newer, _)), Some((older, _))) => newer.cmp(older),
        (Some(_), None) => Ordering::Less,
        (None, _) => Ordering::Greater,
    };
    if order == Ordering::Greater {
        return sealed.next_if(due);
    }
    let next = active.next_if(due);
    if order == Ordering::Equal && next.is_some() {
        sealed.next();
    }
    next
}

impl<'a> Iterator for StoreRows<'a> {
    type Item = Result<(RowBytes<'a>, RowBytes<'a>), KvError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use redb::{Database, ReadableDatabase, backends::InMemoryBackend};

    use super::*;
    use crate::kv::create_tables;

    #[derive(Debug, Clone)]
    enum StoreStep {
        Insert(u8, Vec<u8>),
        Remove(u8),
        Seal,
        /// Flushes the sealed memtable, or else everything.
        Flush,
        /// Power is lost before the flush, or between its commit and the next step.
        Crash {
            committed: bool,
        },
    }

    fn any_step() -> impl Strategy<Value = StoreStep> {
        prop_oneof![
            8 => (0u8..12, prop::collection::vec(any::<u8>(), 0..4)).prop_map(|(key, row)| StoreStep::Insert(key, row)),
            4 => (0u8..12).prop_map(StoreStep::Remove),
            1 => Just(StoreStep::Seal),
            2 => Just(StoreStep::Flush),
            1 => any::<bool>().prop_map(|committed| StoreStep::Crash { committed }),
        ]
    }

    type RowMap = BTreeMap<Vec<u8>, Vec<u8>>;

    /// A store, and the maps that it should equal: now, when it was sealed, and
    /// in the database.
    struct StoreAndMaps {
        store: Store,
        database: Database,
        now: RowMap,
        sealed: Option<RowMap>,
        flushed: RowMap,
    }

    impl StoreAndMaps {
        fn new() -> Self {
            let database = Database::builder().create_with_backend(InMemoryBackend::new()).expect("made");
            let txn = database.begin_write().expect("begins");
            create_tables(&txn).expect("creates");
            txn.commit().expect("commits");
            let store = Store::over(snapshot(&database));
            Self { store, database, now: RowMap::new(), sealed: None, flushed: RowMap::new() }
        }

        fn take(&mut self, step: StoreStep) {
            match step {
                StoreStep::Insert(key, row) => {
                    self.store.insert(Table::Keys, &[key], &row);
                    self.now.insert(vec![key], row);
                }
                StoreStep::Remove(key) => {
                    self.store.remove(Table::Keys, &[key]);
                    self.now.remove(&[key][..]);
                }
                StoreStep::Seal => drop(self.seal()),
                StoreStep::Flush => {
                    if self.commit() {
                        drop(self.store.install_flushed(snapshot(&self.database)));
                    }
                }
                StoreStep::Crash { committed } => {
                    if committed {
                        self.commit();
                    }
                    self.store = Store::over(snapshot(&self.database));
                    (self.now, self.sealed) = (self.flushed.clone(), None);
                }
            }
        }

        fn seal(&mut self) -> Option<Arc<MemTable>> {
            self.store.seal();
            let memtable = self.store.sealed()?;
            self.sealed.get_or_insert_with(|| self.now.clone());
            Some(memtable)
        }

        fn commit(&mut self) -> bool {
            let Some(memtable) = self.seal() else { return false };
            let txn = self.database.begin_write().expect("begins");
            memtable.flush(&txn).expect("flushes");
            txn.commit().expect("commits");
            self.flushed = self.sealed.take().expect("sealed with the store");
            true
        }

        fn check(&self, from: u8, to: u8) {
            for key in 0..12 {
                let row = self.store.row(Table::Keys, &[key]).expect("reads");
                assert_eq!(row.as_ref().map(RowBytes::get), self.now.get(&[key][..]).map(Vec::as_slice));
            }
            let bounds = (Bound::Included(&[from][..]), Bound::Excluded(&[to][..]));
            let rows = self.store.rows_from(Table::Keys, bounds).expect("reads");
            let rows: RowMap = rows
                .map(|row| row.map(|(key, row)| (key.get().to_vec(), row.get().to_vec())).expect("reads"))
                .collect();
            let expected = self.now.range::<[u8], _>(bounds);
            assert_eq!(rows, expected.map(|(key, row)| (key.clone(), row.clone())).collect());
            assert_eq!(self.store.active_bytes() == 0, self.store.active.is_empty());
        }
    }

    fn snapshot(database: &Database) -> DbSnapshot {
        DbSnapshot::open(&database.begin_read().expect("begins")).expect("opens")
    }

    proptest! {
        #[test]
        fn layers_are_one_map(steps in prop::collection::vec((any_step(), 0u8..12, 0u8..12), 0..60)) {
            let mut pair = StoreAndMaps::new();
            for (step, one, other) in steps {
                pair.take(step);
                pair.check(one.min(other), one.max(other));
            }
        }
    }
}
