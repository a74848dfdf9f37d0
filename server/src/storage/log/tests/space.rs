//! The space that the log takes on a real disk.

use std::{fs, os::unix::fs::MetadataExt};

use coffee_common::limits::VALUE_BYTES_MAX;

use super::*;
use crate::storage::log::wal::CHUNK_BYTES as CHUNK_BYTES_ON_DISK;

const BLOCK_BYTES: u64 = 512;

/// Appends `batches` batches; returns the bytes of their entries, and those of
/// the file: its length or its allocated blocks, whichever is more.
async fn written(batches: u64, batch: impl Fn(u64) -> Vec<LogEntry>) -> (u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log.wal");
    let mut log = LogStore::open(&path, durable_state(), Poison::new()).expect("opens");
    log.save_vote(&vote(1)).await.expect("durable");
    for number in 0..batches {
        append(&mut log, batch(number)).await;
    }
    let file = fs::metadata(&path).expect("a file");
    (log.entry_bytes(), file.len().max(file.blocks() * BLOCK_BYTES))
}

#[tokio::test]
async fn large_entries_fill_the_chunks() {
    for bytes in [VALUE_BYTES_MAX, 1 << 20, 700 << 10] {
        let (entries, file) = written(24, |index| vec![large(index, bytes)]).await;
        let most = entries / 10 * 11 + u64::from(CHUNK_BYTES_ON_DISK);
        assert!(file <= most, "{file} bytes for {entries} bytes of entries, {bytes} bytes each");
    }
}

#[tokio::test]
async fn large_batches_of_small_entries_fill_the_chunks() {
    const BATCH: u64 = 1400;
    let batch = |number| (number * BATCH..(number + 1) * BATCH).map(|index| large(index, 1 << 10)).collect();
    let (entries, file) = written(16, batch).await;
    let most = entries / 10 * 11 + u64::from(CHUNK_BYTES_ON_DISK);
    assert!(file <= most, "{file} bytes for {entries} bytes of entries");
}
