//! Judges a run: PASS or FAIL, and the failed checks.

use std::time::Duration;

use coffee_client::bench::Measured;
use serde::Serialize;

use super::arguments::BenchArguments;
use crate::{exit::ExitCode, failure::Failure, wording};

/// Operations per second that pass. Many times the need of a chain of shops, and
/// within reach of a slow link or disk.
const RATE_MIN: f64 = 100.0;

/// The part of the requested rate that passes: a run may end a little late.
const KEEPS_UP: f64 = 0.9;

const SLOW: &str = "'coffeectl list' names slow disks, starved nodes and long links, 'coffeectl status' shows the \
                    commits; 'Slow' in OPERATIONS.md says which fix helps";

const FALLS_OUT: &str = "check whether the leader changed during the run: 'coffeectl list' shows the term, the \
                         nodes' logs the reason";

/// The goals of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Needs {
    pub(super) rate: f64,
    pub(super) p99: Duration,
    pub(super) gap: Duration,
}

impl Needs {
    pub(super) fn new(arguments: &BenchArguments) -> Self {
        let rate = match (arguments.min_rate, arguments.rate) {
            (Some(least), _) => least.into(),
            (None, Some(rate)) => f64::from(rate) * KEEPS_UP,
            (None, None) => RATE_MIN,
        };
        Self { rate, p99: arguments.max_p99, gap: arguments.max_gap }
    }
}

/// A measured value, compared with its goal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct BenchCheck {
    pub(super) name: &'static str,
    pub(super) passed: bool,
    pub(super) measured: String,
    pub(super) needed: String,
    #[serde(skip)]
    hint: &'static str,
}

/// All checks of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BenchVerdict(pub(super) Vec<BenchCheck>);

impl BenchVerdict {
    pub(super) fn new(measured: &Measured, needs: &Needs) -> Self {
        let all = measured.all_times();
        let p99 = all.percentile(99.0);
        let errors = BenchCheck {
            name: "errors",
            passed: measured.failures() == 0,
            measured: measured.failures().to_string(),
            needed: "0".into(),
            hint: "'coffeectl list' shows unreachable nodes; the first error of each kind is above",
        };
        let rate = BenchCheck {
            name: "rate",
            passed: measured.rate() >= needs.rate,
            measured: format!("{}/s", wording::whole(measured.rate())),
            needed: format!(">= {}/s", wording::whole(needs.rate)),
            hint: SLOW,
        };
        let p99 = BenchCheck {
            name: "p99",
            passed: all.count() > 0 && p99 <= needs.p99,
            measured: if all.count() > 0 { wording::milliseconds(p99) } else { "-".into() },
            needed: format!("<= {}", wording::milliseconds(needs.p99)),
            hint: SLOW,
        };
        let gap = BenchCheck {
            name: "gap",
            passed: measured.longest_gap <= needs.gap,
            measured: wording::milliseconds(measured.longest_gap),
            needed: format!("<= {}", wording::milliseconds(needs.gap)),
            hint: FALLS_OUT,
        };
        Self(vec![errors, rate, p99, gap])
    }

    pub(super) fn passed(&self) -> bool {
        self.0.iter().all(|check| check.passed)
    }

    /// Converts the verdict into the result of the command.
    pub(super) fn into_result(self) -> Result<ExitCode, Failure> {
        let failed: Vec<BenchCheck> = self.0.into_iter().filter(|check| !check.passed).collect();
        if failed.is_empty() {
            return Ok(ExitCode::Done);
        }
        let names: Vec<&str> = failed.iter().map(|check| check.name).collect();
        let failure =
            Failure::new(ExitCode::Failed, format!("the cluster failed the bench: {}", names.join(", ")));
        let mut hints: Vec<&str> = failed.iter().map(|check| check.hint).collect();
        hints.dedup();
        Err(hints.into_iter().fold(failure, Failure::hint))
    }
}
