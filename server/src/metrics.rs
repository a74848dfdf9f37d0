//! Counters, gauges and histograms of a node's own work.
//!
//! Plain data at the lowest layer: the code that does the work counts, and `api::admin` reads. Each
//! node has its own metrics, since several nodes may run in one process. Guards that counting costs
//! a few atomic additions, without locks, allocations or waiting, and that nothing depends on what
//! was counted.

mod activity;
mod client_limits;
mod histogram;
mod http;
mod leadership;
mod log;
mod log_throttle;
mod recent;
mod requests;
mod round_trips;
mod task_polls;
mod transactions;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use coffee_common::id::NodeId;

pub use self::{
    activity::{ActivitySample, RecentActivity, SAMPLE_SECONDS, SAMPLES_MAX, quantile_between},
    client_limits::{ClientLimit, ClientLimitMetrics},
    histogram::{Histogram, HistogramSnapshot},
    http::{HttpMetrics, HttpRejection},
    leadership::{ElectionReason, LeadershipMetrics, LossReason},
    log::{LogMetrics, SLOW_SYNC},
    log_throttle::{LogThrottle, if_any},
    recent::{DurationMetrics, PERCENTILE_SECONDS, RECENT_SECONDS, RecentDurations},
    requests::{RequestKind, RequestMetrics, RequestOutcome},
    round_trips::RoundTripMetrics,
    task_polls::{LongestPoll, longest_poll, measured},
    transactions::{TransactionMetrics, TransactionResult},
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds a number.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Returns the current value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that grows and shrinks.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// Adds to a gauge until it is dropped.
#[derive(Debug)]
pub struct GaugeGuard<'a> {
    gauge: &'a Gauge,
    added: u64,
}

impl Gauge {
    /// Adds a number until the returned guard is dropped.
    pub fn hold(&self, added: usize) -> GaugeGuard<'_> {
        let added = added as u64;
        self.0.fetch_add(added, Ordering::Relaxed);
        GaugeGuard { gauge: self, added }
    }

    /// Sets the value. Not for a gauge with guards.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Returns the current value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for GaugeGuard<'_> {
    fn drop(&mut self) {
        self.gauge.0.fetch_sub(self.added, Ordering::Relaxed);
    }
}

/// The size of a node's request memory.
#[derive(Debug, Default)]
pub struct RequestMemoryMetrics {
    /// The number of requests remembered.
    pub entries: Gauge,
    /// The memory of their index, in bytes. Their outcomes are part of the state.
    pub bytes: Gauge,
}

/// The size of a node's state.
#[derive(Debug, Default)]
pub struct StateMetrics {
    /// Bytes of all keys and values, with some 20 bytes per key.
    pub data_bytes: Gauge,
    /// Bytes of the history.
    pub history_bytes: Gauge,
    /// Changes in the history.
    pub history_changes: Gauge,
    /// The revision up to which there is no history.
    pub history_floor: Gauge,
    /// The memory of the changes that are not flushed yet, in bytes.
    pub memtable_bytes: Gauge,
    /// Memtables that were written to the database.
    pub flushes: Counter,
}

/// The metrics that a node has in and out of a cluster.
#[derive(Debug, Default)]
pub struct NodeMetrics {
    /// Requests of clients, and of nodes over the client protocol.
    pub requests: RequestMetrics,
    /// Limits of clients that were met.
    pub client_limits: ClientLimitMetrics,
    /// Durations from the proposal of a client's write until it is applied, on the leader.
    pub commits: DurationMetrics,
    /// Transactions of clients, on the leader.
    pub transactions: TransactionMetrics,
    /// Leaders that this node has observed.
    pub leaders: LeaderChanges,
    /// Elections of this node, and leaderships that it lost.
    pub leadership: LeadershipMetrics,
    /// Delays of a timer that fires every 100 ms.
    pub delays: RecentDurations,
    /// Delays of 100 ms or longer: the process was not scheduled, or all its threads were busy.
    pub stalls: Counter,
    /// Round trips to the connected nodes.
    pub round_trips: RoundTripMetrics,
    /// Watches of clients.
    pub watches: WatchMetrics,
    /// Connections over HTTP.
    pub http: HttpMetrics,
    /// The activity of the node in the last 15 minutes.
    pub activity: RecentActivity,
    /// When this node last sent a whole backup, in milliseconds since 1970; 0 if it has not.
    pub last_backup_ms: Gauge,
}

/// Watches of clients.
#[derive(Debug, Default)]
pub struct WatchMetrics {
    /// Requests that wait for changes.
    pub open: Gauge,
    /// Changes that were told.
    pub events: Counter,
    /// Responses that there was no change.
    pub beats: Counter,
    /// Pages of the history that were read for watches that lag.
    pub catch_ups: Counter,
}

/// Counts leaders. A term has at most one, so each term with a leader is a change.
#[derive(Debug, Default)]
pub struct LeaderChanges {
    seen: Mutex<(u64, Option<NodeId>)>,
    changes: Counter,
}

impl LeaderChanges {
    /// Records the leader of a term, if one is known. Called when leadership changes, not per
    /// request.
    pub fn note(&self, term: u64, leader: Option<NodeId>) {
        let Some(leader) = leader else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen != (term, Some(leader)) {
            *seen = (term, Some(leader));
            self.changes.increment();
        }
    }

    /// Returns the number of changes.
    pub fn get(&self) -> u64 {
        self.changes.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_counted_once_a_term() {
        let leaders = LeaderChanges::default();
        for (term, leader, count) in
            [(1, None, 0), (1, Some(1), 1), (1, Some(1), 1), (2, None, 1), (2, Some(1), 2), (3, Some(7), 3)]
        {
            leaders.note(term, leader.map(NodeId));
            assert_eq!(leaders.get(), count, "term {term}, {leader:?}");
        }
    }

    #[test]
    fn a_gauge_forgets_what_is_over() {
        let gauge = Gauge::default();
        let held = gauge.hold(5);
        let more = gauge.hold(2);
        assert_eq!(gauge.get(), 7);
        drop(held);
        assert_eq!(gauge.get(), 2);
        drop(more);
        assert_eq!(gauge.get(), 0);
    }
}
