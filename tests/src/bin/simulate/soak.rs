//! Runs many seeds, each in its own process: they share neither randomness nor damage.

use std::{
    collections::BTreeMap,
    env,
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// Simulated seconds of faults per seed.
const SECONDS: u64 = 20;

/// The same in worlds of two versions.
const UPGRADE_SECONDS: u64 = 40;

/// Seeds per progress line on standard error.
const PROGRESS: u64 = 50;

#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    simulated_ms: u64,
    counts: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
    upgrade: BTreeMap<String, u64>,
    wrong: Vec<String>,
}

/// Runs seeds from `first` on for `seconds` real seconds, with two versions if it is to `upgrade`.
/// Returns whether no violation was found.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its results")]
pub(crate) fn run(seconds: u64, first: u64, upgrade: bool) -> bool {
    #[expect(clippy::disallowed_methods, reason = "measures real time")]
    let began = Instant::now();
    let (next, sum) = (AtomicU64::new(first), Mutex::new(Sum::default()));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while began.elapsed() < Duration::from_secs(seconds) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let words = words(seed, upgrade);
                    let report = one(&words);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(wrong) = sum.add(&words, report) {
                        println!("{wrong}");
                    }
                    if sum.seeds.is_multiple_of(PROGRESS) {
                        eprintln!("{}", sum.line(began.elapsed()));
                    }
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}", sum.line(began.elapsed()));
    sum.wrong.is_empty() && sum.seeds > 0
}

/// Returns the words that run a seed.
fn words(seed: u64, upgrade: bool) -> Vec<String> {
    let seconds = if upgrade { UPGRADE_SECONDS } else { SECONDS };
    let mut words = vec![seed.to_string(), seconds.to_string()];
    words.extend(upgrade.then(|| "--upgrade".to_owned()));
    words
}

/// Returns a seed's report, or the last line that the process printed instead.
fn one(words: &[String]) -> Result<Value, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    let output = command.args(words).arg("--json").output();
    let output = output.map_err(|error| error.to_string())?;
    let last = |said: &[u8]| String::from_utf8_lossy(said).lines().last().unwrap_or("it died").to_owned();
    serde_json::from_slice(&output.stdout).map_err(|_| last(&output.stderr))
}

impl Sum {
    fn line(&self, real: Duration) -> String {
        format!(
            "{} seeds, {:.2} simulated hours, {:.1} simulated seconds per real second; operations {:?}; faults {:?}; upgrades {:?}; {} seeds with violations",
            self.seeds,
            self.simulated_ms as f64 / 3_600_000.0,
            self.simulated_ms as f64 / 1000.0 / real.as_secs_f64(),
            self.counts,
            self.faults,
            self.upgrade,
            self.wrong.len()
        )
    }

    fn add(&mut self, words: &[String], report: Result<Value, String>) -> Option<String> {
        self.seeds += 1;
        let (seed, again) = (&words[0], format!("repeat with: simulate {}", words.join(" ")));
        let report = match report {
            Ok(report) => report,
            Err(said) => {
                let wrong = format!("seed {seed}: {said}; {again}");
                self.wrong.push(wrong.clone());
                return Some(wrong);
            }
        };
        self.simulated_ms += report["simulated_ms"].as_u64().unwrap_or(0);
        let Self { counts, faults, upgrade, .. } = self;
        for (into, name) in [(counts, "operations"), (faults, "faults"), (upgrade, "upgrade")] {
            for (what, count) in report[name].as_object().into_iter().flatten() {
                *into.entry(what.clone()).or_default() += count.as_u64().unwrap_or(0);
            }
        }
        let wrong = report["wrong"].as_array().filter(|wrong| !wrong.is_empty())?;
        let wrong = format!("seed {seed}: {wrong:?}; {again}");
        self.wrong.push(wrong.clone());
        Some(wrong)
    }
}
