//! Damaged files are rejected with a file name and a hint, and never served.

use std::{fs, path::Path};

use super::{
    super::{
        records::LogRecord,
        wal::{Lookup, Wal},
    },
    *,
};

/// Writes a closed log of a few entries to a file.
async fn written(path: &Path) {
    let mut log = LogStore::open(path, durable_state(), Poison::new()).expect("opens");
    log.save_vote(&vote(1)).await.expect("durable");
    append(&mut log, entries(1, 0..40)).await;
    log.purge(id(1, 9)).await.expect("queued");
    append(&mut log, entries(1, 40..50)).await;
    log.close().await.expect("flushed");
}

fn open_error(path: &Path) -> LogError {
    LogStore::open(path, durable_state(), Poison::new()).expect_err("is rejected")
}

/// The offset of the last occurrence of `what`.
fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).rposition(|window| window == what).expect("it is there")
}

#[tokio::test]
async fn a_damaged_entry_is_named_with_file_and_next_step() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.wal");
    let mut log = LogStore::open(&path, durable_state(), Poison::new()).expect("opens");
    log.save_vote(&vote(1)).await.expect("durable");
    append(&mut log, entries(1, 0..30)).await;
    append(&mut log, vec![large(30, 999)]).await;
    append(&mut log, entries(1, 31..40)).await;
    log.close().await.expect("flushed");
    let mut bytes = fs::read(&path).expect("reads");
    let at = find(&bytes, &[7; 999]);
    bytes[at + 500] ^= 1;
    fs::write(&path, bytes).expect("writes");
    let error = open_error(&path);
    let text = error.to_string();
    assert!(text.contains("log.wal") && text.contains("the part after log entry 29"), "{text}");
    assert!(error.hint().contains("coffeed rebuild"));
}

#[test]
fn missing_entries_and_wrong_orders_are_rejected() {
    let id = |term, index| LogIdRecord { term, index };
    let entry = |term, index| LogRecord::Entry(LogEntry::new(id(term, index).into(), Payload::Blank));
    let vote = |term| LogRecord::Vote(VoteRecord::from(&vote(term)));
    let tries = [
        ("log entry 2: it is missing", vec![vote(1), entry(1, 0), entry(1, 1), entry(1, 3)]),
        ("log entry 2: it is missing", vec![vote(1), LogRecord::Purge(id(1, 1)), entry(1, 3)]),
        ("the vote is for term 0", vec![entry(1, 0)]),
        ("the vote is for term 1", vec![vote(1), entry(2, 0)]),
        ("log entry 1: it is of an earlier term", vec![vote(2), entry(2, 0), entry(1, 1)]),
        ("begins or ends in the middle", vec![vote(1), LogRecord::Begin(Default::default())]),
    ];
    for (expected, records) in tries {
        let disk = LogDisk::default();
        let mut wal = Wal::open(file(&disk), None).expect("opens");
        for record in records {
            wal.add(&record).expect("added");
        }
        wal.sync().expect("durable");
        let error = LogStore::open_inline(Box::new(disk.clone()), durable_state(), Poison::new());
        let error = error.expect_err("is rejected").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn damage_that_is_met_while_reading_poisons() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    append(&mut log, (0..9).map(|index| large(index, 999)).collect()).await;
    let mut log = reopen(&disk);
    let backend = lock(&log.shared.file).clone().expect("is open");
    let Lookup::Found(found, _) = lock(&log.shared.locations).of(4..5, usize::MAX) else {
        panic!("it is not read")
    };
    backend.write(found[0].1.offset + 100, b"x").expect("writes");
    let error = log.try_get_log_entries(0..9).await.expect_err("is damaged").to_string();
    assert!(error.contains("log entry 4: its checksum"), "{error}");
    assert_eq!(log.shared.poison.failure().expect("poisoned").kind, FailureKind::Damage);
    assert!(log.save_vote(&vote(2)).await.is_err(), "poisoned");
}

#[tokio::test]
async fn no_flipped_bit_is_ever_served() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    append(&mut log, entries(1, 0..40)).await;
    log.close().await.expect("flushed");
    let whole = disk.durable();
    let expected = ids(&mut LogStore::open_inline(
        Box::new(LogDisk::holding(whole.clone())),
        durable_state(),
        Poison::new(),
    )
    .expect("whole"))
    .await;
    let used = whole.iter().rposition(|byte| *byte != 0).expect("something is there") + 1;
    let mut refused = 0;
    // A prime step, which covers all bit positions.
    for bit in (0..used * 8).step_by(13) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match LogStore::open_inline(Box::new(LogDisk::holding(flipped)), durable_state(), Poison::new()) {
            Ok(mut log) => {
                assert_eq!(ids(&mut log).await, expected, "bit {bit}");
                assert_eq!(log.read_vote().await.expect("whole"), Some(vote(1)), "bit {bit}");
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}

/// A torn write was never reported durable.
#[tokio::test]
async fn a_torn_end_is_left_out_and_written_over() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    append(&mut log, entries(1, 0..5)).await;
    let whole = disk.durable();
    append(&mut log, vec![large(5, 2000)]).await;
    let later = disk.durable();
    let used = later.iter().rposition(|byte| *byte != 0).expect("something is there") + 1;
    for lost in (1..2000).step_by(97) {
        let mut torn = later.clone();
        torn[used - lost..used].copy_from_slice(&whole[used - lost..used]);
        let disk = LogDisk::holding(torn);
        let mut log = open(&disk);
        assert_eq!(last(&mut log).await, Some(id(1, 4)), "{lost} bytes lost");
        append(&mut log, entries(1, 5..6)).await;
        assert_eq!(ids(&mut reopen(&disk)).await.len(), 6);
    }
}

#[tokio::test]
async fn a_file_that_is_truncated_or_not_a_log_is_rejected() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.wal");
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
async fn a_log_in_use_is_rejected_with_a_hint() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.wal");
    let _log = LogStore::open(&path, durable_state(), Poison::new()).expect("opens");
    assert!(open_error(&path).hint().contains("other process"));
}
