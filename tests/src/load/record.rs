//! Outcomes of a load's writes.

use std::{collections::BTreeMap, time::Duration};

use coffee_client::{Error, OutcomeKind, Revision};
use tokio::time::Instant;

use crate::timeline::{Gap, Success, Timeline};

/// Outcomes of all writes of a load.
#[derive(Debug, Clone)]
pub struct WriteRecord {
    /// When the load began.
    pub began: Instant,
    /// When the last writer finished.
    pub ended: Instant,
    /// One record per writer.
    pub writers: Vec<WriterRecord>,
}

/// Outcomes of one writer's writes.
#[derive(Debug, Clone, Default)]
pub struct WriterRecord {
    /// The key that only this writer writes.
    pub key: String,
    /// Acknowledged writes, in order.
    pub acknowledged: Vec<Acknowledged>,
    /// Failed calls, in order.
    pub failures: Vec<FailedCall>,
    /// Counters of writes that were in doubt and turned out to be applied.
    pub resolved: Vec<u64>,
    /// Counters of writes whose outcome is unknown.
    pub unresolved: Vec<u64>,
}

/// An acknowledged write.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledged {
    /// The value written.
    pub counter: u64,
    /// The revision of the write.
    pub revision: Revision,
    /// When the call began.
    pub begun: Instant,
    /// When it was acknowledged.
    pub ended: Instant,
}

/// A call that failed.
#[derive(Debug, Clone)]
pub struct FailedCall {
    /// When it failed.
    pub at: Instant,
    /// The error.
    pub error: Error,
}

impl WriterRecord {
    /// A writer without writes.
    pub fn new(key: String) -> Self {
        Self { key, ..Self::default() }
    }
}

impl FailedCall {
    pub(super) fn now(error: Error) -> Self {
        Self { at: Instant::now(), error }
    }

    /// The kind of failure, as a word for reports.
    pub fn kind(&self) -> &'static str {
        match (&self.error, self.error.outcome()) {
            (_, OutcomeKind::Unknown) => "unknown",
            (Error::Unavailable(_) | Error::NoQuorum(_), _) => "unavailable",
            (Error::Identity(_) | Error::Denied(_), _) => "permission",
            _ => "other",
        }
    }
}

impl WriteRecord {
    /// Number of acknowledged writes.
    pub fn acknowledged(&self) -> usize {
        self.writers.iter().map(|writer| writer.acknowledged.len()).sum()
    }

    /// Number of failed calls.
    pub fn failed(&self) -> usize {
        self.failures().count()
    }

    /// Number of failed calls, by kind.
    pub fn failed_by_kind(&self) -> BTreeMap<&'static str, usize> {
        self.failures().fold(BTreeMap::new(), |mut kinds, failure| {
            *kinds.entry(failure.kind()).or_default() += 1;
            kinds
        })
    }

    /// All failures, by writer.
    pub fn failures(&self) -> impl Iterator<Item = &FailedCall> {
        self.writers.iter().flat_map(|writer| &writer.failures)
    }

    /// When writes were acknowledged.
    pub fn timeline(&self) -> Timeline {
        let acks = self.writers.iter().flat_map(|writer| &writer.acknowledged);
        acks.map(|ack| Success { begun: ack.begun, ended: ack.ended }).collect()
    }

    /// The longest span without an acknowledged write in a part of the load. Only the
    /// part of a gap within it counts.
    pub fn longest_gap_between(&self, from: Instant, to: Instant) -> Gap {
        self.timeline().longest_gap_between(from, to)
    }

    /// How long after `at` the first write that began after `at` was acknowledged.
    pub fn first_after(&self, at: Instant) -> Option<Duration> {
        self.timeline().first_after(at)
    }
}
