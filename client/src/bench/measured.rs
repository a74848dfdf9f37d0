//! Measurements of a run.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::Failed;

/// Latencies are distinguished to 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;

/// The kind of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OperationKind {
    /// A write.
    Put,
    /// A read.
    Get,
}

impl OperationKind {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
        }
    }
}

/// Latencies of successful operations.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u64>);

impl Times {
    fn new() -> Self {
        #[expect(clippy::expect_used, reason = "the crate takes 0 to 5 digits")]
        let histogram = Histogram::new(SIGNIFICANT_DIGITS).expect("a legal precision");
        Self(histogram)
    }

    /// Returns the number of operations.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns operations per second over `duration`.
    pub fn rate(&self, duration: Duration) -> f64 {
        per_second(self.count(), duration)
    }

    /// Returns the latency at a percentile (0 to 100).
    pub fn percentile(&self, percent: f64) -> Duration {
        Duration::from_micros(self.0.value_at_percentile(percent))
    }

    /// Returns the highest latency.
    pub fn worst(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }
}

/// Errors of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCount {
    /// Number of errors.
    pub count: u64,
    /// Text of the first one.
    pub first: String,
}

/// The result of a run. Operations count if they were due during the measurement,
/// whenever they ended.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Duration of the measurement.
    pub duration: Duration,
    /// Latencies by kind of operation.
    pub times: BTreeMap<OperationKind, Times>,
    /// Errors by kind.
    pub errors: BTreeMap<&'static str, ErrorCount>,
    /// Operations that were due but never started because all clients were busy.
    pub not_begun: u64,
    /// The longest time without a success.
    pub longest_gap: Duration,
}

impl Measured {
    /// Returns the number of successful operations.
    pub fn successes(&self) -> u64 {
        self.times.values().map(Times::count).sum()
    }

    /// Returns the number of failed operations.
    pub fn failures(&self) -> u64 {
        self.errors.values().map(|errors| errors.count).sum()
    }

    /// Returns successes per second.
    pub fn rate(&self) -> f64 {
        per_second(self.successes(), self.duration)
    }

    /// Returns the latencies of all successful operations.
    pub fn all_times(&self) -> Times {
        let mut all = Times::new();
        for times in self.times.values() {
            // Cannot fail: the histogram resizes.
            let _ = all.0.add(&times.0);
        }
        all
    }
}

#[expect(clippy::cast_precision_loss, reason = "no run has 2^53 operations")]
pub(super) fn per_second(count: u64, duration: Duration) -> f64 {
    count as f64 / duration.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// Records operations during a run.
#[derive(Debug)]
pub(super) struct Recorder {
    begin: Instant,
    end: Instant,
    last_success: Instant,
    measured: Measured,
}

impl Recorder {
    pub(super) fn new(begin: Instant, end: Instant) -> Self {
        let measured = Measured {
            duration: end - begin,
            times: BTreeMap::new(),
            errors: BTreeMap::new(),
            not_begun: 0,
            longest_gap: Duration::ZERO,
        };
        Self { begin, end, last_success: begin, measured }
    }

    pub(super) fn note(
        &mut self,
        kind: OperationKind,
        due: Instant,
        ended: Instant,
        result: Result<(), Failed>,
    ) {
        if result.is_ok() && ended > self.last_success {
            let gap = ended - self.last_success;
            self.measured.longest_gap = self.measured.longest_gap.max(gap);
            self.last_success = ended;
        }
        if due < self.begin || due >= self.end {
            return;
        }
        match result {
            Ok(()) => {
                let micros = u64::try_from((ended - due).as_micros()).unwrap_or(u64::MAX);
                let times = self.measured.times.entry(kind).or_insert_with(Times::new);
                // Cannot fail: the histogram resizes.
                let _ = times.0.record(micros);
            }
            Err(failed) => {
                let error = self.measured.errors.entry(failed.kind);
                error.or_insert(ErrorCount { count: 0, first: failed.text }).count += 1;
            }
        }
    }

    /// Returns successes and failures so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.measured.successes(), self.measured.failures())
    }

    pub(super) fn finish(&self, not_begun: u64) -> Measured {
        let to_the_end = self.end.saturating_duration_since(self.last_success);
        let longest_gap = self.measured.longest_gap.max(to_the_end);
        Measured { not_begun, longest_gap, ..self.measured.clone() }
    }
}
