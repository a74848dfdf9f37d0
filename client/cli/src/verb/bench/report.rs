//! The result of a bench, in each format.

use std::time::Duration;

use coffee_client::bench::{Measured, OperationKind, Plan, Times};
use serde::Serialize;

use super::{
    arguments::{BenchArguments, BenchWork},
    verdict::{BenchCheck, BenchVerdict},
};
use crate::{
    printer::{Printable, colour, escape, table::TextTable},
    wording,
};

/// The load of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct BenchSetting {
    work: &'static str,
    clients: u16,
    connections: u16,
    /// Operations due per second; none in a closed loop.
    target_rate: Option<u32>,
    keys: u32,
    key_bytes: u16,
    value_bytes: u32,
    warm_up_seconds: u32,
    seconds: u32,
    prefix: String,
}

impl BenchSetting {
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

    pub(super) fn sentences(&self) -> String {
        let pace = match self.target_rate {
            Some(rate) => format!("{rate} due per second"),
            None => "each waiting for its answer".into(),
        };
        let connections = match self.connections {
            1 => "1 connection".into(),
            n => format!("{n} connections"),
        };
        let Self { seconds, warm_up_seconds, clients, keys, key_bytes, value_bytes, .. } = self;
        format!(
            "{seconds} s after {warm_up_seconds} s of warm-up; {clients} clients over {connections}\n\
             {pace}; {keys} keys of {key_bytes} bytes, values of {value_bytes} bytes\n",
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

/// The result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct BenchReport<'a> {
    #[serde(flatten)]
    setting: &'a BenchSetting,
    operations: Vec<OperationRow>,
    per_second: f64,
    errors: Vec<Errors>,
    /// Operations that were due but never started because all clients were busy.
    not_begun: u64,
    longest_gap_us: u128,
    passed: bool,
    checks: &'a [BenchCheck],
    /// Whether the keys were deleted.
    removed: bool,
}

impl<'a> BenchReport<'a> {
    pub(super) fn new(
        setting: &'a BenchSetting,
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

    /// The checks as a table, then the verdict.
    fn verdict(&self) -> String {
        let mut table = TextTable::new(["CHECK", "MEASURED", "NEEDED", "RESULT"]).right([1]);
        for BenchCheck { name, measured, needed, passed, .. } in self.checks {
            table.row([(*name).to_owned(), measured.clone(), needed.clone(), painted(*passed)]);
        }
        let failed: Vec<&str> =
            self.checks.iter().filter(|check| !check.passed).map(|check| check.name).collect();
        let reasons = if self.passed { String::new() } else { format!(": {}", failed.join(", ")) };
        format!("{}{}{reasons}\n", table.render(), painted(self.passed))
    }
}

impl Printable for BenchReport<'_> {
    fn table(&self) -> String {
        let mut table =
            TextTable::new(["OPERATION", "COUNT", "PER SEC", "P50", "P90", "P99", "P99.9", "WORST"])
                .right(1..8);
        for row in &self.operations {
            let [p50, p90, p99, p999, worst] = row.times_us().map(wording::microseconds);
            let (count, rate) = (row.count.to_string(), wording::whole(row.per_second));
            table.row([row.operation.into(), count, rate, p50, p90, p99, p999, worst]);
        }
        let mut text = table.render() + &self.setting.sentences();
        for error in &self.errors {
            let first = escape::shown(&error.first);
            text += &format!("{} failed, {}; the first: {first}\n", error.count, error.kind);
        }
        if self.not_begun > 0 {
            text += &format!("{} were due but never started: all clients were busy\n", self.not_begun);
        }
        text + &self.verdict()
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
        lines.push(vec![word(self.passed).into()]);
        lines
    }
}

fn word(passed: bool) -> &'static str {
    if passed { "PASS" } else { "FAIL" }
}

fn painted(passed: bool) -> String {
    if passed { colour::green(word(passed)) } else { colour::red(word(passed)) }
}

fn rounded(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}
