//! Changes after a revision, compared with copies of the state at each.

use super::{
    super::{AtRevision, ChangeFilter, ChangePage, ChangesRead, ReadChange},
    past::{AUTHOR, Past, keys},
    *,
};

/// The revision and the key of a change, and the key's state after and before it.
type ModelChange = (u64, Key, Option<Entry>, Option<Entry>);

impl Past {
    /// Compares what changed after some revisions with the states.
    pub(super) fn check_changes(&self, floor: u64, last: u64) {
        let mut expected: Vec<ModelChange> = Vec::new();
        let mut before = &BTreeMap::new();
        for (at, state) in &self.states {
            for key in before.keys().chain(state.keys().filter(|key| !before.contains_key(*key))) {
                let (old, new) = (before.get(key), state.get(key));
                if *at > floor && old != new {
                    expected.push((*at, key.clone(), new.cloned(), old.cloned()));
                }
            }
            before = state;
        }
        expected.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        for after in [floor, floor + 1, (floor + last) / 2, last] {
            let filter = ChangeFilter {
                range: KeyRange::all(),
                sets: true,
                deletes: true,
                with_values: true,
                with_previous: true,
            };
            let expected: Vec<_> = expected.iter().filter(|(at, ..)| *at > after).cloned().collect();
            assert_eq!(self.in_order(after, &filter), expected, "after {after}, floor {floor}");
            for key in expected.iter().map(|(_, key, ..)| key).chain(&keys()) {
                let single = ChangeFilter { range: KeyRange::single(key), ..filter.clone() };
                let expected = expected.iter().filter(|(_, changed, ..)| changed == key).cloned();
                assert_eq!(
                    self.in_order(after, &single),
                    expected.collect::<Vec<_>>(),
                    "{key} after {after}"
                );
            }
            let some = ChangeFilter { range: KeyRange::prefix("b"), deletes: false, ..filter };
            let count = expected
                .iter()
                .filter(|(_, key, entry, _)| key.as_bytes() == b"b" && entry.is_some())
                .count();
            assert_eq!(self.changes(after, &some).len(), count);
        }
    }

    /// The changes after a revision, those of each in the order of the keys.
    fn in_order(&self, after: u64, filter: &ChangeFilter) -> Vec<ModelChange> {
        let mut found = self.changes(after, filter);
        assert!(found.is_sorted_by_key(|change| change.revision));
        found.sort_by(|one, other| (one.revision, &one.key).cmp(&(other.revision, &other.key)));
        let known = found.into_iter().map(|change| {
            assert_eq!(change.previous, change.previous_entry.as_ref().map(|entry| entry.modified));
            assert_eq!(change.origin.author, AUTHOR.as_bytes());
            (change.revision.0, change.key, change.entry, change.previous_entry)
        });
        known.collect()
    }

    /// Reads the changes after a revision, each page chunk by chunk.
    fn changes(&self, mut after: u64, filter: &ChangeFilter) -> Vec<ReadChange> {
        let mut all = Vec::new();
        loop {
            let mut page = ChangePage::default();
            let read = self.real.store.read_changes(Revision(after), filter, &mut page).expect("reads");
            all.extend(page.changes);
            match read {
                AtRevision::Found(ChangesRead::All) => return all,
                AtRevision::Found(ChangesRead::Upto(upto) | ChangesRead::Full(upto)) => {
                    assert!(upto.0 > after, "a page makes progress");
                    after = upto.0;
                }
                AtRevision::Compacted(floor) => panic!("{floor}"),
            }
        }
    }
}

/// The next page has room for it, unless the changes of the same revision take it.
#[test]
fn a_value_before_a_change_is_left_out_only_if_no_page_has_room() {
    let mut past = Past::new();
    past.raise_level(1);
    let set = |bytes| Batch::of(Operation::Set(key("k"), Value::new(vec![7; bytes]).expect("legal")));
    past.apply(&[(2, set(600 << 10)), (3, set(600 << 10)), (4, set(5))]);
    let filter = ChangeFilter {
        range: KeyRange::all(),
        sets: true,
        deletes: true,
        with_values: true,
        with_previous: true,
    };
    let read = |after| {
        let mut page = ChangePage::default();
        past.real.store.read_changes(Revision(after), &filter, &mut page).expect("reads");
        let known = page.changes.iter().map(|change| (change.previous, change.previous_entry.is_some()));
        (known.collect::<Vec<_>>(), page.bytes >> 10)
    };
    assert_eq!(read(2), (vec![(Some(Revision(2)), false)], 600));
    assert_eq!(read(3), (vec![(Some(Revision(3)), true)], 600));
}

/// One key among others whose changes fill 100 chunks: what many watches of single keys ask for.
#[test]
fn the_changes_of_a_single_key_are_found_without_those_of_others() {
    let mut past = Past::new();
    past.raise_level(1);
    let set = |at: u64, name: &str| {
        let value = Value::new(vec![0; 1000]).expect("legal");
        (at, Batch::of(Operation::Set(key(name), value)))
    };
    past.apply(&[set(2, "a")]);
    (3..=500).for_each(|at| past.apply(&[set(at, "b")]));
    past.apply(&[set(501, "a")]);
    (502..=1000).for_each(|at| past.apply(&[set(at, "b")]));
    let single = ChangeFilter {
        range: KeyRange::single(&key("a")),
        sets: true,
        deletes: true,
        with_values: true,
        with_previous: true,
    };
    let read = |after: u64| {
        let mut page = ChangePage::default();
        let read = past.real.store.read_changes(Revision(after), &single, &mut page).expect("reads");
        (read, page.changes.iter().map(|change| change.revision.0).collect::<Vec<_>>())
    };
    assert_eq!(read(501), (AtRevision::Found(ChangesRead::All), vec![]), "its row says that there is none");
    let (AtRevision::Found(ChangesRead::Upto(upto)), found) = read(2) else {
        panic!("the chunk of the change")
    };
    assert_eq!(found, [501]);
    assert_eq!(read(upto.0), (AtRevision::Found(ChangesRead::All), vec![]));
}
