//! Proves that the simulator detects bugs: faults are injected into the server, one at a
//! time, and each must be found within a bounded number of seeds.
//!
//! ```text
//! cargo test -p coffee-tests --test fault_injection -- --ignored --nocapture
//! ```

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::Value;

/// Injected faults, each with the violations that must reveal it (one suffices).
const PLANTED: [(&str, &[&str]); 27] = [
    ("above-the-level", &["feature level"]),
    ("acknowledged-before-fsync", &["durable before answered"]),
    ("applied-twice", &["exactly once", "not linearizable"]),
    ("beat-ahead-of-events", &["was not told"]),
    ("callback-too-early", &["durable before answered", "leader completeness", "state machine safety"]),
    ("checkpoint-ahead-of-fold", &["purged <= durably applied"]),
    ("counted-twice", &["not the sum"]),
    ("doubt-hidden", &["exactly once", "not linearizable"]),
    ("forgotten-membership-outcome", &["operators"]),
    ("frozen-layer-missed", &["not linearizable", "another state"]),
    ("heartbeats-without-a-quorum", &["liveness"]),
    ("id-reused", &["node ids once"]),
    ("join-without-word", &["never announced", "after it was shut down"]),
    ("memory-dropped-at-snapshot", &["another state", "exactly once"]),
    ("missing-cluster-pin", &["not linearizable", "exactly once"]),
    ("overlay-lost-at-checkpoint", &["not linearizable", "another state"]),
    ("purged-ahead-of-checkpoint", &["purged <= durably applied"]),
    ("read-without-a-quorum", &["not linearizable"]),
    ("stale-read", &["not linearizable"]),
    ("table-left-out", &["another state"]),
    ("tombstone-dropped-early", &["was something else", "was not told"]),
    ("torn-revision", &["was not told"]),
    ("torn-tail-accepted", &["is damaged", "log matching", "state machine safety"]),
    ("transaction-read-late", &["a transaction has read"]),
    ("watch-event-doubled", &["out of order"]),
    ("chunk-freed-too-early", &["is damaged"]),
    ("vote-not-persisted", &["the vote is for term 0", "durable before answered", "election safety"]),
];

/// Those that only an upgrade in the middle reveals.
const DURING_UPGRADES: [&str; 1] = ["above-the-level"];

const SEEDS_MAX: u64 = 200;
const SECONDS: u64 = 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds a simulator whose server contains all faults, in a separate target folder.
fn build() -> PathBuf {
    let target = root().join("target/planted");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--locked", "-p", "coffee-tests", "--bin", "simulate"]);
    cargo.env("RUSTFLAGS", "--cfg coffee_planted").env("CARGO_TARGET_DIR", &target);
    assert!(cargo.status().expect("cargo runs").success(), "the server with faults does not build");
    target.join("debug/simulate")
}

/// Returns the violations that a seed reveals with this fault.
fn wrong(simulate: &Path, planted: &str, seed: u64) -> String {
    let mut command = Command::new(simulate);
    command.args([&seed.to_string(), &SECONDS.to_string(), "--json"]).env("COFFEE_PLANTED", planted);
    if DURING_UPGRADES.contains(&planted) {
        command.arg("--upgrade");
    }
    let output = command.output().expect("it runs");
    match serde_json::from_slice::<Value>(&output.stdout) {
        Ok(report) if report["wrong"] == Value::Array(Vec::new()) => String::new(),
        Ok(report) => report["wrong"].to_string(),
        Err(_) => format!("panicked: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Returns the first seed that reveals an expected violation, and its report.
fn find(simulate: &Path, planted: &str, words: &[&str]) -> Result<(u64, String), String> {
    let mut other = Vec::new();
    for seed in 1..=SEEDS_MAX {
        let wrong = wrong(simulate, planted, seed);
        if words.iter().any(|words| wrong.contains(words)) {
            return Ok((seed, wrong));
        }
        if !wrong.is_empty() {
            other.push((seed, wrong));
        }
    }
    Err(format!("{planted} is not found; but: {other:?}"))
}

#[test]
#[ignore = "builds the server again, with faults, and runs for minutes"]
fn each_planted_fault_is_found() {
    let simulate = build();
    assert_eq!(wrong(&simulate, "", 1), "", "without a fault nothing is wrong");
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((planted, words)) = PLANTED.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match find(&simulate, planted, words) {
                        Ok((seed, wrong)) => println!("{planted}: seed {seed}: {wrong:.200}"),
                        Err(why) => missed.lock().unwrap_or_else(PoisonError::into_inner).push(why),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(missed.is_empty(), "{missed:#?}");
}

/// Collects all names in `planted!("...")` in the server's sources.
fn sites(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sites(&path, found);
        } else if !path.ends_with("planted.rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let names = text.split("planted!(\"").skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_site_is_in_the_list() {
    let mut found = BTreeSet::new();
    sites(&root().join("server/src"), &mut found);
    assert_eq!(found, PLANTED.iter().map(|(name, _)| (*name).to_owned()).collect());
}
