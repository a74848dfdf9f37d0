//! The log is bounded in bytes.

use std::time::Duration;

use coffeed::Closed;

use crate::support::EmbeddedCluster;

const MIB: u64 = 1 << 20;

const KEEP_BYTES: u64 = 64 * MIB;

/// The file of a log of [`KEEP_BYTES`] that is written slowly: its first page, and
/// chunks of 4 MiB, which the entries fill. Besides these there are the first and the
/// last one in use, two spare ones, and the writes between two checks.
const FILE_BYTES: u64 = 4096 + (KEEP_BYTES.div_ceil(4 * MIB) + 2 + 2 + 4) * 4 * MIB;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_large_values_is_purged_long_before_its_number_of_entries_says_so() {
    let cluster = EmbeddedCluster::new();
    let mut config = cluster.config("ming");
    config.storage.log_keep_bytes = KEEP_BYTES;
    let ming = cluster.found(cluster.builder(config)).await;
    let client = cluster.client(&[&ming]);
    let log_bytes = || std::fs::metadata(cluster.data_dir("ming").join("log.wal")).expect("a log").len();
    for n in 0..300 {
        client.set(format!("job/{}", n % 4), vec![1; MIB as usize]).await.expect("is written");
    }
    // Chunks are reused from the beginning of the file, so it shrinks while the log moves on.
    let shrunk = tokio::time::timeout(Duration::from_secs(30), async {
        while log_bytes() > FILE_BYTES {
            client.set("job/0", vec![1; MIB as usize]).await.expect("is written");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(shrunk.await.is_ok(), "{} bytes remain", log_bytes());
    assert_eq!(ming.shutdown().await, Closed::Stopped);
}
