//! Reads of earlier revisions, compared with copies of the state at each revision.

use coffee_common::{feature_level::HISTORY, history_limit::HistoryLimit};

use super::{
    super::{AtRevision, PastRead, PastVersion, VersionCursor, VersionRoom, level},
    *,
};
use crate::kv::table::Table;

pub(super) const AUTHOR: &str = "writer till";

/// A cluster that keeps a history from some revision on, and the state at each revision since.
pub(super) struct Past {
    pub(super) real: Real,
    now: KvModel,
    pub(super) states: BTreeMap<u64, BTreeMap<Key, Entry>>,
    /// Nothing before it can be read, as far as this model knows.
    floor: u64,
}

impl Past {
    pub(super) fn new() -> Self {
        Self { real: Real::new(MEMORY), now: KvModel::default(), states: BTreeMap::new(), floor: 0 }
    }

    /// One that keeps no more than this.
    fn keeping(bytes: u64, changes: u64) -> Self {
        let mut past = Self::new();
        for setting in [Setting::HistoryBytesMax(bytes), Setting::HistoryChangesMax(changes)] {
            past.command(0, Command::ChangeSetting(SettingChange::Set(setting)));
        }
        past
    }

    /// The present state in the model, to be changed before the command that changes it.
    pub(super) fn state(&mut self) -> &mut BTreeMap<Key, Entry> {
        &mut self.now.keys
    }

    pub(super) fn command(&mut self, at: u64, command: Command) -> Outcome {
        let proposal =
            Proposal { request: None, proposed_at_ms: 1000 + at, command, author: AUTHOR.to_owned() };
        self.states.insert(at, self.now.keys.clone());
        self.real.apply(&[(Revision(at), proposal)]).remove(0)
    }

    /// Compacts the history, and returns how many commands that took.
    fn compact(&mut self, mut at: u64, limit: HistoryLimit) -> u64 {
        let before = at;
        loop {
            let outcome = self.command(at, Command::CompactHistory(limit));
            at += 1;
            if let HistoryLimit::Upto(upto) = limit
                && self.is_kept()
            {
                self.floor = self.floor.max(upto.0.min(before));
            }
            if !matches!(outcome, Outcome::HistoryCompacted { done: false, .. }) {
                return at - before;
            }
        }
    }

    fn is_kept(&self) -> bool {
        self.real.store.history_extent().expect("reads").is_some()
    }

    /// Applies batches, one entry each, and notes the states.
    pub(super) fn apply(&mut self, entries: &[(u64, Batch)]) {
        let heads = entries.iter().flat_map(|(_, batch)| batch.keys());
        let mut reading = self.real.store.begin_heads(heads);
        while reading.read_next().expect("reads") {}
        let tables = Tables::open(&mut self.real.store, &mut self.real.memory).expect("opens");
        let mut tables = tables.with_heads(reading.finish());
        for (at, batch) in entries {
            let command = Command::Batch(batch.clone().into());
            let proposal =
                Proposal { request: None, proposed_at_ms: 1000 + at, command, author: AUTHOR.to_owned() };
            let outcome = apply(&mut tables, Revision(*at), &proposal).expect("applies");
            assert_eq!(outcome, self.now.apply(Revision(*at), &proposal));
            self.states.insert(*at, self.now.keys.clone());
        }
        tables.finish();
        self.real.hash();
    }

    pub(super) fn raise_level(&mut self, at: u64) {
        let mut tables = Tables::open(&mut self.real.store, &mut self.real.memory).expect("opens");
        level::raise(&mut tables, Revision(at), HISTORY, HISTORY).expect("is raised");
        tables.finish();
        self.states.insert(at, self.now.keys.clone());
    }

    /// Compares every key at every revision, and returns the floor.
    pub(super) fn check(&self, last: u64, keys: &[Key]) -> u64 {
        assert_eq!(
            self.real.store.range(&KeyRange::all(), 0, false).expect("reads").entries,
            self.now.keys.clone().into_iter().collect::<Vec<_>>()
        );
        let Some(extent) = self.real.store.history_extent().expect("reads") else { return last };
        assert!(extent.floor.0 >= self.floor);
        for key in keys {
            assert_eq!(self.real.store.get(key).expect("reads").as_ref(), self.now.keys.get(key));
            for at in 0..=last {
                let found = self.get_at(key, at, true);
                let expected = match at < extent.floor.0 {
                    true => AtRevision::Compacted(extent.floor),
                    false => {
                        let state = self.states.range(..=at).next_back().map(|(_, state)| state);
                        AtRevision::Found(state.and_then(|state| state.get(key)).cloned())
                    }
                };
                assert_eq!(found, expected, "{key} at {at}, floor {:?}", extent.floor);
            }
            self.check_versions(key, extent.floor.0);
        }
        self.check_changes(extent.floor.0, last);
        extent.floor.0
    }

    fn get_at(&self, key: &Key, at: u64, with_value: bool) -> AtRevision<Option<Entry>> {
        let mut read = PastRead::new(Revision(at), with_value);
        loop {
            if let Some(found) = self.real.store.read_past(key, &mut read).expect("reads") {
                return found;
            }
        }
    }

    /// Reads all versions of a key in pages of some versions, with the revision of the last one alone as
    /// the place of the next page.
    fn versions(&self, key: &Key, page: usize, page_bytes: usize) -> Vec<PastVersion> {
        let (mut all, mut begin) = (Vec::new(), VersionCursor::Present);
        loop {
            let mut room = VersionRoom { versions: page, bytes: page_bytes, with_values: true };
            let (mut versions, mut cursor) = (Vec::new(), Some(begin));
            while let Some(at) = cursor.filter(|_| !room.is_full()) {
                cursor = self.real.store.read_versions(key, at, &mut room, &mut versions).expect("reads");
            }
            assert!(versions.len() <= page);
            let last = versions.last().map(|version| version.revision);
            all.extend(versions);
            match (cursor, last) {
                (None, _) => return all,
                (Some(_), last) => begin = VersionCursor::Before(last.expect("a page makes progress")),
            }
        }
    }

    /// Compares the versions of a key with the states.
    fn check_versions(&self, key: &Key, floor: u64) {
        let mut expected = Vec::new();
        let mut known = None;
        for (at, state) in self.states.range(..) {
            let entry = state.get(key);
            if *at <= floor {
                (expected, known) =
                    (entry.map(|entry| (entry.modified, Some(entry))).into_iter().collect(), entry);
            } else if entry != known {
                expected.push((Revision(*at), entry));
                known = entry;
            }
        }
        expected.reverse();
        for (page, bytes) in [(1000, usize::MAX), (1, usize::MAX), (3, 1)] {
            let versions = self.versions(key, page, bytes);
            let found: Vec<_> =
                versions.iter().map(|version| (version.revision, version.entry.as_ref())).collect();
            assert_eq!(found, expected, "{key}, floor {floor}");
            for version in &versions {
                let is_timed = version.change.as_ref().is_some_and(|of| {
                    of.at_ms == 1000 + version.revision.0 && of.author == AUTHOR.as_bytes()
                });
                assert!(is_timed || version.change.is_none() && version.revision.0 <= floor);
            }
        }
    }

    fn rows(&self, table: Table) -> usize {
        self.real.store.rows(table).expect("reads").count()
    }
}

pub(super) fn keys() -> Vec<Key> {
    [&b"a"[..], b"a\0", b"b", b"\xff"].map(key).to_vec()
}

fn value(byte: u8, bytes: usize) -> Value {
    Value::new(vec![byte; bytes]).expect("legal")
}

fn set(name: &str, value: Value) -> Operation {
    Operation::Set(key(name), value)
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let bytes = prop::sample::select(vec![0usize, 3, 200, 1024, 1025, 5000]);
    prop_oneof![
        3 => (any_key(), any::<u8>(), bytes).prop_map(|(key, byte, bytes)| Operation::Set(key, value(byte, bytes))),
        1 => any_key().prop_map(Operation::Delete),
    ]
}

fn any_limit() -> impl Strategy<Value = HistoryLimit> {
    prop_oneof![
        (0u64..60).prop_map(|upto| HistoryLimit::Upto(Revision(upto))),
        (0u64..20_000, 0u64..30).prop_map(|(bytes, changes)| HistoryLimit::Size { bytes, changes }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn each_revision_can_be_read_until_it_is_dropped(
        steps in prop::collection::vec(
            (
                prop::collection::vec(prop::collection::vec(any_operation(), 0..4), 1..8),
                any::<bool>(),
                prop::option::weighted(0.2, any_limit()),
            ),
            1..12,
        ),
        between in any_between(),
        raised in 0usize..4,
        changes in prop::sample::select(vec![0u64, 5, 20, 1000]),
        bytes in prop::sample::select(vec![0u64, 20_000, 1 << 20]),
    ) {
        let mut past = Past::keeping(bytes, changes);
        let mut index = 0;
        for (place, (batches, apart, limit)) in steps.into_iter().enumerate() {
            if place == raised {
                index += 1;
                past.raise_level(index);
            }
            let entries: Vec<_> = batches
                .into_iter()
                .map(|operations| {
                    index += if index % 4 == 1 { 3 } else { 1 };
                    (index, Batch { conditions: Vec::new(), operations })
                })
                .collect();
            match apart {
                true => entries.chunks(1).for_each(|entry| past.apply(entry)),
                false => past.apply(&entries),
            }
            past.real.go_through(between[place % between.len()]);
            if let Some(limit) = limit {
                index += past.compact(index + 1, limit);
            }
            past.check(index, &keys());
        }
    }
}

/// Retention is applied when a chunk is full, which one key with short values takes long for.
#[test]
fn what_is_dropped_leaves_no_row() {
    let mut past = Past::keeping(0, 0);
    past.raise_level(1);
    past.apply(&[
        (2, Batch::of(set("a", value(1, 5000)))),
        (3, Batch::of(set("a", value(2, 6000)))),
        (4, Batch::of(Operation::Delete(key("a")))),
        (5, Batch::of(set("b", value(3, 2000)))),
    ]);
    assert_eq!((past.rows(Table::Keys), past.rows(Table::Values)), (2, 3), "a tombstone, and earlier values");
    // Each of these fills a chunk: the one before is dropped.
    let fill = |number: u8| {
        let operations = (0..40).map(|n| set(&format!("fill/{n}"), value(number, 500))).collect();
        Batch { conditions: Vec::new(), operations }
    };
    for at in 6..12 {
        past.apply(&[(at, fill(at as u8))]);
        past.real.restart();
    }
    assert_eq!((past.rows(Table::Keys), past.rows(Table::Values)), (41, 1), "b and 40 others, b's value");
    assert_eq!(past.rows(Table::Changes), 1);
    assert_eq!(past.check(11, &keys()), 10);
    let extent = past.real.store.history_extent().expect("reads").expect("kept");
    assert_eq!(extent.changes, 40);
    let (_, row) = past.real.store.first_row_after(Table::Changes, &[]).expect("reads").expect("one");
    assert_eq!(extent.bytes, row.len() as u64);
}

/// More chunks than one command drops. Four revisions fill one, each with an earlier value elsewhere.
#[test]
fn a_command_drops_a_bounded_part_of_the_history() {
    let mut past = Past::new();
    past.raise_level(1);
    let fill = |at: u64| {
        let mut operations: Vec<_> =
            (0..3).map(|n| set(&format!("fill/{n}"), value(at as u8, 500))).collect();
        operations.push(set("a", value(at as u8, 2000)));
        Batch { conditions: Vec::new(), operations }
    };
    let extent = |past: &Past| past.real.store.history_extent().expect("reads").expect("kept");
    (2..=600).for_each(|at| past.apply(&[(at, fill(at))]));
    past.real.restart();
    assert_eq!((past.rows(Table::Changes), past.rows(Table::Values)), (150, 599));

    // A revision within a chunk: what is left of it is kept, and not shown.
    assert_eq!(past.compact(601, HistoryLimit::Upto(Revision(300))), 2);
    assert_eq!(past.check(602, &keys()), 300);
    assert_eq!((past.rows(Table::Changes), past.rows(Table::Values)), (76, 301), "those at and after 300");
    past.real.restart();
    let before = extent(&past);
    assert_eq!(past.compact(603, HistoryLimit::Size { bytes: before.bytes / 2, changes: u64::MAX }), 1);
    let after = extent(&past);
    assert!(after.bytes <= before.bytes / 2 && after.bytes > before.bytes / 4, "{before:?}, {after:?}");
    past.check(603, &keys());
    // The present state is kept, and the chunk that is open is dropped.
    past.apply(&[(604, fill(604))]);
    assert_eq!(past.compact(605, HistoryLimit::Upto(Revision(u64::MAX))), 1);
    assert_eq!(past.check(605, &keys()), 605);
    assert_eq!((past.rows(Table::Changes), past.rows(Table::Values)), (0, 1));
    assert_eq!((extent(&past).bytes, extent(&past).changes), (0, 0));
    past.apply(&[(606, fill(606))]);
    past.check(606, &keys());
}

/// A secret that was deleted, and another write in the same chunk.
#[test]
fn what_is_compacted_leaves_no_byte_although_its_chunk_goes_on() {
    let mut past = Past::new();
    past.raise_level(1);
    past.apply(&[
        (2, Batch::of(set("a", Value::new("secret").expect("legal")))),
        (3, Batch::of(set("b", Value::new("kept").expect("legal")))),
        (4, Batch::of(Operation::Delete(key("a")))),
        (5, Batch::of(set("b", Value::new("later").expect("legal")))),
    ]);
    past.real.restart();
    let has = |past: &Past, text: &str| {
        let mut rows = Table::ALL.iter().flat_map(|table| past.real.store.rows(*table).expect("reads"));
        rows.any(|row| {
            let (_, row) = row.expect("reads");
            row.get().windows(text.len()).any(|bytes| bytes == text.as_bytes())
        })
    };
    assert!(has(&past, "secret"));
    assert_eq!(past.compact(6, HistoryLimit::Upto(Revision(4))), 1);
    past.real.restart();
    assert!(!has(&past, "secret") && has(&past, "kept") && has(&past, "later"));
    assert_eq!(past.check(6, &keys()), 4);
    past.apply(&[(7, Batch::of(set("b", value(7, 3))))]);
    assert_eq!(past.check(7, &keys()), 4);
}

#[test]
fn a_range_that_ends_before_it_begins_has_no_key() {
    let mut past = Past::new();
    past.raise_level(1);
    past.apply(&[(2, Batch::of(set("b", value(1, 9))))]);
    let range = KeyRange::between("c", Some(b"a"));
    assert_eq!(past.real.store.keys_ever(&range, 10).expect("reads"), []);
}

#[test]
fn a_batch_that_takes_back_its_own_change_makes_none() {
    let mut past = Past::new();
    past.raise_level(1);
    let operations = vec![set("a", value(1, 5000)), Operation::Delete(key("a")), Operation::Delete(key("b"))];
    past.apply(&[(2, Batch { conditions: Vec::new(), operations })]);
    assert_eq!((past.rows(Table::Keys), past.rows(Table::Values), past.rows(Table::Changes)), (0, 0, 0));
    past.check(2, &keys());
}

#[test]
fn a_cluster_of_the_first_level_keeps_no_history() {
    let mut past = Past::new();
    past.apply(&[(2, Batch::of(set("a", value(1, 5000)))), (3, Batch::of(Operation::Delete(key("a"))))]);
    assert!(!past.is_kept());
    let compact = Command::CompactHistory(HistoryLimit::Upto(Revision(3)));
    assert_eq!(past.command(4, compact), Outcome::Nothing);
    assert!(past.real.store.floor().is_err());
    assert_eq!((past.rows(Table::Keys), past.rows(Table::Values), past.rows(Table::Changes)), (0, 0, 0));
}

#[test]
fn replicas_that_differ_in_an_earlier_version_have_different_digests() {
    let digest = |byte| {
        let mut past = Past::new();
        past.raise_level(1);
        past.apply(&[(2, Batch::of(set("a", value(byte, 9)))), (3, Batch::of(Operation::Delete(key("a"))))]);
        past.real.store.digest().expect("reads")
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}
