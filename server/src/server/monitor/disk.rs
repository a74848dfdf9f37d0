//! Says in the log that the disk is filling up, and that there is room again.
//!
//! Looks every few seconds, so that whoever asks the node for its status does
//! not have to wait for the disk.

use std::{sync::Weak, time::Duration};

use coffee_common::limits::DISK_FREE_BYTES_MIN;
use tokio::{sync::watch, time::timeout};

use crate::node::Node;

/// How often it looks: what fills the disk sooner is told by the log, which then fails.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Room again is twice as much, lest every few bytes are a line in the log.
const ENOUGH_BYTES: u64 = 2 * DISK_FREE_BYTES_MIN;

/// Looks until the node is to stop, or is gone.
pub(in crate::server) async fn watch(node: Weak<Node>, mut stopping: watch::Receiver<bool>) {
    let mut scarce = false;
    while let Some(node) = node.upgrade() {
        // One that does not answer is found out by the log, which writes to it.
        if let Ok(space) = node.space().look().await {
            scarce = judge(scarce, space.free_bytes);
        }
        drop(node);
        if timeout(LOOK_EVERY, stopping.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

/// Whether room is scarce, after it was or was not. Says so where that changes.
fn judge(scarce: bool, free_bytes: u64) -> bool {
    let limit = if scarce { ENOUGH_BYTES } else { DISK_FREE_BYTES_MIN };
    let now = free_bytes < limit;
    match (scarce, now) {
        (false, true) => tracing::warn!(
            free_bytes,
            "the disk is nearly full: where the log finds no room, this node takes no more writes; \
             hint: make room on the file system of the data"
        ),
        (true, false) => tracing::info!(free_bytes, "the disk has room again"),
        _ => {}
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_scarce_until_there_is_enough() {
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
