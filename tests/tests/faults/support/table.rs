//! Results of the rounds, as a table.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
    process,
    time::Duration,
};

use coffee_tests::load::{Verification, Violation, WriteRecord};
use tokio::time::Instant;

/// Tells a process in a sandbox where the rows are kept.
const ROWS: &str = "COFFEE_FAULTS_ROWS";

/// Results of all rounds of one fault.
#[derive(Debug, Default)]
pub(crate) struct FaultRow {
    acknowledged: usize,
    failed: usize,
    unresolved: usize,
    lost: usize,
    doubled: usize,
    disordered: usize,
    gaps: Vec<Duration>,
}

impl FaultRow {
    /// Adds one round: the fault struck `at`.
    pub(crate) fn add(&mut self, record: &WriteRecord, report: &Verification, at: Instant) {
        self.acknowledged += record.acknowledged();
        self.failed += record.failed();
        self.unresolved += report.unresolved;
        for finding in &report.findings {
            *match finding {
                Violation::Lost { .. } | Violation::Outdated { .. } => &mut self.lost,
                Violation::Doubled { .. } => &mut self.doubled,
                Violation::Disordered { .. } => &mut self.disordered,
            } += 1;
        }
        self.gaps.push(record.longest_gap_between(at, record.ended).span);
        self.gaps.sort_unstable();
    }

    /// The longest span without an acknowledged write.
    pub(crate) fn worst(&self) -> Duration {
        self.gaps.last().copied().unwrap_or_default()
    }

    fn gap_ms(&self, percent: usize) -> u128 {
        // Nearest rank: with few rounds, the 99th percentile is the worst.
        let rank = (self.gaps.len() * percent).div_ceil(100).max(1) - 1;
        self.gaps.get(rank).copied().unwrap_or_default().as_millis()
    }

    fn line(&self, class: &str) -> String {
        format!(
            "{class:<38} {:>4} {:>8} {:>6} {:>10} {:>4} {:>7} {:>10} {:>7} {:>7} {:>7}\n",
            self.gaps.len(),
            self.acknowledged,
            self.failed,
            self.unresolved,
            self.lost,
            self.doubled,
            self.disordered,
            self.gap_ms(50),
            self.gap_ms(99),
            self.worst().as_millis(),
        )
    }

    /// Appends it to the table of this run.
    pub(crate) fn publish(&self, class: &str) {
        let mut rows =
            OpenOptions::new().create(true).append(true).open(path()).expect("a file for the rows");
        rows.write_all(self.line(class).as_bytes()).expect("a row can be written");
    }
}

/// File of this run's rows, shared with processes in sandboxes.
pub(crate) fn path() -> PathBuf {
    match env::var_os(ROWS) {
        Some(path) => path.into(),
        None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.rows", process::id())),
    }
}

/// The variable that a process in a sandbox needs.
pub(crate) fn variable() -> (&'static str, PathBuf) {
    (ROWS, path())
}

/// Prints the rows so far.
#[expect(clippy::print_stdout, reason = "these tests exist for their figures")]
pub(crate) fn show() {
    let rows = fs::read_to_string(path()).unwrap_or_default();
    println!(
        "\n{:<38} {:>4} {:>8} {:>6} {:>10} {:>4} {:>7} {:>10} {:>7} {:>7} {:>7}\n{rows}",
        "fault (whom)",
        "runs",
        "acked",
        "failed",
        "unresolved",
        "lost",
        "doubled",
        "disordered",
        "gap p50",
        "p99",
        "worst ms",
    );
}
