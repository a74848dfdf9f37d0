//! What a node counts of its own work, for those who watch it.
//!
//! Plain data at the base: whoever does the work counts, whoever is asked reads
//! (`admin`). Each node has its own, so that several live in one process. Guards
//! that counting costs a few atomic additions, without a lock, an allocation or
//! a wait, and that nothing is decided by what was counted.

mod histogram;
mod log;
mod requests;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use coffee_common::id::NodeId;

pub use self::{
    histogram::{Histogram, Reading},
    log::LogMetrics,
    requests::{OutcomeKind, RequestMetrics, Verb},
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds so many.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that grows and shrinks.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// A share of a gauge, until this is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    gauge: &'a Gauge,
    share: u64,
}

impl Gauge {
    /// Counts so many until what is returned is dropped.
    pub fn hold(&self, share: usize) -> Held<'_> {
        let share = share as u64;
        self.0.fetch_add(share, Ordering::Relaxed);
        Held { gauge: self, share }
    }

    /// There are so many from now on; not for one that is held.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.gauge.0.fetch_sub(self.share, Ordering::Relaxed);
    }
}

/// How much a node remembers of requests that were applied.
#[derive(Debug, Default)]
pub struct RequestMemoryMetrics {
    /// The requests that it remembers.
    pub entries: Gauge,
    /// What finding them takes in memory; what came of them is part of the state.
    pub bytes: Gauge,
}

/// What one node counts, whatever its part in a cluster.
#[derive(Debug)]
pub struct NodeMetrics {
    /// The requests of clients, and of nodes that speak as such.
    pub requests: RequestMetrics,
    /// From the proposal of a client's write to its being applied, where this node leads.
    pub commits: Histogram,
    /// Leaders that this node has seen come.
    pub leaders: LeaderChanges,
}

impl Default for NodeMetrics {
    fn default() -> Self {
        Self {
            requests: RequestMetrics::default(),
            commits: Histogram::of_durations(),
            leaders: LeaderChanges::default(),
        }
    }
}

/// Counts leaders. A term has one at most, so each term that has one is a change.
#[derive(Debug, Default)]
pub struct LeaderChanges {
    seen: Mutex<(u64, Option<NodeId>)>,
    changes: Counter,
}

impl LeaderChanges {
    /// Takes note of who leads in a term, if anybody is known to. Called where
    /// leadership changes, not on the way of a request.
    pub fn note(&self, term: u64, leader: Option<NodeId>) {
        let Some(leader) = leader else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen != (term, Some(leader)) {
            *seen = (term, Some(leader));
            self.changes.increment();
        }
    }

    /// How many there were.
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
