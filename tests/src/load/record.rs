//! What became of each write of a load.

use std::{collections::BTreeMap, time::Duration};

use coffee_client::{Error, OutcomeKind, Revision};
use tokio::time::Instant;

/// What became of all writes of a load.
#[derive(Debug, Clone)]
pub struct Record {
    /// When it began.
    pub began: Instant,
    /// When the last writer was done.
    pub ended: Instant,
    /// By writer.
    pub writers: Vec<Writer>,
}

/// What became of the writes of one writer.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    /// The key that it alone writes.
    pub key: String,
    /// The writes that were acknowledged, in order.
    pub acknowledged: Vec<Acknowledged>,
    /// The calls that failed, in order.
    pub failures: Vec<Failure>,
    /// Writes that came into doubt, and were found later to have been done: their counters.
    pub resolved: Vec<u64>,
    /// Writes of which nobody knows: their counters.
    pub unresolved: Vec<u64>,
}

/// A write that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledged {
    /// What was written.
    pub counter: u64,
    /// The revision that it made.
    pub revision: Revision,
    /// When the call began.
    pub begun: Instant,
    /// When it was acknowledged.
    pub ended: Instant,
}

/// A call that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When.
    pub at: Instant,
    /// How.
    pub error: Error,
}

/// A span without an acknowledged write.
#[derive(Debug, Clone, Copy)]
pub struct Gap {
    /// The last one before, or the begin of what was looked at.
    pub from: Instant,
    /// How long it was.
    pub span: Duration,
}

impl Writer {
    /// One that has written nothing.
    pub fn new(key: String) -> Self {
        Self { key, ..Self::default() }
    }
}

impl Failure {
    pub(super) fn now(error: Error) -> Self {
        Self { at: Instant::now(), error }
    }

    /// The kind of the failure, in one word.
    pub fn kind(&self) -> &'static str {
        match (&self.error, self.error.outcome()) {
            (_, OutcomeKind::Unknown) => "unknown",
            (Error::Unavailable(_), _) => "unavailable",
            (Error::Identity(_) | Error::Denied(_), _) => "permission",
            _ => "other",
        }
    }
}

impl Record {
    /// How many writes were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.writers.iter().map(|writer| writer.acknowledged.len()).sum()
    }

    /// How many calls failed.
    pub fn failed(&self) -> usize {
        self.failures().count()
    }

    /// How many calls failed, by kind.
    pub fn failed_by_kind(&self) -> BTreeMap<&'static str, usize> {
        self.failures().fold(BTreeMap::new(), |mut kinds, failure| {
            *kinds.entry(failure.kind()).or_default() += 1;
            kinds
        })
    }

    /// All failures, by writer.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.writers.iter().flat_map(|writer| &writer.failures)
    }

    /// The longest span without an acknowledged write, from the first write to the last.
    pub fn longest_gap(&self) -> Gap {
        self.longest_gap_between(self.began, self.ended)
    }

    /// The same within a part of the load. What is left of a gap that reaches
    /// beyond it counts.
    pub fn longest_gap_between(&self, from: Instant, to: Instant) -> Gap {
        let mut ends: Vec<Instant> = self.acks().map(|ack| ack.ended).collect();
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

    /// The first acknowledged write that began after `at`: how long after it
    /// was it acknowledged.
    pub fn first_after(&self, at: Instant) -> Option<Duration> {
        self.acks().filter(|ack| ack.begun >= at).map(|ack| ack.ended - at).min()
    }

    /// The latency that `percent` of the acknowledged writes did not exceed.
    pub fn latency(&self, percent: usize) -> Option<Duration> {
        let mut latencies: Vec<Duration> = self.acks().map(|ack| ack.ended - ack.begun).collect();
        latencies.sort_unstable();
        let last = latencies.len().checked_sub(1)?;
        latencies.get(last * percent.min(100) / 100).copied()
    }

    fn acks(&self) -> impl Iterator<Item = &Acknowledged> {
        self.writers.iter().flat_map(|writer| &writer.acknowledged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two writers, whose writes ended so many milliseconds after the begin.
    fn record(ends_ms: [&[u64]; 2]) -> Record {
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        let writers = ends_ms.map(|ends| Writer {
            acknowledged: (1..)
                .zip(ends)
                .map(|(counter, &end)| Acknowledged {
                    counter,
                    revision: Revision(counter),
                    begun: at(end.saturating_sub(4)),
                    ended: at(end),
                })
                .collect(),
            ..Writer::default()
        });
        Record { began, ended: at(100), writers: writers.into() }
    }

    #[test]
    fn the_longest_gap_lies_between_any_two_writers() {
        let record = record([&[5, 30, 80], &[10, 60, 95]]);
        let gap = record.longest_gap();
        assert_eq!(
            (gap.from - record.began, gap.span),
            (Duration::from_millis(30), Duration::from_millis(30))
        );
        let part = |from, to| {
            let at = |ms| record.began + Duration::from_millis(ms);
            record.longest_gap_between(at(from), at(to)).span.as_millis()
        };
        assert_eq!(part(0, 30), 20);
        assert_eq!(part(35, 55), 20, "no write at all");
        assert_eq!(part(80, 100), 15);
    }

    #[test]
    fn the_first_write_after_a_moment_began_after_it() {
        let record = record([&[5, 30], &[10, 60]]);
        let after = |ms| record.first_after(record.began + Duration::from_millis(ms));
        assert_eq!(after(7), Some(Duration::from_millis(23)), "the one that ends at 10 began at 6");
        assert_eq!(after(57), None);
    }

    #[test]
    fn latencies_are_ordered() {
        let record = record([&[2, 30], &[10, 60]]);
        assert_eq!(record.latency(0), Some(Duration::from_millis(2)));
        assert_eq!(record.latency(50), Some(Duration::from_millis(4)));
        assert_eq!(record.acknowledged(), 4);
    }
}
