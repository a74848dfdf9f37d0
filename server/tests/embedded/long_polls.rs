//! No task holds its thread for long, whatever the node does.

use std::time::Duration;

use coffee_client::{Client, PageOptions};
use coffee_common::key::KeyRange;
use coffeed::{Closed, metrics::longest_poll};
use futures_util::future::join_all;

use crate::support::{EmbeddedCluster, until_voter};

/// Values of 1 MiB. Together they are several flushes.
const LARGE: usize = 40;

const MIB: usize = 1 << 20;

/// Processor time. A release build needs a tenth: without optimisation, encoding a
/// value of 1 MiB takes some 20 ms.
const POLL_MAX: Duration = Duration::from_millis(100);

async fn write_all(client: &Client) {
    for round in 0..LARGE / 4 {
        let large = (0..4).map(|n| client.set(format!("large/{}", round * 4 + n), vec![round as u8; MIB]));
        let small = (0..200).map(|n| client.set(format!("small/{round}/{n}"), "latte"));
        let written = tokio::join!(join_all(large), join_all(small));
        assert!(written.0.iter().chain(&written.1).all(Result::is_ok), "{written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_flushes_lists_and_snapshots_hold_no_thread() {
    let cluster = EmbeddedCluster::new();
    let mut config = cluster.config("ming");
    config.storage.snapshot_every_entries = 100;
    config.storage.log_keep_entries = 10;
    let ming = cluster.found(cluster.builder(config)).await;
    let client = cluster.client(&[&ming]);
    write_all(&client).await;
    // The log is purged, so a snapshot is sent.
    let hong = cluster.joining("hong", &ming).await;
    until_voter(&hong).await;
    write_all(&client).await;
    for client in [cluster.client_at(&ming), cluster.client_at(&hong)] {
        let pages =
            ["large/", "small/"].map(|prefix| client.range(KeyRange::prefix(prefix), PageOptions::default()));
        let gets = (0..LARGE).map(|n| client.get(format!("large/{n}")));
        let read = tokio::join!(join_all(pages), join_all(gets));
        assert!(read.0.iter().all(Result::is_ok) && read.1.iter().all(Result::is_ok));
    }
    let longest = longest_poll();
    assert!(longest.took > Duration::ZERO, "polls are measured");
    assert!(longest.took < POLL_MAX, "{longest:?}");
    assert_eq!((ming.shutdown().await, hong.shutdown().await), (Closed::Stopped, Closed::Stopped));
}
