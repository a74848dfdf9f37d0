//! Damaged files: refused by name and next step, never served.

use std::{fs, path::Path};

use redb::{Database, ReadableTable, TableDefinition};

use super::*;

/// A closed log of a few entries in a file.
async fn written(path: &Path) {
    let mut log = LogStore::open(path, durable_state(), Poison::new()).expect("opens");
    log.save_vote(&vote(1)).await.expect("durable");
    append(&mut log, entries(1, 0..40)).await;
    log.purge(id(1, 9)).await.expect("queued");
    append(&mut log, entries(1, 40..50)).await;
    log.close().await.expect("flushed");
}

fn open_error(path: &Path) -> LogError {
    LogStore::open(path, durable_state(), Poison::new()).expect_err("is refused")
}

fn edit<K: redb::Key + 'static>(
    path: &Path,
    table: TableDefinition<'_, K, &'static [u8]>,
    edit: impl FnOnce(&mut redb::Table<'_, K, &'static [u8]>),
) {
    let database = Database::open(path).expect("opens");
    let transaction = database.begin_write().expect("begins");
    edit(&mut transaction.open_table(table).expect("is there"));
    transaction.commit().expect("commits");
}

#[tokio::test]
async fn a_damaged_entry_is_named_with_file_and_next_step() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.redb");
    written(&path).await;
    edit(&path, rows::ENTRIES, |table| {
        let mut row = table.get(30).expect("reads").expect("is there").value().to_vec();
        row[6] ^= 1;
        table.insert(30, row.as_slice()).expect("writes");
    });
    let error = open_error(&path);
    let text = error.to_string();
    assert!(text.contains("log.redb") && text.contains("log entry 30"), "{text}");
    assert!(error.hint().contains("coffeed rebuild"));
}

#[tokio::test]
async fn what_is_missing_or_out_of_order_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.redb");
    type Damage = fn(&Path);
    let tries: [(&str, Damage); 5] = [
        ("log entry 20: it is missing", |path| {
            edit(path, rows::ENTRIES, |table| drop(table.remove(20).expect("removes")));
        }),
        ("log entry 10: it is missing", |path| {
            edit(path, rows::ENTRIES, |table| drop(table.remove(10).expect("removes")));
        }),
        ("log entry 0: it is missing", |path| {
            edit(path, rows::META, |table| drop(table.remove(rows::PURGED).expect("removes")));
        }),
        ("the vote is for term 0", |path| {
            edit(path, rows::META, |table| drop(table.remove(rows::VOTE).expect("removes")));
        }),
        ("log entry 21: its checksum", |path| {
            edit(path, rows::ENTRIES, |table| {
                let row = table.get(20).expect("reads").expect("is there").value().to_vec();
                table.insert(21, row.as_slice()).expect("writes");
            });
        }),
    ];
    for (expected, damage) in tries {
        let _ = fs::remove_file(&path);
        written(&path).await;
        damage(&path);
        let error = open_error(&path).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn damage_that_is_met_while_reading_poisons() {
    let disk = Disk::default();
    let mut log = open_voted(&disk).await;
    append(&mut log, entries(1, 0..9)).await;
    let mut log = reopen(&disk);
    {
        let database = lock(&log.shared.database).clone().expect("is open");
        let transaction = database.begin_write().expect("begins");
        transaction.open_table(rows::ENTRIES).expect("is there").remove(4).expect("removes");
        transaction.commit().expect("commits");
    }
    let error = log.try_get_log_entries(0..9).await.expect_err("is damaged").to_string();
    assert!(error.contains("log entry 4: it is missing") && error.contains("coffeed rebuild"), "{error}");
    assert!(log.save_vote(&vote(2)).await.is_err(), "poisoned");
}

/// Of a thousand single flipped bits in a file of redb, 543 once gave values
/// that were silently wrong, and 17 a panic.
#[tokio::test]
async fn no_flipped_bit_is_ever_served() {
    let disk = Disk::default();
    let mut log = open_voted(&disk).await;
    append(&mut log, entries(1, 0..40)).await;
    log.close().await.expect("flushed");
    let whole = disk.durable();
    let expected = ids(&mut open(&Disk::holding(whole.clone()))).await;
    let mut refused = 0;
    // A prime step, so that all bits and all places within a page have their turn.
    for bit in (0..whole.len() * 8).step_by(whole.len() * 8 / 600 + 7) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match LogStore::open_inline(Disk::holding(flipped), durable_state(), Poison::new()) {
            Ok(mut log) => {
                assert_eq!(ids(&mut log).await, expected, "bit {bit}");
                assert_eq!(log.read_vote().await.expect("whole"), Some(vote(1)), "bit {bit}");
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn a_file_that_was_cut_short_or_is_something_else_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.redb");
    written(&path).await;
    let whole = fs::read(&path).expect("reads");
    for len in [1, 100, 4096, whole.len() / 2, whole.len() - 4096] {
        fs::write(&path, &whole[..len]).expect("writes");
        open_error(&path);
    }
    fs::write(&path, b"order/1 = latte\n".repeat(1000)).expect("writes");
    open_error(&path);
}

#[tokio::test]
async fn a_log_in_use_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.redb");
    let _log = LogStore::open(&path, durable_state(), Poison::new()).expect("opens");
    assert!(open_error(&path).hint().contains("other process"));
}
