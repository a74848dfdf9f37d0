//! The clocks of the nodes, compared with this machine's and with each other. Pure.
//!
//! A node tells its time in its answer. That arrived up to a round trip later, so half of it is added,
//! and differences up to the other half count as none.

use std::time::Duration;

use coffee_common::id::NodeName;

use super::report::CheckRow;
use crate::{warnings::Topic, wording};

/// Differences of clocks that are worth a warning, and that are a failure, in milliseconds. No rule of
/// the cluster depends on clocks; certificates, the audit log and the times of changes do.
const WARN_MS: u64 = 500;
const FAIL_MS: u64 = 5_000;

const HINT: &str = "'timedatectl status' on both machines shows whether their clocks are synchronized; \
                    'Wrong clock' in OPERATIONS.md";

/// The clock of a node, as seen from this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockReading {
    /// How far it is ahead of this machine's, in milliseconds; negative if it is late.
    ahead_ms: i64,
    /// The most by which `ahead_ms` may be wrong.
    error_ms: u64,
}

impl ClockReading {
    /// Compares the time in an answer that took this long with the time here when it arrived; `None` if
    /// the node does not tell.
    pub(super) fn new(node_ms: u64, took: Duration, now_ms: u64) -> Option<Self> {
        let half = u64::try_from(took.as_millis() / 2).unwrap_or(u64::MAX);
        let at = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let ahead_ms = at(node_ms.saturating_add(half)).saturating_sub(at(now_ms));
        (node_ms > 0).then_some(Self { ahead_ms, error_ms: half + 1 })
    }
}

/// Judges each clock, and the two that differ most.
pub(super) fn judge(readings: &[(&NodeName, Option<ClockReading>)]) -> Vec<CheckRow> {
    let known: Vec<(&NodeName, ClockReading)> =
        readings.iter().filter_map(|(name, reading)| Some((*name, (*reading)?))).collect();
    let mut rows = Vec::new();
    let first = known.iter().min_by_key(|(_, reading)| reading.ahead_ms);
    let last = known.iter().max_by_key(|(_, reading)| reading.ahead_ms);
    if let (Some((late, low)), Some((ahead, high))) = (first, last)
        && late != ahead
    {
        let apart = high.ahead_ms.abs_diff(low.ahead_ms);
        let text = format!("{ahead} is {} ahead of {late}", wording::span(apart));
        rows.push(row(None, &text, apart.saturating_sub(low.error_ms + high.error_ms)));
    }
    for (name, reading) in readings {
        rows.push(match reading {
            None => CheckRow::pass(Topic::Clock, Some(name), "its version does not tell its time"),
            Some(ClockReading { ahead_ms, error_ms }) => {
                let apart = wording::span(ahead_ms.unsigned_abs());
                let way = if *ahead_ms < 0 { "late" } else { "ahead" };
                let text =
                    format!("{apart} {way}, compared with this machine, up to {error_ms} ms more or less");
                row(Some(name), &text, ahead_ms.unsigned_abs().saturating_sub(*error_ms))
            }
        });
    }
    rows
}

fn row(node: Option<&NodeName>, text: &str, apart_ms: u64) -> CheckRow {
    match apart_ms {
        FAIL_MS.. => CheckRow::fail(Topic::Clock, node, text, HINT),
        WARN_MS.. => CheckRow::warn(Topic::Clock, node, text, HINT),
        _ => CheckRow::pass(Topic::Clock, node, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sample_view::name, warnings::Severity};

    const HERE: u64 = 1_800_000_000_000;

    fn reading(node_ms: u64, took_ms: u64) -> Option<ClockReading> {
        ClockReading::new(node_ms, Duration::from_millis(took_ms), HERE)
    }

    fn problems(readings: &[(&str, Option<ClockReading>)]) -> Vec<Option<Severity>> {
        let names: Vec<NodeName> = readings.iter().map(|(text, _)| name(text)).collect();
        let readings: Vec<_> =
            names.iter().zip(readings).map(|(name, (_, reading))| (name, *reading)).collect();
        judge(&readings).into_iter().map(|row| row.problem).collect()
    }

    #[test]
    fn the_way_back_is_half_the_round_trip() {
        let same = reading(HERE - 200, 400).unwrap();
        assert_eq!(same, ClockReading { ahead_ms: 0, error_ms: 201 });
        assert_eq!(reading(0, 400), None);
    }

    #[test]
    fn a_difference_counts_beyond_the_error() {
        let (warn, fail) = (Some(Severity::Warn), Some(Severity::Fail));
        for (ahead, took, problem) in [
            (0, 0, None),
            (500, 0, None),
            (501, 0, warn),
            // The error of a slow link.
            (600, 400, None),
            (5_000, 0, warn),
            (5_001, 0, fail),
        ] {
            let ahead_of_here = reading(HERE + ahead - took / 2, took);
            assert_eq!(problems(&[("ming", ahead_of_here)]), [problem], "{ahead} ms, {took} ms");
            let late = reading(HERE - ahead - took / 2, took);
            assert_eq!(problems(&[("ming", late)]), [problem], "{ahead} ms late, {took} ms");
        }
    }

    #[test]
    fn clocks_are_also_compared_with_each_other() {
        let (warn, none) = (Some(Severity::Warn), None);
        // Neither differs much from this machine's.
        let apart = [("ming", reading(HERE - 300, 0)), ("hong", reading(HERE + 300, 0))];
        assert_eq!(problems(&apart), [warn, none, none]);
        // This machine's is the one that is wrong.
        let here = [("ming", reading(HERE + 900, 0)), ("hong", reading(HERE + 900, 0)), ("peng", None)];
        assert_eq!(problems(&here), [none, warn, warn, none]);
    }

    #[test]
    fn the_lines_are_sentences() {
        let (ming, hong) = (name("ming"), name("hong"));
        let rows = judge(&[(&ming, reading(HERE - 300, 0)), (&hong, reading(HERE + 12, 2))]);
        let details: Vec<&str> = rows.iter().map(|row| &row.detail[..]).collect();
        assert_eq!(
            details,
            [
                "hong is 313 ms ahead of ming",
                "300 ms late, compared with this machine, up to 1 ms more or less",
                "13 ms ahead, compared with this machine, up to 2 ms more or less",
            ]
        );
    }
}
