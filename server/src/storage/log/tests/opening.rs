//! An open reads as much of the log as the state still needs.

use std::collections::BTreeSet;

use super::*;
use crate::storage::poison::FailureKind;

const ENTRIES: u64 = 60;
const SMALL_CHUNK_BYTES: u32 = 64 << 10;

/// An entry of 30,000 bytes, and the beginning of a chunk.
const ENTRY_BYTES_MAX: u64 = 31_000;

/// An empty log in small chunks.
fn empty() -> LogDisk {
    let disk = LogDisk::default();
    LogStore::create_on(disk.clone(), SMALL_CHUNK_BYTES).expect("made");
    disk
}

/// A closed log of almost 2 MB, in some 30 chunks. Most of its entries are divided.
async fn large_log() -> Vec<u8> {
    let disk = empty();
    let mut log = open_voted(&disk).await;
    for index in 0..ENTRIES {
        append(&mut log, vec![large(index, 30_000)]).await;
    }
    log.close().await.expect("flushed");
    disk.durable()
}

/// Opens the log with a state that is durable up to an index.
fn open_at(disk: &LogDisk, durable: Option<u64>) -> LogStore {
    let durable_index = DurableIndex::new();
    if let Some(index) = durable {
        durable_index.advance_to(index);
    }
    LogStore::open_inline(Box::new(disk.clone()), durable_index, Poison::new()).expect("opens")
}

fn all(indexes: Range<u64>) -> Vec<LogId> {
    indexes.map(|index| id(1, index)).collect()
}

#[tokio::test]
async fn what_is_durably_applied_is_not_read() {
    let whole = large_log().await;
    let chunks = |count: u64| count * u64::from(SMALL_CHUNK_BYTES);
    for (durable, most) in [(None, chunks(40)), (Some(30), chunks(20)), (Some(ENTRIES - 1), chunks(4))] {
        let disk = LogDisk::holding(whole.clone());
        let mut log = open_at(&disk, durable);
        let read = disk.bytes_read();
        assert!(read <= most, "{read} bytes are read where the state is durable up to {durable:?}");
        assert_eq!(last(&mut log).await, Some(id(1, ENTRIES - 1)));
        let before = disk.bytes_read();
        let part = log.limited_get_log_entries(3, 4).await.expect("whole");
        assert_eq!(part[0].log_id, id(1, 3));
        let read = disk.bytes_read() - before;
        assert!(read <= chunks(1) + ENTRY_BYTES_MAX, "one entry needs one chunk, not {read} bytes");
        assert_eq!(ids(&mut log).await, all(0..ENTRIES), "all of it can be read");
        append(&mut log, vec![large(ENTRIES, 30_000)]).await;
        let mut log = open_at(&disk.power_cut(LogPowerCut::LosesAll), durable);
        assert_eq!(ids(&mut log).await, all(0..ENTRIES + 1));
    }
}

/// The chunks before the purge are reused, and those of the other entries are not.
#[tokio::test]
async fn divided_entries_outlive_the_purge_of_those_before_them() {
    let disk = empty();
    let mut log = open_voted(&disk).await;
    append(&mut log, (0..20).map(|index| large(index, 30_000)).collect()).await;
    for upto in 0..60 {
        log.purge(id(1, upto)).await.expect("queued");
        append(&mut log, vec![large(upto + 20, 30_000)]).await;
        for durable in [None, Some(upto + 10), Some(upto + 20)] {
            let mut log = open_at(&disk.power_cut(LogPowerCut::LosesAll), durable);
            assert_eq!(ids(&mut log).await, all(upto + 1..upto + 21), "{durable:?}");
            append(&mut log, vec![large(upto + 21, 30_000)]).await;
            assert_eq!(ids(&mut log).await, all(upto + 1..upto + 22), "{durable:?}");
        }
    }
    assert!(disk.durable().len() < 20 * SMALL_CHUNK_BYTES as usize, "chunks are reused");
}

/// Entries that were replaced are in older chunks than those that replaced them.
#[tokio::test]
async fn replaced_entries_do_not_come_back_from_old_chunks() {
    let disk = empty();
    let mut log = open_voted(&disk).await;
    append(&mut log, (0..6).map(|index| large(index, 30_000)).collect()).await;
    log.truncate_after(Some(id(1, 1))).await.expect("durable");
    log.save_vote(&vote(2)).await.expect("durable");
    for index in 2..20 {
        append(&mut log, entries(2, index..index + 1)).await;
    }
    log.save_vote(&vote(3)).await.expect("durable");
    for index in 20..4000 {
        append(&mut log, entries(3, index..index + 1)).await;
    }
    let disk = disk.power_cut(LogPowerCut::LosesAll);
    let mut log = open_at(&disk, Some(3999));
    let keys = log.get_key_log_ids(id(1, 0)..=id(3, 3999)).await.expect("whole");
    assert_eq!(keys, [id(1, 1), id(2, 19), id(3, 3999)]);
    let found = log.try_get_log_entries(0..30).await.expect("whole");
    let terms: Vec<u64> = found.iter().map(|entry| entry.log_id.leader_id.term).collect();
    assert_eq!(terms, [vec![1; 2], vec![2; 18], vec![3; 10]].concat());
    let whole = open_at(&disk, None).try_get_log_entries(0..4000).await.expect("whole");
    assert_eq!(log.try_get_log_entries(0..4000).await.expect("whole"), whole);
}

/// The verdict is that of an open which reads everything.
#[tokio::test]
async fn damage_in_an_old_chunk_is_found_at_its_first_read_and_poisons() {
    let whole = large_log().await;
    let mut found = BTreeSet::new();
    let after_first_chunk = 4096 + SMALL_CHUNK_BYTES as usize;
    for at in (after_first_chunk + 300..whole.len() - (4 << 16)).step_by(50_001) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let disk = LogDisk::holding(bytes);
        let opened = LogStore::open_inline(Box::new(disk.clone()), DurableIndex::new(), Poison::new());
        let at_start = opened.expect_err("is rejected");
        assert!(at_start.is_damage());

        let mut log = open_at(&disk, Some(ENTRIES - 1));
        assert_eq!(ids_from(&mut log, ENTRIES - 3).await.expect("is not damaged"), all(ENTRIES - 3..ENTRIES));
        let error = ids_from(&mut log, 0).await.expect_err("is damaged").to_string();
        assert_eq!(error, at_start.to_string());
        let failure = log.shared.poison.failure().expect("poisoned");
        assert!(failure.kind == FailureKind::Damage && failure.hint() == at_start.hint(), "{failure:?}");
        assert!(log.save_vote(&vote(2)).await.is_err(), "poisoned");
        found.insert(at_start.to_string());
    }
    assert!(found.len() > 20, "{found:?}");
}

async fn ids_from(log: &mut LogStore, first: u64) -> io::Result<Vec<LogId>> {
    let entries = log.try_get_log_entries(first..u64::MAX).await?;
    Ok(entries.into_iter().map(|entry| entry.log_id).collect())
}

/// A power cut between the two parts of an entry: the second one never was.
#[tokio::test]
async fn a_first_part_alone_counts_for_nothing() {
    let disk = empty();
    let mut log = open_voted(&disk).await;
    append(&mut log, (0..2).map(|index| large(index, 30_000)).collect()).await;
    let mut cuts = BTreeSet::new();
    for steps in 0..12 {
        let disk = disk.power_cut(LogPowerCut::LosesAll);
        let mut log = open_at(&disk, None);
        disk.fail_after(Some(steps));
        let acknowledged =
            start_append(&mut log, vec![large(2, 30_000)]).await.await.expect("answered").is_ok();
        for cut in [LogPowerCut::LosesAll, LogPowerCut::LosesSome(steps + 1)] {
            let mut log = open_at(&disk.power_cut(cut), None);
            let found = ids(&mut log).await.len() as u64;
            assert!(found == 3 || (found == 2 && !acknowledged), "{found} entries after {steps} steps");
            append(&mut log, vec![large(found, 30_000)]).await;
            assert_eq!(ids(&mut log).await, all(0..found + 1));
            cuts.insert(found);
        }
    }
    assert_eq!(cuts.len(), 2, "both happen");
}

/// Consensus reads the first entry at every start.
#[tokio::test]
async fn damage_in_the_first_chunk_is_found_at_every_open() {
    let mut bytes = large_log().await;
    bytes[4096 + SMALL_CHUNK_BYTES as usize / 2] ^= 1;
    for durable in [0, ENTRIES - 1] {
        let durable_index = DurableIndex::new();
        durable_index.advance_to(durable);
        let disk = Box::new(LogDisk::holding(bytes.clone()));
        let error = LogStore::open_inline(disk, durable_index, Poison::new()).expect_err("is rejected");
        assert!(error.is_damage(), "{error}");
    }
}

/// Of the chunk before the first entry's, only the first part of that entry may be
/// needed: damage of its beginning must not free its slot.
#[tokio::test]
async fn a_damaged_beginning_costs_no_entry() {
    let disk = empty();
    let mut log = open_voted(&disk).await;
    append(&mut log, (0..20).map(|index| large(index, 30_000)).collect()).await;
    let mut rejected = 0;
    for upto in 0..10 {
        log.purge(id(1, upto)).await.expect("queued");
        log.probe().await.expect("durable");
        let whole = disk.durable();
        for begin in (4096..whole.len()).step_by(SMALL_CHUNK_BYTES as usize) {
            let mut bytes = whole.clone();
            bytes[begin] ^= 1;
            let disk = LogDisk::holding(bytes);
            let opened = LogStore::open_inline(Box::new(disk.clone()), durable_state(), Poison::new());
            let Ok(mut log) = opened else {
                rejected += 1;
                continue;
            };
            for index in 20..26 {
                append(&mut log, vec![large(index, 30_000)]).await;
            }
            let mut log = open_at(&disk.power_cut(LogPowerCut::LosesAll), None);
            assert_eq!(ids(&mut log).await, all(upto + 1..26), "{upto}, {begin}");
        }
    }
    assert!(rejected > 0);
}

#[tokio::test]
async fn a_missing_chunk_is_noticed_at_the_beginnings() {
    let mut bytes = large_log().await;
    bytes[4096 + 5 * SMALL_CHUNK_BYTES as usize..][..64].fill(0);
    for applied in [0, ENTRIES - 1] {
        let (disk, durable_index) = (LogDisk::holding(bytes.clone()), DurableIndex::new());
        durable_index.advance_to(applied);
        let error = LogStore::open_inline(Box::new(disk), durable_index, Poison::new());
        let error = error.expect_err("is rejected").to_string();
        assert!(error.contains("it is missing"), "{error}");
    }
}
