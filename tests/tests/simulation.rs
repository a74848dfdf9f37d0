//! The simulated cluster: seeds that once found a bug, some fresh seeds, upgrades, determinism,
//! and detection of a stale read.
//!
//! A long run: `cargo run --release -p coffee-tests --bin simulate -- soak SECONDS`.

use std::{
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;
use tokio::time::Instant;

/// Seeds for each run, with their seconds and the reason.
const SEEDS: &str = include_str!("simulation_seeds.txt");

/// How long fresh seeds run, and the simulated seconds of faults of each.
const FRESH: Duration = Duration::from_secs(45);
const SECONDS: u64 = 10;
const WORKERS: u64 = 2;
/// Number of seeds that are run twice and compared.
const REPEATED: u64 = 50;
/// Larger than the number of seeds of a run, so that no two runs share a seed.
const SEEDS_APART: u64 = 1000;
/// Seeds of worlds of two versions, and the simulated seconds of faults of each.
const UPGRADE_SEEDS: [u64; 3] = [5, 7, 11];
const UPGRADE_SECONDS: u64 = 25;
/// Happens in one of these worlds at least.
const UPGRADE_EVENTS: [&str; 4] =
    ["upgraded and taken back", "level raised", "start refused", "touch applied"];

fn simulate(seed: u64, seconds: u64, flags: &[&str]) -> Value {
    let (seed, seconds) = (seed.to_string(), seconds.to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulate"));
    let output = command.args([&seed, &seconds, "--json"]).args(flags).output().expect("it runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("seed {seed}: {error}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

/// Asserts that there were no violations. Returns the report.
fn clean_report(seed: u64, seconds: u64, flags: &[&str]) -> Value {
    let report = simulate(seed, seconds, flags);
    let wrong = report["wrong"].as_array().expect("a list");
    assert!(wrong.is_empty(), "{wrong:?}; repeat with: simulate {seed} {seconds} {}", flags.join(" "));
    report
}

/// Asserts that there were no violations. Returns the number of acknowledged operations.
fn assert_clean(seed: u64, seconds: u64) -> u64 {
    clean_report(seed, seconds, &[])["operations"]["acknowledged"].as_u64().expect("a number")
}

#[test]
fn seeds_that_found_something() {
    let seeds = SEEDS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parse = |word: Option<&str>| word.and_then(|word| word.parse().ok()).expect("SEED SECONDS REASON");
    for line in seeds {
        let mut words = line.split_whitespace();
        let acknowledged = assert_clean(parse(words.next()), parse(words.next()));
        assert!(acknowledged > 50, "too little load: {acknowledged} in {line}");
    }
}

#[test]
fn fresh_seeds() {
    let end = Instant::now() + FRESH;
    let first = coffee_common::clock::now_ms() * SEEDS_APART;
    // One seed may do few operations without a fault: its cluster may have grown late.
    let (load, seeds) = (&AtomicU64::new(0), &AtomicU64::new(0));
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            scope.spawn(move || {
                for seed in (first + worker..first + SEEDS_APART).step_by(WORKERS as usize) {
                    load.fetch_add(assert_clean(seed, SECONDS), Ordering::Relaxed);
                    seeds.fetch_add(1, Ordering::Relaxed);
                    if Instant::now() > end {
                        break;
                    }
                }
            });
        }
    });
    let (load, seeds) = (load.load(Ordering::Relaxed), seeds.load(Ordering::Relaxed));
    assert!(load > 100 * seeds, "too little load: {load} operations acknowledged in {seeds} seeds");
}

/// Nodes of two versions in one world: upgraded, taken back, and upgraded for good.
#[test]
fn nodes_are_upgraded_and_taken_back() {
    let reports = thread::scope(|scope| {
        let runs = UPGRADE_SEEDS
            .map(|seed| scope.spawn(move || clean_report(seed, UPGRADE_SECONDS, &["--upgrade"])));
        runs.map(|run| run.join().expect("it is clean"))
    });
    for event in UPGRADE_EVENTS {
        let count: u64 = reports.iter().filter_map(|report| report["upgrade"][event].as_u64()).sum();
        assert!(count > 0, "in no seed: {event}");
    }
}

#[test]
fn a_seed_does_the_same_each_time() {
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            scope.spawn(move || {
                for seed in (1 + worker..=REPEATED).step_by(WORKERS as usize) {
                    let [one, two] = [(); 2].map(|()| simulate(seed, 1, &[]));
                    assert_eq!(one, two, "seed {seed}");
                }
            });
        }
    });
}

#[test]
fn stale_reads_are_found() {
    let found = (1..20).find(|seed| {
        let report = simulate(*seed, SECONDS, &["--local-reads"]);
        report["wrong"].to_string().contains("is not linearizable")
    });
    assert!(found.is_some(), "no seed finds reads that are not linearizable");
}
