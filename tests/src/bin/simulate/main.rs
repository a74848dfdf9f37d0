//! Runs a whole cluster in one thread and in virtual time, from one seed, and
//! breaks it: real servers and clients, real QUIC and TLS over a simulated
//! network, real redb on simulated disks.
//!
//! ```text
//! cargo run --release -p coffee-tests --bin simulate -- SEED [SECONDS]
//! cargo run --release -p coffee-tests --bin simulate -- soak SECONDS [FIRST_SEED]
//! ```
//!
//! `COFFEE_LOG=coffeed=debug,openraft=info` in the environment shows what the
//! servers log. Ends with 0 if nothing was wrong. The same seed does the same in every
//! process, as the behaviour hash shows. `--local-reads` is a planted fault: it
//! reads what the asked node has, which has to be found.

mod disk;
mod entropy;
mod faults;
mod inside;
mod judge;
mod node;
mod operator;
mod soak;
mod socket;
mod trace;
mod wall;
mod watch;
mod workload;
mod world;

use std::{
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

const USAGE: &str = "simulate SEED [SECONDS] [--json] [--local-reads], or simulate soak SECONDS [FIRST_SEED]";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command says what it found")]
fn main() -> ExitCode {
    if let Ok(filter) = std::env::var("COFFEE_LOG") {
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).without_time();
        log.with_writer(std::io::stderr).init();
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (flags, words): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with("--"));
    let number = |at: usize, default: Option<u64>| words.get(at).map_or(default, |word| word.parse().ok());
    if words.first().is_some_and(|word| *word == "soak") {
        let (Some(seconds), Some(first)) = (number(1, None), number(2, Some(1))) else { return usage() };
        return if soak::run(seconds, first) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let (Some(seed), Some(seconds)) = (number(0, None), number(1, Some(20))) else { return usage() };
    let has = |flag: &str| flags.iter().any(|word| *word == flag);
    let (json, local_reads) = (has("--json"), has("--local-reads"));
    let (done, report) = mpsc::channel();
    // A thread of its own: what it drew by chance before is another's.
    let work = move || {
        entropy::seed(seed);
        wall::set(0);
        // Fails only where nobody waits any more.
        let _ = done.send(world::run(seed, seconds, local_reads));
    };
    let Ok(_run) = std::thread::Builder::new().name(format!("seed {seed}")).spawn(work) else {
        eprintln!("seed {seed}: no thread");
        return ExitCode::FAILURE;
    };
    let limit = Duration::from_secs(60 + 30 * seconds);
    let report = match report.recv_timeout(limit) {
        Ok(report) => report,
        Err(error) => {
            let what =
                if error == RecvTimeoutError::Timeout { "it does not come to an end" } else { "it panicked" };
            eprintln!("seed {seed}: {what}");
            return ExitCode::FAILURE;
        }
    };
    if json {
        println!("{}", report.json())
    } else {
        println!("{report}")
    }
    ExitCode::from(u8::from(!report.is_clean()))
}

#[expect(clippy::print_stderr, reason = "a command says how it is used")]
fn usage() -> ExitCode {
    eprintln!("error: no seed, or no number\nhint: {USAGE}");
    ExitCode::from(2)
}
