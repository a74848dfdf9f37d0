//! Measures how fast this node is served by its disk and its processor, and warns when they are slow.
//!
//! Ends each second of the metrics of the last minute. A timer that fires late shows that the
//! process was not scheduled, or that all its threads were busy. Guards that a slow node says so
//! itself: to the others it is merely late.

use std::{sync::Weak, time::Duration};

use coffee_common::protocol::NodeEventKind;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{activity::ActivitySampler, links::LongLinks};
use crate::{
    metrics::{LogMetrics, LogThrottle, RECENT_SECONDS, SLOW_SYNC, if_any},
    node::{Node, event_log::EventLog},
};

/// The timer whose delay is measured. A stall of the process is seen up to this much shorter.
const TICK: Duration = Duration::from_millis(100);

/// A delay that counts as a stall: two thirds of a heartbeat interval by default.
const STALL_MIN: Duration = Duration::from_millis(100);

const TICKS_OF_SECOND: u32 = 10;

/// A sync that is still in progress after this time is reported before it ends.
const HANGING_SYNC: Duration = Duration::from_secs(2);

const MINUTE: Duration = Duration::from_secs(60);

/// Measures until the node stops.
pub(in crate::server) async fn watch(node: Weak<Node>, mut stopping: watch::Receiver<bool>) {
    let (mut syncs, mut stalls) = (SlowSyncs::default(), LogThrottle::new(1, MINUTE));
    let (mut links, mut activity) = (LongLinks::default(), ActivitySampler::default());
    let mut ticks = 0;
    loop {
        let due = Instant::now() + TICK;
        if timeout_at(due, stopping.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
        let delay = due.elapsed();
        let Some(node) = node.upgrade() else { return };
        note_delay(&node, delay, &mut stalls);
        ticks += 1;
        if ticks == TICKS_OF_SECOND {
            ticks = 0;
            end_second(&node, &mut syncs);
            links.end_second(&node);
            activity.end_second(&node);
        }
    }
}

fn note_delay(node: &Node, delay: Duration, throttle: &mut LogThrottle) {
    let metrics = node.metrics();
    metrics.delays.observe(delay);
    if delay < STALL_MIN {
        return;
    }
    metrics.stalls.increment();
    let stalled = || {
        let delay = milliseconds(delay);
        format!("this process was not scheduled for {delay} or longer, or its threads were busy")
    };
    if let Some(suppressed) = throttle.admit(Instant::now()) {
        tracing::warn!(
            suppressed = if_any(suppressed),
            "{}; hint: see what else runs on this machine",
            stalled()
        );
    }
    node.events().record(NodeEventKind::Stall, "", stalled());
}

/// The slow syncs of the log.
struct SlowSyncs {
    throttle: LogThrottle,
    /// When the last one was, until the disk is fast again.
    last: Option<Instant>,
}

impl Default for SlowSyncs {
    fn default() -> Self {
        Self { throttle: LogThrottle::new(1, MINUTE), last: None }
    }
}

impl SlowSyncs {
    /// Whether the last slow sync was so long ago that the disk counts as fast again.
    fn is_over(&mut self, now: Instant) -> bool {
        self.last.take_if(|last| now.saturating_duration_since(*last) >= MINUTE).is_some()
    }
}

fn end_second(node: &Node, syncs: &mut SlowSyncs) {
    let metrics = node.metrics();
    metrics.commits.recent().end_second();
    let stall = metrics.delays.end_second();
    let Some(replica) = node.replica() else { return };
    replica.log().metrics(|log| end_second_of_syncs(log, stall, syncs, node.events()));
}

fn end_second_of_syncs(log: &LogMetrics, stall: Duration, syncs: &mut SlowSyncs, events: &EventLog) {
    let (recent, now) = (log.syncs.recent(), Instant::now());
    let Some(what) = slow_sync(log.sync_in_progress(), recent.end_second(), stall) else {
        if syncs.is_over(now) {
            events.record(
                NodeEventKind::DiskRecovered,
                "",
                "the disk took long for no sync of the last minute",
            );
        }
        return;
    };
    syncs.last = Some(now);
    events.record(NodeEventKind::SlowDisk, "", &what);
    if let Some(suppressed) = syncs.throttle.admit(now) {
        let median = recent.quantile(0.5, RECENT_SECONDS);
        let median = median.map_or("unknown".to_owned(), milliseconds);
        tracing::warn!(
            suppressed = if_any(suppressed),
            "{what} (median of the last minute: {median}); hint: `coffeectl list` compares the disks of all nodes"
        );
    }
}

/// Returns how slow the disk is, if it is: a sync in progress, or the longest one of a second. A
/// process that stood still for most of a sync cannot tell how long the disk took.
fn slow_sync(in_progress: Option<Duration>, longest: Duration, stall: Duration) -> Option<String> {
    match in_progress.filter(|so_far| *so_far >= HANGING_SYNC) {
        Some(so_far) => Some(format!("the disk has not finished a sync for {}", milliseconds(so_far))),
        None => (longest >= SLOW_SYNC && longest > 2 * stall)
            .then(|| format!("the disk took {} for a sync", milliseconds(longest))),
    }
}

/// Returns a duration in milliseconds, with a fraction if it is short.
fn milliseconds(duration: Duration) -> String {
    match duration.as_micros() {
        us @ 0..10_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        us => format!("{} ms", us / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_fast_again_after_a_minute_without_a_slow_sync() {
        let (mut syncs, start) = (SlowSyncs::default(), Instant::now());
        assert!(!syncs.is_over(start + MINUTE));
        syncs.last = Some(start);
        assert!(!syncs.is_over(start + MINUTE - TICK));
        assert!(syncs.is_over(start + MINUTE));
        assert!(!syncs.is_over(start + 2 * MINUTE), "it is told once");
    }

    #[test]
    fn a_disk_is_not_blamed_for_a_process_that_stood_still() {
        let ms = Duration::from_millis;
        let slow = |longest, stall| slow_sync(None, ms(longest), ms(stall));
        assert_eq!(slow(99, 0), None);
        assert_eq!(slow(312, 20).as_deref(), Some("the disk took 312 ms for a sync"));
        assert_eq!(slow(291, 243), None);
        let hanging = slow_sync(Some(ms(2_500)), ms(0), ms(3));
        assert_eq!(hanging.as_deref(), Some("the disk has not finished a sync for 2500 ms"));
        assert_eq!(slow_sync(Some(ms(1_999)), ms(1), ms(3)), None);
    }
}
