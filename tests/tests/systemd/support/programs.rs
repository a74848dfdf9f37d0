//! Runs programs of the system.

use std::{path::Path, process::Command};

/// Names the programs that are not installed, if any.
pub(crate) fn missing(needed: &[&str]) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let there = |name: &str| path.split(':').any(|folder| Path::new(folder).join(name).exists());
    let missing: Vec<&str> = needed.iter().copied().filter(|name| !there(name)).collect();
    (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")))
}

/// Runs a program; returns whether it succeeded, and its output of both streams.
pub(crate) fn outcome(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).trim_end().to_owned())
}

/// Runs a program and asserts success; returns its output.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let (success, said) = outcome(command);
    assert!(success, "{command:?} failed: {said}");
    said
}

/// Prints why a test is skipped.
#[expect(clippy::print_stdout, reason = "a skipped test prints the reason")]
pub(crate) fn skipped(what: &str, why: &str) {
    println!("skipped: {what}: {why}");
}
