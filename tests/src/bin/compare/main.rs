//! Runs the same work on three nodes of coffeed and three of etcd, side by side on this
//! machine, and prints how they compare and which targets are met.
//!
//! ```text
//! cargo run --release -p coffee-tests --bin compare
//! cargo run --release -p coffee-tests --bin compare -- --parts load --rounds 5 --clients 1,64 --svg compare.svg
//! cargo run --release -p coffee-tests --bin compare -- --parts http --clients 1,64,256
//! cargo run --release -p coffee-tests --bin compare -- --parts footprint --puts 1000000
//! cargo run --release -p coffee-tests --bin compare -- --parts restart,failover,move --trials 10 --json figures.json
//! cargo run --release -p coffee-tests --bin compare -- --parts failover --timers tuned
//! ```
//!
//! Both sides: certificates on both ends of every connection, durable writes,
//! linearizable reads, default settings, processes that share the machine with this one,
//! and the same load generator (`coffee_client::bench`, closed loop, one thread). They
//! alternate in short runs, and only one works at a time: the machine drifts, so only
//! adjacent measurements compare. Each figure is the median of the rounds.
//!
//! In the load part all calls go to the leader. coffeed gets one connection, as its
//! clients share one; etcd gets up to eight, since it serves a connection with one thread
//! per direction. Over HTTP each client has a connection of its own, to the door of coffeed and to
//! etcd's gateway for JSON. When the leader is killed or moved, the clients are those of an
//! application: coffeed's client finds the leader and retries a write under its request
//! id; etcd's keeps a connection to each member and reports a failure.
//!
//! Without etcd it prints so, and exits with 0.

mod coffeed;
mod contestant;
mod etcd;
mod etcd_client;
mod etcd_members;
mod etcd_messages;
mod failover;
mod footprint;
mod http;
mod line;
mod load;
mod options;
mod plot;
mod restart;
mod table;
mod targets;

use std::{path::Path, process::ExitCode};

use self::options::{CompareOptions, ComparePart};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its results")]
fn main() -> ExitCode {
    let options = match CompareOptions::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("error: {why}\nhint: {}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let version = match etcd::version() {
        Ok(version) => version,
        Err(why) => {
            println!("skipped: {why}");
            return ExitCode::SUCCESS;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(compare(&options, &version)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a command prints its results")]
async fn compare(options: &CompareOptions, version: &str) -> Result<(), String> {
    let mut lines = Vec::new();
    println!("{}", table::heading(options, version));
    if options.has(ComparePart::Load) {
        let results = load::measure(options).await;
        println!("{}", table::load(&results, options));
        if let Some(path) = &options.svg {
            write(path, &plot::render(&results, options, version))?;
        }
        lines.extend(results.lines());
    }
    if options.has(ComparePart::Http) {
        println!("{}", http::measure(options).await);
    }
    if options.has(ComparePart::Footprint) {
        lines.extend(footprint::measure(options).await);
    }
    if options.has(ComparePart::Restart) {
        lines.extend(restart::measure(options).await);
    }
    for part in [ComparePart::Failover, ComparePart::Move] {
        if options.has(part) {
            lines.extend(failover::measure(options, part).await);
        }
    }
    println!("{}", table::targets(&lines));
    match &options.json {
        Some(path) => write(path, &format!("{:#}\n", table::json(options, version, &lines))),
        None => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
