//! The write load against nodes embedded in this process: what clients observe when
//! leadership moves and when the leader dies.

mod support;

use std::time::Duration;

use coffee_tests::load::{Load, LoadOptions, WriteRecord, verify};
use tokio::time::Instant;

use support::threaded_cluster::ThreadedCluster;

const SOON: Duration = Duration::from_secs(20);

fn load(cluster: &ThreadedCluster, writers: usize) -> Load {
    Load::start(&[cluster.client()], &LoadOptions { writers, ..LoadOptions::default() })
}

async fn assert_clean(cluster: &ThreadedCluster, record: &WriteRecord) {
    let report = verify(&cluster.client(), record).await.expect("reads");
    assert!(report.is_clean(), "{report}");
    assert!(record.acknowledged() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_fails_while_leadership_moves() {
    let cluster = ThreadedCluster::of(&["ming", "hong", "peng"]).await;
    let mut load = load(&cluster, 16);
    for _ in 0..3 {
        assert!(load.acknowledges(100, SOON).await, "writes flow");
        let moved = cluster.client().transfer(None).await.expect("moves");
        assert!(moved.changed);
    }
    assert!(load.acknowledges(100, SOON).await, "writes flow");
    let record = load.stop().await;
    let failures: Vec<_> = record.failures().collect();
    assert!(failures.is_empty(), "{failures:?}");
    assert_clean(&cluster, &record).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_is_lost_or_doubled_when_the_leader_dies() {
    let mut cluster = ThreadedCluster::of(&["ming", "hong", "peng"]).await;
    let mut load = load(&cluster, 16);
    assert!(load.acknowledges(100, SOON).await, "writes flow");
    let killed = Instant::now();
    cluster.kill_leader().await;
    assert!(load.acknowledges(100, SOON).await, "writes flow again");
    let record = load.stop().await;
    let first = record.first_after(killed).expect("writes flowed again");
    assert!(first < Duration::from_secs(5), "{first:?} after the death");
    assert_clean(&cluster, &record).await;
}
