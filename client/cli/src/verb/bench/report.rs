//! What a bench measured, in each format.

use std::time::Duration;

use coffee_client::bench::{Measured, OperationKind, Plan, Times};
use serde::Serialize;

use super::{
    arguments::{BenchArguments, BenchWork},
    verdict::{BenchCheck, BenchVerdict},
};
use crate::{
    printer::{Printable, escape, table::TextTable},
    wording,
};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Setting {
    work: &'static str,
    clients: u16,
    connections: u16,
    /// Operations that were due a second; none in a closed loop.
    target_rate: Option<u32>,
    keys: u32,
    key_bytes: u16,
    value_bytes: u32,
    warm_up_seconds: u32,
    seconds: u32,
    prefix: String,
}

impl Setting {
    pub(super) fn new(plan: &Plan, arguments: &BenchArguments) -> Self {
        Self {
            work: match arguments.work {
                BenchWork::Put => "put",
                BenchWork::Get => "get",
                BenchWork::Mixed => "mixed",
                BenchWork::Clean => "clean",
            },
            clients: arguments.clients,
            connections: arguments.connections,
            target_rate: arguments.rate,
            keys: arguments.keys,
            key_bytes: arguments.key_size,
            value_bytes: arguments.value_size,
            warm_up_seconds: arguments.warm_up,
            seconds: arguments.seconds,
            prefix: plan.keys.prefix().to_owned(),
        }
    }

    fn sentence(&self) -> String {
        let pace = match self.target_rate {
            Some(rate) => format!("{rate} due a second"),
            None => "each waiting for its answer".into(),
        };
        format!(
            "{} s after {} s of warm-up; {} clients over {}, {pace}; {} keys of {} bytes, values of {} bytes\n",
            self.seconds,
            self.warm_up_seconds,
            self.clients,
            match self.connections {
                1 => "1 connection".into(),
                n => format!("{n} connections"),
            },
            self.keys,
            self.key_bytes,
            self.value_bytes,
        )
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OperationRow {
    operation: &'static str,
    count: u64,
    per_second: f64,
    p50_us: u128,
    p90_us: u128,
    p99_us: u128,
    p999_us: u128,
    worst_us: u128,
}

impl OperationRow {
    fn new(kind: OperationKind, times: &Times, duration: Duration) -> Self {
        let at = |percent| times.percentile(percent).as_micros();
        Self {
            operation: kind.name(),
            count: times.count(),
            per_second: rounded(times.rate(duration)),
            p50_us: at(50.0),
            p90_us: at(90.0),
            p99_us: at(99.0),
            p999_us: at(99.9),
            worst_us: times.worst().as_micros(),
        }
    }

    fn times_us(&self) -> [u128; 5] {
        [self.p50_us, self.p90_us, self.p99_us, self.p999_us, self.worst_us]
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Errors {
    kind: &'static str,
    count: u64,
    first: String,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct BenchReport<'a> {
    #[serde(flatten)]
    setting: &'a Setting,
    operations: Vec<OperationRow>,
    per_second: f64,
    errors: Vec<Errors>,
    /// Operations that were due and never begun, since all clients were busy.
    not_begun: u64,
    longest_gap_us: u128,
    passed: bool,
    checks: &'a [BenchCheck],
    /// Whether the keys are gone again.
    removed: bool,
}

impl<'a> BenchReport<'a> {
    pub(super) fn new(
        setting: &'a Setting,
        measured: &Measured,
        verdict: &'a BenchVerdict,
        removed: bool,
    ) -> Self {
        let row =
            |(kind, times): (&OperationKind, &Times)| OperationRow::new(*kind, times, measured.duration);
        let errors = measured.errors.iter().map(|(kind, errors)| Errors {
            kind,
            count: errors.count,
            first: errors.first.clone(),
        });
        Self {
            setting,
            operations: measured.times.iter().map(row).collect(),
            per_second: rounded(measured.rate()),
            errors: errors.collect(),
            not_begun: measured.not_begun,
            longest_gap_us: measured.longest_gap.as_micros(),
            passed: verdict.passed(),
            checks: &verdict.0,
            removed,
        }
    }

    fn verdict_word(&self) -> &'static str {
        if self.passed { "PASS" } else { "FAIL" }
    }
}

impl Printable for BenchReport<'_> {
    fn table(&self) -> String {
        let mut table =
            TextTable::new(["OPERATION", "COUNT", "A SECOND", "P50", "P90", "P99", "P99.9", "WORST"])
                .right(1..8);
        for row in &self.operations {
            let [p50, p90, p99, p999, worst] = row.times_us().map(wording::microseconds);
            let (count, rate) = (row.count.to_string(), wording::whole(row.per_second));
            table.row([row.operation.into(), count, rate, p50, p90, p99, p999, worst]);
        }
        let mut text = table.render() + &self.setting.sentence();
        for error in &self.errors {
            let first = escape::shown(&error.first);
            text += &format!("{} failed, {}; the first: {first}\n", error.count, error.kind);
        }
        if self.not_begun > 0 {
            text += &format!("{} were due and never begun: all clients were busy\n", self.not_begun);
        }
        // All that was looked at where all is well; what stood against it where not.
        let shown = self.checks.iter().filter(|check| self.passed || !check.passed);
        let checks: Vec<String> =
            shown.map(|check| format!("{} {} ({})", check.name, check.measured, check.needed)).collect();
        text + &format!("{}: {}\n", self.verdict_word(), checks.join(", "))
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let mut lines = Vec::new();
        for row in &self.operations {
            let mut line = vec![row.operation.to_owned(), row.count.to_string(), row.per_second.to_string()];
            line.extend(row.times_us().map(|us| us.to_string()));
            lines.push(line);
        }
        for error in &self.errors {
            lines.push(vec!["error".into(), error.kind.into(), error.count.to_string()]);
        }
        lines.push(vec!["not begun".into(), self.not_begun.to_string()]);
        lines.push(vec!["gap".into(), self.longest_gap_us.to_string()]);
        lines.push(vec![self.verdict_word().into()]);
        lines
    }
}

fn rounded(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}
