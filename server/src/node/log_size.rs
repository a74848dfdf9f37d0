//! Bounds the log in bytes.
//!
//! openraft counts entries when it decides what to purge, and entries differ in
//! size by a factor of 10,000. Guards that the log does not fill the disk, and
//! that a restart has a bounded log to read.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::replica::Replica;

/// How often the size is compared with the bound.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// Purges the oldest entries whenever the log exceeds `keep_bytes`. Ends when
/// consensus has stopped.
pub async fn keep_within(replica: Arc<Replica>, keep_bytes: u64) {
    let mut ticks = interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if replica.log().entry_bytes() <= keep_bytes {
            continue;
        }
        // A quarter less, so that there is one purge for many entries.
        let Some(upto) = replica.log().excess(keep_bytes / 4 * 3) else { continue };
        let trigger = replica.raft().trigger();
        let snapshot = replica.metrics().snapshot.map(|snapshot| snapshot.index);
        // Only entries that the durable state covers are purged: the rest follows once it does.
        let durable = match snapshot >= Some(upto) {
            true => Ok(()),
            false => trigger.snapshot().await,
        };
        if durable.is_err() || trigger.purge_log(upto).await.is_err() {
            return;
        }
    }
}
