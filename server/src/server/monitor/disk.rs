//! Logs when this node's disk is nearly full and when it has free space again.
//!
//! Measures every few seconds; a status request takes the last result and does not
//! wait for the disk.

use std::{sync::Weak, time::Duration};

use coffee_common::protocol::NodeEventKind;
use tokio::{sync::watch, time::timeout};

use crate::{node::Node, storage::disk::SpaceProbe};

/// How often the free space is measured. If the disk fills faster, the write-ahead
/// log notices when it fails.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Measures the free space until the node stops.
pub(in crate::server) async fn watch(node: Weak<Node>, mut stopping: watch::Receiver<bool>) {
    let mut scarce = false;
    while let Some(node) = node.upgrade() {
        // An unresponsive disk is noticed by the log, which writes to it.
        if let Ok(space) = node.space().look().await {
            let free_bytes_min = node.settings().disk_free_bytes_min;
            let before = scarce;
            scarce = judge(scarce, space.free_bytes, free_bytes_min);
            if scarce != before {
                let (kind, text) = event(scarce, space.free_bytes);
                node.events().record(kind, "", text);
            }
            let reserve_bytes = free_bytes_min / 2;
            if node.replica().is_some() && space.free_bytes >= free_bytes_min + 2 * reserve_bytes {
                keep_reserve(node.space(), reserve_bytes).await;
            }
        }
        drop(node);
        if timeout(CHECK_EVERY, stopping.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

async fn keep_reserve(space: &SpaceProbe, bytes: u64) {
    if let Err(error) = space.keep_reserve(bytes).await {
        // Some file systems cannot allocate space ahead.
        tracing::debug!(%error, "cannot reserve space for a start on a full disk");
    }
}

/// Returns whether space is scarce, given whether it was before. Logs a change. The
/// threshold to recover is twice `free_bytes_min`: a few bytes more or less must not
/// log a line each time.
fn judge(scarce: bool, free_bytes: u64, free_bytes_min: u64) -> bool {
    let limit = if scarce { 2 * free_bytes_min } else { free_bytes_min };
    let now = free_bytes < limit;
    match (scarce, now) {
        (false, true) => tracing::warn!(
            free_bytes,
            "disk is nearly full: this node has no room for more data and stops when its log does not fit; \
             hint: free space on the file system of the data directory"
        ),
        (true, false) => tracing::info!(free_bytes, "disk has enough free space again"),
        _ => {}
    }
    now
}

fn event(scarce: bool, free_bytes: u64) -> (NodeEventKind, String) {
    let free_mib = free_bytes >> 20;
    match scarce {
        true => (NodeEventKind::DiskFull, format!("the disk is nearly full: {free_mib} MiB are free")),
        false => (NodeEventKind::DiskFree, format!("the disk has enough free space again: {free_mib} MiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_scarce_until_there_is_enough() {
        let mut scarce = false;
        for (free, expected) in [(100, false), (99, true), (100, true), (200, false), (199, false)] {
            scarce = judge(scarce, free, 100);
            assert_eq!(scarce, expected, "{free}");
        }
    }
}
