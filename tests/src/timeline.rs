//! When operations succeeded, and how long none did.

use std::time::Duration;

use tokio::time::Instant;

/// An operation that succeeded.
#[derive(Debug, Clone, Copy)]
pub struct Success {
    /// When it began.
    pub begun: Instant,
    /// When its success became known.
    pub ended: Instant,
}

/// Successful operations, ordered by their ends, or nearly so.
#[derive(Debug, Clone, Default)]
pub struct Timeline(Vec<Success>);

/// A time span without a success.
#[derive(Debug, Clone, Copy)]
pub struct Gap {
    /// The last success before it, or the start of the examined period.
    pub from: Instant,
    /// Its length.
    pub span: Duration,
}

impl FromIterator<Success> for Timeline {
    fn from_iter<I: IntoIterator<Item = Success>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

impl Timeline {
    /// Adds a success.
    pub fn push(&mut self, success: Success) {
        self.0.push(success);
    }

    /// Adds the successes of another one.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns the number of successes.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns how many began at `from` or later.
    pub fn begun_since(&self, from: Instant) -> usize {
        // The list is nearly sorted: only slow operations are out of order.
        self.0.iter().rev().take_while(|success| success.ended >= from).filter(|s| s.begun >= from).count()
    }

    /// Returns the operations that were in flight between two moments.
    #[must_use]
    pub fn between(&self, from: Instant, to: Instant) -> Self {
        self.0.iter().filter(|success| success.ended >= from && success.begun < to).copied().collect()
    }

    /// Returns the longest span without a success between two moments. Only the part of a
    /// gap between them counts.
    pub fn longest_gap_between(&self, from: Instant, to: Instant) -> Gap {
        let mut ends: Vec<Instant> = self.0.iter().map(|success| success.ended).collect();
        ends.retain(|end| (from..to).contains(end));
        ends.push(to);
        ends.sort_unstable();
        let mut longest = Gap { from, span: Duration::ZERO };
        let mut before = from;
        for end in ends {
            if end - before > longest.span {
                longest = Gap { from: before, span: end - before };
            }
            before = end;
        }
        longest
    }

    /// Returns how long after `at` the first operation that began after `at` succeeded.
    pub fn first_after(&self, at: Instant) -> Option<Duration> {
        let later = self.0.iter().filter(|success| success.begun >= at);
        later.map(|success| success.ended - at).min()
    }

    /// Returns the latency at `per_thousand`: 500 is the median, 1000 the slowest.
    pub fn latency(&self, per_thousand: usize) -> Option<Duration> {
        let mut latencies: Vec<Duration> =
            self.0.iter().map(|success| success.ended - success.begun).collect();
        latencies.sort_unstable();
        let last = latencies.len().checked_sub(1)?;
        latencies.get(last * per_thousand.min(1000) / 1000).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations that took at most 4 ms each, and ended at these milliseconds after the
    /// start.
    fn timeline(ends_ms: &[u64]) -> (Instant, Timeline) {
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        let success = |end: &u64| Success { begun: at(end.saturating_sub(4)), ended: at(*end) };
        (began, ends_ms.iter().map(success).collect())
    }

    #[test]
    fn the_longest_gap_lies_between_any_two() {
        let (began, timeline) = timeline(&[5, 30, 80, 10, 60, 95]);
        let at = |ms| began + Duration::from_millis(ms);
        let gap = timeline.longest_gap_between(began, at(100));
        assert_eq!((gap.from - began, gap.span), (Duration::from_millis(30), Duration::from_millis(30)));
        let part = |from, to| timeline.longest_gap_between(at(from), at(to)).span.as_millis();
        assert_eq!(part(0, 30), 20);
        assert_eq!(part(35, 55), 20, "none at all");
        assert_eq!(part(80, 100), 15);
    }

    #[test]
    fn the_first_after_a_moment_began_after_it() {
        let (began, timeline) = timeline(&[5, 30, 10, 60]);
        let after = |ms| timeline.first_after(began + Duration::from_millis(ms));
        assert_eq!(after(7), Some(Duration::from_millis(23)), "the one that ends at 10 began at 6");
        assert_eq!(after(57), None);
    }

    #[test]
    fn latencies_are_ordered() {
        let (began, timeline) = timeline(&[2, 30, 10, 60]);
        assert_eq!(timeline.latency(0), Some(Duration::from_millis(2)));
        assert_eq!(timeline.latency(1000), Some(Duration::from_millis(4)));
        let early = timeline.between(began, began + Duration::from_millis(26));
        assert_eq!(early.count(), 2, "the one that ends at 30 begins at 26");
        assert_eq!(Timeline::default().latency(500), None);
    }
}
