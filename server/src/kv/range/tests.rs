//! Tests of pages over changes in memory and rows in a database.

use std::{
    collections::BTreeMap,
    sync::atomic::{self, AtomicU64},
};

use coffee_common::{
    command::{Batch, Command, Operation, Proposal},
    feature_level::HISTORY,
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

/// A revision after all that were used in this process.
fn next_revision() -> Revision {
    static LAST: AtomicU64 = AtomicU64::new(0);
    Revision(LAST.fetch_add(1, atomic::Ordering::Relaxed) + 1)
}

fn apply(store: &mut Store, operation: Operation) {
    apply_command(store, Command::Batch(Batch::of(operation).into()));
}

fn apply_command(store: &mut Store, command: Command) {
    let mut memory = RequestMemory::load(store, 100).expect("loads");
    let mut tables = Tables::open(store, &mut memory).expect("opens");
    let proposal = Proposal { request: None, proposed_at_ms: 0, command, author: String::new() };
    crate::kv::apply(&mut tables, next_revision(), &proposal).expect("applies");
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
    page.entries.iter().map(|(key, _)| key.to_string()[4..].trim_start_matches('0').to_owned()).collect()
}

/// The pages of all keys, each after this many rows and changes in memory.
fn pages(store: &Store, rows: usize, changes: usize) -> Vec<(Vec<String>, Option<Key>)> {
    let (mut pages, mut range) = (Vec::new(), KeyRange::all());
    loop {
        let room = PageRoom { rows, changes, ..PageRoom::new(0) };
        let page = store.begin_page(&range, room, false).finish().expect("reads");
        pages.push((numbers(&page), page.upto.clone()));
        match page.upto {
            Some(upto) => range = range.after(&upto),
            None => return pages,
        }
    }
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
        assert_eq!(numbers(&page), ["1", "2", "3"]);
        assert_eq!(page.upto, Some(key(3)));
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

#[test]
fn a_page_ends_after_its_rows_though_all_are_deleted() {
    let database = database();
    let mut store = Store::over(snapshot(&database));
    apply_command(&mut store, Command::RaiseLevel(HISTORY));
    (0..8).for_each(|n| set(&mut store, n, 10));
    flush(&mut store, &database);
    (0..7).for_each(|n| apply(&mut store, Operation::Delete(key(n))));
    let deleted = |n| (Vec::new(), Some(key(n)));
    let last = || (vec!["7".to_owned()], None);
    assert_eq!(pages(&store, 100, 3), [deleted(2), deleted(5), last()]);
    for place in ["in memory", "in the database"] {
        assert_eq!(pages(&store, 3, 100), [deleted(2), deleted(5), last()], "{place}");
        assert_eq!(pages(&store, 100, 100), [last()], "{place}");
        flush(&mut store, &database);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pages_together_are_the_range(
        keeps_history in any::<bool>(),
        steps in prop::collection::vec((0u32..16, 0u8..8, 0usize..3), 0..60),
        limit in 0u32..5,
        (rows, changes) in (1usize..9, 1usize..9),
    ) {
        let database = database();
        let mut store = Store::over(snapshot(&database));
        if keeps_history {
            apply_command(&mut store, Command::RaiseLevel(HISTORY));
        }
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
            let room = PageRoom { rows, changes, ..PageRoom::new(limit) };
            let page = store.begin_page(&range, room, false).finish().expect("reads");
            prop_assert!(page.entries.len() <= rows);
            found.extend(page.entries.iter().map(|(key, entry)| (key.clone(), entry.value.as_bytes().len())));
            let Some(upto) = page.upto else { break };
            range = range.after(&upto);
        }
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }
}
