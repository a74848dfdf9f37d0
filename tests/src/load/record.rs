//! What became of each write of a load.

use std::{collections::BTreeMap, time::Duration};

use coffee_client::{Error, OutcomeKind, Revision};
use tokio::time::Instant;

use crate::timeline::{Gap, Success, Timeline};

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

    /// When writes were acknowledged.
    pub fn timeline(&self) -> Timeline {
        let acks = self.writers.iter().flat_map(|writer| &writer.acknowledged);
        acks.map(|ack| Success { begun: ack.begun, ended: ack.ended }).collect()
    }

    /// The longest span without an acknowledged write in a part of the load.
    /// What is left of a gap that reaches beyond it counts.
    pub fn longest_gap_between(&self, from: Instant, to: Instant) -> Gap {
        self.timeline().longest_gap_between(from, to)
    }

    /// The first acknowledged write that began after `at`: how long after it
    /// was it acknowledged.
    pub fn first_after(&self, at: Instant) -> Option<Duration> {
        self.timeline().first_after(at)
    }
}
