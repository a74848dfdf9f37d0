//! Logs when the disk is nearly full and when it has free space again.
//!
//! Measures every few seconds; a status request takes the last result and does not
//! wait for the disk.

use std::{sync::Weak, time::Duration};

use coffee_common::limits::DISK_FREE_BYTES_MIN;
use tokio::{sync::watch, time::timeout};

use crate::node::Node;

/// How often the free space is measured. If the disk fills faster, the write-ahead
/// log notices when it fails.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// The threshold to recover is twice the other one: a few bytes more or less must
/// not log a line each time.
const ENOUGH_BYTES: u64 = 2 * DISK_FREE_BYTES_MIN;

/// Measures the free space until the node stops.
pub(in crate::server) async fn watch(node: Weak<Node>, mut stopping: watch::Receiver<bool>) {
    let mut scarce = false;
    while let Some(node) = node.upgrade() {
        // An unresponsive disk is noticed by the log, which writes to it.
        if let Ok(space) = node.space().look().await {
            scarce = judge(scarce, space.free_bytes);
        }
        drop(node);
        if timeout(CHECK_EVERY, stopping.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

/// Returns whether space is scarce, given whether it was before. Logs a change.
fn judge(scarce: bool, free_bytes: u64) -> bool {
    let limit = if scarce { ENOUGH_BYTES } else { DISK_FREE_BYTES_MIN };
    let now = free_bytes < limit;
    match (scarce, now) {
        (false, true) => tracing::warn!(
            free_bytes,
            "disk is nearly full: this node stops taking writes when the log runs out of space; \
             hint: free space on the file system of the data directory"
        ),
        (true, false) => tracing::info!(free_bytes, "disk has enough free space again"),
        _ => {}
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_scarce_until_there_is_enough() {
        let mut scarce = false;
        for (free, expected) in [
            (DISK_FREE_BYTES_MIN, false),
            (DISK_FREE_BYTES_MIN - 1, true),
            (DISK_FREE_BYTES_MIN, true),
            (ENOUGH_BYTES, false),
            (ENOUGH_BYTES - 1, false),
        ] {
            scarce = judge(scarce, free);
            assert_eq!(scarce, expected, "{free}");
        }
    }
}
