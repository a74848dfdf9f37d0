//! When changes are acknowledged, and with how many syncs.

use super::*;

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut() {
    let disk = LogDisk::default();
    let mut log = open(&disk);
    log.save_vote(&vote(3)).await.expect("durable");
    append(&mut log, entries(3, 0..10)).await;
    log.truncate_after(Some(id(3, 7))).await.expect("durable");
    log.save_vote(&vote(4)).await.expect("durable");
    append(&mut log, entries(4, 8..12)).await;
    log.purge(id(3, 2)).await.expect("queued");
    log.save_committed(Some(id(4, 9))).await.expect("noted");
    append(&mut log, entries(4, 12..13)).await;

    let mut log = reopen(&disk);
    let expected: Vec<_> = (3..8).map(|i| id(3, i)).chain((8..13).map(|i| id(4, i))).collect();
    assert_eq!(ids(&mut log).await, expected);
    assert_eq!(log.read_vote().await.expect("whole"), Some(vote(4)));
    assert_eq!(log.read_committed().await.expect("whole"), Some(id(4, 9)));
    let state = log.get_log_state().await.expect("whole");
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(3, 2)), Some(id(4, 12))));
}

/// The state may be durable ahead of the log. A truncated, conflicting end of the
/// log that reappeared after a crash would keep the node from starting.
#[tokio::test]
async fn truncated_entries_are_gone_for_good() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    append(&mut log, entries(1, 0..10)).await;
    log.truncate_after(Some(id(1, 6))).await.expect("durable");
    assert_eq!(last(&mut reopen(&disk)).await, Some(id(1, 6)));
}

#[tokio::test]
async fn an_append_can_be_read_at_once_and_is_answered_only_after_the_sync() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    disk.close_gate();
    let mut flushed = start_append(&mut log, entries(1, 0..3)).await;
    disk.wait_for_a_sync();
    assert_eq!(ids(&mut log).await.len(), 3);
    assert!(matches!(flushed.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
    assert_eq!(last(&mut reopen(&disk)).await, None);
    disk.open_gate();
    flushed.await.expect("answered").expect("durable");
    assert_eq!(last(&mut reopen(&disk)).await, Some(id(1, 2)));
}

#[tokio::test]
async fn a_vote_is_answered_only_after_the_sync() {
    let disk = LogDisk::default();
    let mut log = open(&disk);
    disk.close_gate();
    let saving = tokio::spawn({
        let mut log = log.clone();
        async move { log.save_vote(&vote(5)).await }
    });
    tokio::task::yield_now().await;
    disk.wait_for_a_sync();
    assert!(!saving.is_finished());
    assert_eq!(log.read_vote().await.expect("whole"), None);
    disk.open_gate();
    saving.await.expect("runs").expect("durable");
    assert_eq!(reopen(&disk).read_vote().await.expect("whole"), Some(vote(5)));
}

#[tokio::test]
async fn what_gathers_during_a_sync_shares_the_next_one() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    let before = disk.syncs();
    append(&mut log, entries(1, 0..1)).await;
    let per_commit = disk.syncs() - before;

    disk.close_gate();
    let mut waiting = vec![start_append(&mut log, entries(1, 1..2)).await];
    disk.wait_for_a_sync();
    for index in 2..102 {
        waiting.push(start_append(&mut log, entries(1, index..index + 1)).await);
    }
    log.save_committed(Some(id(1, 50))).await.expect("noted");
    let before = disk.syncs();
    disk.open_gate();
    for flushed in waiting {
        flushed.await.expect("answered").expect("durable");
    }
    assert_eq!(disk.syncs() - before, 2 * per_commit, "one commit that was held up, one for all others");
}

#[tokio::test]
async fn noting_what_is_committed_takes_no_sync_of_its_own() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    append(&mut log, entries(1, 0..3)).await;
    let before = disk.syncs();
    log.save_committed(Some(id(1, 2))).await.expect("noted");
    assert_eq!(log.read_committed().await.expect("whole"), Some(id(1, 2)));
    assert_eq!(disk.syncs(), before);
    log.close().await.expect("flushed");
    assert_eq!(reopen(&disk).read_committed().await.expect("whole"), Some(id(1, 2)));
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    append(&mut log, entries(1, 0..5)).await;
    disk.fail_after(Some(0));
    let failed = start_append(&mut log, entries(1, 5..6)).await.await.expect("answered");
    assert!(failed.is_err());
    // The disk works again, but its content is unknown: the log stays closed.
    disk.fail_after(None);
    assert!(log.save_vote(&vote(9)).await.is_err());
    assert!(log.save_committed(Some(id(1, 2))).await.is_err());
    assert!(log.try_get_log_entries(0..9).await.is_err());
    assert!(log.close().await.is_err());
    assert!(log.shared.poison.cause().is_some_and(|cause| cause.contains("cannot be written")));
    assert_eq!(last(&mut reopen(&disk)).await, Some(id(1, 4)));
}

/// Changes that are queued when a sync fails are answered with the failure, too.
#[tokio::test]
async fn changes_queued_during_a_failed_sync_fail_too() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    disk.close_gate();
    let first = start_append(&mut log, entries(1, 0..1)).await;
    disk.wait_for_a_sync();
    let second = start_append(&mut log, entries(1, 1..2)).await;
    disk.fail_after(Some(0));
    disk.open_gate();
    assert!(first.await.expect("answered").is_err());
    assert!(second.await.expect("answered").is_err());
}

#[tokio::test]
async fn nothing_is_purged_that_the_state_could_lose() {
    let durable_index = DurableIndex::new();
    durable_index.advance_to(4);
    let mut log =
        LogStore::open_threaded(file(&LogDisk::default()), durable_index, Poison::new()).expect("opens");
    append(&mut log, entries(1, 0..10)).await;
    log.purge(id(1, 4)).await.expect("covered");
    assert!(log.purge(id(1, 5)).await.is_err());
    assert!(log.shared.poison.cause().is_some());
}

#[tokio::test]
async fn a_hole_poisons() {
    let mut log = open(&LogDisk::default());
    append(&mut log, entries(1, 0..3)).await;
    let (done, _flushed) = TypeConfig::oneshot();
    assert!(log.append(entries(1, 4..5), IOFlushed::signal(done)).await.is_err());
    assert!(log.shared.poison.cause().is_some());
}

#[tokio::test]
async fn a_snapshot_replaces_the_whole_log() {
    let disk = LogDisk::default();
    let mut log = open(&disk);
    log.save_vote(&vote(5)).await.expect("durable");
    append(&mut log, entries(5, 0..4)).await;
    log.purge(id(4, 10)).await.expect("queued");
    append(&mut log, entries(5, 11..13)).await;
    let state = reopen(&disk).get_log_state().await.expect("whole");
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(4, 10)), Some(id(5, 12))));
}

#[tokio::test]
async fn a_closed_log_can_be_opened_again_while_clones_are_left() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.wal");
    let mut log = LogStore::open(&path, durable_state(), Poison::new()).expect("opens");
    log.save_vote(&vote(1)).await.expect("durable");
    append(&mut log, entries(1, 0..3)).await;
    let mut clone = log.clone();
    log.close().await.expect("flushed");
    let mut again = LogStore::open(&path, durable_state(), Poison::new()).expect("opens again");
    assert_eq!(last(&mut again).await, Some(id(1, 2)));
    assert!(clone.save_vote(&vote(2)).await.is_err());
    again.close().await.expect("flushed");
}

#[tokio::test]
async fn the_inline_writer_does_the_same() {
    let disk = LogDisk::default();
    let open =
        |disk: LogDisk| LogStore::open_inline(file(&disk), durable_state(), Poison::new()).expect("opens");
    let mut log = open(disk.clone());
    log.save_vote(&vote(1)).await.expect("durable");
    append(&mut log, entries(1, 0..3)).await;
    log.truncate_after(Some(id(1, 1))).await.expect("done");
    let mut log = open(disk.power_cut(LogPowerCut::LosesAll));
    assert_eq!(ids(&mut log).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_waits_for_a_disk_that_hangs() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    log.probe().await.expect("the disk answers");
    let synced = disk.syncs();
    log.probe().await.expect("the disk answers");
    assert_eq!(disk.syncs(), synced + 1, "the disk was asked, with nothing else to write");

    disk.close_gate();
    let appended = start_append(&mut log, entries(1, 0..1)).await;
    disk.wait_for_a_sync();
    let mut probing = std::pin::pin!(log.probe());
    let hangs = tokio::time::timeout(std::time::Duration::from_millis(50), &mut probing).await;
    assert!(hangs.is_err(), "the disk has not answered");
    disk.open_gate();
    probing.await.expect("the disk answers");
    appended.await.expect("answered").expect("durable");

    disk.fail_after(Some(0));
    assert!(log.probe().await.is_err());
}

/// Many large writes that arrive together are one append.
#[tokio::test]
async fn a_large_append_gives_way_to_other_tasks() {
    let mut log = open_voted(&LogDisk::default()).await;
    let mut polls = 0;
    {
        let entries = (0..8).map(|index| large(index, 1 << 20));
        let mut appending = std::pin::pin!(log.append(entries, IOFlushed::noop()));
        while futures_util::poll!(&mut appending).is_pending() {
            polls += 1;
        }
    }
    assert_eq!(polls, 7, "once between two entries");
    assert_eq!(ids(&mut log).await.len(), 8);
}
