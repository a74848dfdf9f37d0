//! Reads return the log of one moment, in bounded parts.

use futures_util::TryStreamExt;

use super::*;

#[tokio::test]
async fn replication_reads_stop_at_their_size() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    append(&mut log, (0..6).map(|index| large(index, 400 << 10)).collect()).await;
    assert_eq!(log.limited_get_log_entries(0, 6).await.expect("whole").len(), 2);
    assert_eq!(log.limited_get_log_entries(5, 6).await.expect("whole").len(), 1);
    assert_eq!(log.try_get_log_entries(0..6).await.expect("whole").len(), 6);
    // The same from the file as from memory.
    let mut log = reopen(&disk);
    assert_eq!(log.limited_get_log_entries(0, 6).await.expect("whole").len(), 2);
    append(&mut log, vec![large(6, 400 << 10)]).await;
    assert_eq!(log.limited_get_log_entries(4, 7).await.expect("whole").len(), 2);
    assert_eq!(log.limited_get_log_entries(6, 7).await.expect("whole").len(), 1);
    assert_eq!(log.try_get_log_entries(2..7).await.expect("whole").len(), 5);
}

/// The largest value alone exceeds the size of a part, and is a part of its own.
#[tokio::test]
async fn entries_to_be_applied_come_in_parts_and_none_is_left_out() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    append(&mut log, (0..8).map(|index| large(index, 1 << 20)).collect()).await;
    let mut log = reopen(&disk);
    append(&mut log, entries(1, 8..20)).await;
    let read = |mut log: LogStore, range: Range<u64>| async move {
        let entries: Vec<_> = log.entries_stream(range).await.try_collect().await?;
        io::Result::Ok(entries.into_iter().map(|entry| entry.log_id.index).collect::<Vec<_>>())
    };
    assert_eq!(read(log.clone(), 0..20).await.expect("whole"), (0..20).collect::<Vec<_>>());
    assert_eq!(read(log.clone(), 7..9).await.expect("whole"), vec![7, 8]);
    assert_eq!(read(log.clone(), 9..9).await.expect("whole"), Vec::<u64>::new());
    log.purge(id(1, 3)).await.expect("queued");
    assert!(read(log.clone(), 2..9).await.is_err(), "purged entries can no longer be applied");
    assert!(log.shared.poison.cause().is_some());
}

#[tokio::test]
async fn what_is_purged_is_not_sent_as_something_else() {
    let mut log = open_voted(&LogDisk::default()).await;
    append(&mut log, entries(1, 0..9)).await;
    log.purge(id(1, 4)).await.expect("queued");
    assert_eq!(log.limited_get_log_entries(3, 9).await.expect("whole"), vec![]);
    assert_eq!(log.limited_get_log_entries(5, 9).await.expect("whole").len(), 4);
}

/// Reads that are concurrent with purges are complete, and are never taken for
/// damage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_during_a_read_is_not_damage() {
    let disk = LogDisk::default();
    let mut log = open_voted(&disk).await;
    append(&mut log, entries(1, 0..2000)).await;
    let mut log = reopen(&disk);
    let reading = tokio::spawn({
        let mut log = log.clone();
        async move {
            loop {
                let read = log.try_get_log_entries(0..2000).await.expect("is not damaged");
                let first = read.first().map_or(2000, |entry| entry.log_id.index);
                let found: Vec<_> = read.into_iter().map(|entry| entry.log_id.index).collect();
                assert_eq!(found, (first..2000).collect::<Vec<_>>());
                if first >= 1990 {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    for upto in (9..2000).step_by(10) {
        log.purge(id(1, upto)).await.expect("queued");
        tokio::task::yield_now().await;
    }
    reading.await.expect("reads");
}
