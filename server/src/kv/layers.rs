//! The state as it is: what the database holds, and what was applied since.
//!
//! Three layers, each in front of the next: the *active* overlay, which
//! applying changes; the *frozen* one, while it is folded into the database;
//! and the *base*, which is what the database was after the last fold. Guards
//! that whoever reads meets the newest of a row, and that nothing is given up
//! before the layer below it has it.

use std::{cmp::Ordering, iter::Peekable, ops::Bound, sync::Arc};

use super::{
    base::{Base, RowIter, Stored},
    layout::KvError,
    overlay::{Changes, Overlay},
    tables::Table,
};

/// The state, in layers.
pub struct Layers {
    active: Overlay,
    frozen: Option<Arc<Overlay>>,
    base: Arc<Base>,
}

/// A row or its key, wherever it lies.
pub(super) enum Bytes<'a> {
    Memory(&'a [u8]),
    Stored(Stored),
}

impl Bytes<'_> {
    pub(super) fn get(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::Stored(guard) => guard.value(),
        }
    }
}

impl Layers {
    /// The state that the database holds.
    pub fn over(base: impl Into<Arc<Base>>) -> Self {
        Self { active: Overlay::default(), frozen: None, base: base.into() }
    }

    /// What the database was after the last fold.
    pub fn base(&self) -> &Arc<Base> {
        &self.base
    }

    /// About how many bytes of memory the changes take that are not frozen.
    pub fn active_bytes(&self) -> usize {
        self.active.bytes()
    }

    /// Freezes what is active: it changes no more, and changes from now on go
    /// in front of it. What is frozen already has to be folded first.
    pub fn freeze(&mut self) {
        if self.frozen.is_none() && !self.active.is_empty() {
            let mut overlay = std::mem::take(&mut self.active);
            planted!("overlay-lost-at-checkpoint", overlay.lose(Table::Keys));
            self.frozen = Some(Arc::new(overlay));
        }
    }

    /// What is frozen: to be folded, and then settled.
    pub fn to_fold(&self) -> Option<Arc<Overlay>> {
        self.frozen.clone()
    }

    /// The database holds what was frozen, as `base` sees it. Gives what is of
    /// no more use: to be dropped where nobody waits.
    pub fn settle(&mut self, base: Base) -> impl Sized + use<> {
        (self.frozen.take(), std::mem::replace(&mut self.base, Arc::new(base)))
    }

    fn frozen(&self) -> Option<&Overlay> {
        self.frozen.as_deref().filter(|_| !planted!("frozen-layer-missed"))
    }

    pub(super) fn row(&self, table: Table, key: &[u8]) -> Result<Option<Bytes<'_>>, KvError> {
        let changed = self.active.row(table, key).or_else(|| self.frozen()?.row(table, key));
        match changed {
            Some(row) => Ok(row.map(Bytes::Memory)),
            None => Ok(self.base.row(table, key)?.map(Bytes::Stored)),
        }
    }

    /// The rows between two keys, in order.
    pub(super) fn rows_from(
        &self,
        table: Table,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<Rows<'_>, KvError> {
        Ok(Rows {
            active: self.active.rows_from(table, bounds).peekable(),
            frozen: self.frozen().map(|frozen| frozen.rows_from(table, bounds).peekable()),
            base: self.base.rows_from(table, bounds)?,
            stored: None,
        })
    }

    pub(super) fn insert(&mut self, table: Table, key: &[u8], row: &[u8]) {
        self.active.insert(table, key, row);
    }

    /// Changes a row, which is empty if there is none.
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

/// Rows of all layers, in the order of their keys, as they are: nothing of
/// them is verified.
pub(super) struct Rows<'a> {
    active: Peekable<Changes<'a>>,
    frozen: Option<Peekable<Changes<'a>>>,
    base: RowIter,
    /// The next row of the base.
    stored: Option<(Stored, Stored)>,
}

impl<'a> Rows<'a> {
    fn step(&mut self) -> Result<Option<(Bytes<'a>, Bytes<'a>)>, KvError> {
        loop {
            if self.stored.is_none() {
                self.stored = self.base.next().transpose()?;
            }
            let changed = next_change(&mut self.active, self.frozen.as_mut(), self.stored.as_ref());
            let Some((key, change)) = changed else {
                let stored = self.stored.take();
                return Ok(stored.map(|(key, row)| (Bytes::Stored(key), Bytes::Stored(row))));
            };
            if self.stored.as_ref().is_some_and(|(stored, _)| stored.value() == &**key) {
                self.stored = None;
            }
            if let Some(row) = change {
                return Ok(Some((Bytes::Memory(key), Bytes::Memory(row))));
            }
        }
    }
}

type Changed<'a> = (&'a Box<[u8]>, &'a Option<Vec<u8>>);

/// The next change that does not come behind the next stored row, if there is
/// one; older changes of the same row are passed over.
fn next_change<'a>(
    active: &mut Peekable<Changes<'a>>,
    frozen: Option<&mut Peekable<Changes<'a>>>,
    stored: Option<&(Stored, Stored)>,
) -> Option<Changed<'a>> {
    let due = |change: &Changed<'a>| stored.is_none_or(|(key, _)| &**change.0 <= key.value());
    let Some(frozen) = frozen else { return active.next_if(due) };
    let order = match (active.peek(), frozen.peek()) {
        (Some((newer, _)), Some((older, _))) => newer.cmp(older),
        (Some(_), None) => Ordering::Less,
        (None, _) => Ordering::Greater,
    };
    if order == Ordering::Greater {
        return frozen.next_if(due);
    }
    let next = active.next_if(due);
    if order == Ordering::Equal && next.is_some() {
        frozen.next();
    }
    next
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<(Bytes<'a>, Bytes<'a>), KvError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
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
    enum Step {
        Insert(u8, Vec<u8>),
        Remove(u8),
        Freeze,
        /// Folds what is frozen, if anything is; or all.
        Fold,
        /// Power is lost: before the fold, or between its commit and what follows it.
        Crash {
            committed: bool,
        },
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0u8..12, prop::collection::vec(any::<u8>(), 0..4)).prop_map(|(key, row)| Step::Insert(key, row)),
            4 => (0u8..12).prop_map(Step::Remove),
            1 => Just(Step::Freeze),
            2 => Just(Step::Fold),
            1 => any::<bool>().prop_map(|committed| Step::Crash { committed }),
        ]
    }

    type Model = BTreeMap<Vec<u8>, Vec<u8>>;

    /// Layers beside the maps that they are to be: as they are, as they were
    /// when they were frozen, and as the database is.
    struct Pair {
        layers: Layers,
        database: Database,
        now: Model,
        frozen: Option<Model>,
        folded: Model,
    }

    impl Pair {
        fn new() -> Self {
            let database = Database::builder().create_with_backend(InMemoryBackend::new()).expect("made");
            let txn = database.begin_write().expect("begins");
            create_tables(&txn).expect("creates");
            txn.commit().expect("commits");
            let layers = Layers::over(base(&database));
            Self { layers, database, now: Model::new(), frozen: None, folded: Model::new() }
        }

        fn take(&mut self, step: Step) {
            match step {
                Step::Insert(key, row) => {
                    self.layers.insert(Table::Keys, &[key], &row);
                    self.now.insert(vec![key], row);
                }
                Step::Remove(key) => {
                    self.layers.remove(Table::Keys, &[key]);
                    self.now.remove(&[key][..]);
                }
                Step::Freeze => drop(self.freeze()),
                Step::Fold => {
                    if self.commit() {
                        drop(self.layers.settle(base(&self.database)));
                    }
                }
                Step::Crash { committed } => {
                    if committed {
                        self.commit();
                    }
                    self.layers = Layers::over(base(&self.database));
                    (self.now, self.frozen) = (self.folded.clone(), None);
                }
            }
        }

        fn freeze(&mut self) -> Option<Arc<Overlay>> {
            self.layers.freeze();
            let overlay = self.layers.to_fold()?;
            self.frozen.get_or_insert_with(|| self.now.clone());
            Some(overlay)
        }

        fn commit(&mut self) -> bool {
            let Some(overlay) = self.freeze() else { return false };
            let txn = self.database.begin_write().expect("begins");
            overlay.fold(&txn).expect("folds");
            txn.commit().expect("commits");
            self.folded = self.frozen.take().expect("frozen with the layers");
            true
        }

        fn check(&self, from: u8, to: u8) {
            for key in 0..12 {
                let row = self.layers.row(Table::Keys, &[key]).expect("reads");
                assert_eq!(row.as_ref().map(Bytes::get), self.now.get(&[key][..]).map(Vec::as_slice));
            }
            let bounds = (Bound::Included(&[from][..]), Bound::Excluded(&[to][..]));
            let rows = self.layers.rows_from(Table::Keys, bounds).expect("reads");
            let rows: Model = rows
                .map(|row| row.map(|(key, row)| (key.get().to_vec(), row.get().to_vec())).expect("reads"))
                .collect();
            let expected = self.now.range::<[u8], _>(bounds);
            assert_eq!(rows, expected.map(|(key, row)| (key.clone(), row.clone())).collect());
            assert_eq!(self.layers.active_bytes() == 0, self.layers.active.is_empty());
        }
    }

    fn base(database: &Database) -> Base {
        Base::open(&database.begin_read().expect("begins")).expect("opens")
    }

    proptest! {
        #[test]
        fn layers_are_one_map(steps in prop::collection::vec((any_step(), 0u8..12, 0u8..12), 0..60)) {
            let mut pair = Pair::new();
            for (step, one, other) in steps {
                pair.take(step);
                pair.check(one.min(other), one.max(other));
            }
        }
    }
}
