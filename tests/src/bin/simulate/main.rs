//! Simulates a whole cluster in one thread and in virtual time, from one seed, and
//! injects faults: real servers and clients, real QUIC and TLS over a simulated network,
//! real redb on simulated disks.
//!
//! ```text
//! cargo run --release -p coffee-tests --bin simulate -- SEED [SECONDS]
//! cargo run --release -p coffee-tests --bin simulate -- soak SECONDS [FIRST_SEED]
//! ```
//!
//! With `--upgrade` the nodes are upgraded to the next version in the middle, taken back, and upgraded
//! for good.
//!
//! `COFFEE_LOG=coffeed=debug,openraft=info` shows the servers' logs. Exits with 0 if no
//! violation was found. The same seed behaves the same in every process, which the
//! behaviour hash proves. `--local-reads` injects a fault: clients read the local state
//! of the asked node, which must be detected.

mod build;
mod disk;
mod entropy;
mod faults;
mod inspector;
mod judge;
mod majority;
mod node;
mod operator;
mod partial;
mod setting_record;
mod soak;
mod socket;
mod trace;
mod upgrade;
mod upgrader;
mod wall;
mod watch;
mod watcher;
mod workload;
mod world;

use std::{
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{self, format::Writer, time::FormatTime},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

const USAGE: &str = "simulate SEED [SECONDS] [--upgrade] [--json] [--local-reads], \
    or simulate soak SECONDS [FIRST_SEED] [--upgrade]";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its results")]
fn main() -> ExitCode {
    if let Ok(filter) = std::env::var("COFFEE_LOG") {
        match filter.parse::<Targets>() {
            Ok(filter) => log_to_stderr(filter),
            Err(error) => eprintln!("COFFEE_LOG is ignored: {error}"),
        }
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (flags, words): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with("--"));
    let has = |flag: &str| flags.iter().any(|word| *word == flag);
    let number = |at: usize, default: Option<u64>| words.get(at).map_or(default, |word| word.parse().ok());
    if words.first().is_some_and(|word| *word == "soak") {
        let (Some(seconds), Some(first)) = (number(1, None), number(2, Some(1))) else { return usage() };
        return if soak::run(seconds, first, has("--upgrade")) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    let (Some(seed), Some(seconds)) = (number(0, None), number(1, Some(20))) else { return usage() };
    let json = has("--json");
    let options = world::RunOptions { local_reads: has("--local-reads"), upgrade: has("--upgrade") };
    let (done, report) = mpsc::channel();
    // A fresh thread, without randomness drawn before.
    let work = move || {
        entropy::seed(seed);
        wall::set(0);
        // Fails only after the receiver timed out.
        let _ = done.send(world::run(seed, seconds, options));
    };
    let Ok(_run) = std::thread::Builder::new().name(format!("seed {seed}")).spawn(work) else {
        eprintln!("seed {seed}: no thread");
        return ExitCode::FAILURE;
    };
    let limit = Duration::from_secs(60 + 30 * seconds);
    let report = match report.recv_timeout(limit) {
        Ok(report) => report,
        Err(error) => {
            let what = if error == RecvTimeoutError::Timeout { "it does not end" } else { "it panicked" };
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

/// The simulated time of an event in the log.
struct SimClock;

impl FormatTime for SimClock {
    fn format_time(&self, line: &mut Writer<'_>) -> std::fmt::Result {
        let ms = turmoil::sim_elapsed().unwrap_or_default().as_millis();
        write!(line, "{ms:>6} ms")
    }
}

/// Logs the servers' events to standard error, at the simulated time.
fn log_to_stderr(filter: Targets) {
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_timer(SimClock);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

#[expect(clippy::print_stderr, reason = "a command prints its usage")]
fn usage() -> ExitCode {
    eprintln!("error: the seed is missing or not a number\nhint: {USAGE}");
    ExitCode::from(2)
}
