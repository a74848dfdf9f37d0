//! Puts the same work on three nodes of coffeed and three of etcd, side by
//! side on this machine, and prints how they compare.
//!
//! ```text
//! cargo run --release -p coffee-tests --bin compare
//! cargo run --release -p coffee-tests --bin compare -- --rounds 5 --seconds 3 --clients 1,64 --svg docs/compare.svg
//! ```
//!
//! Both sides: certificates on both ends of every connection, durable writes,
//! linearizable reads, default settings, three processes that share the
//! machine with this one, all calls to the leader, and the same generator
//! (`coffee_client::bench`, closed loop, one thread). They take turns in short
//! runs, and only one works at a time: the machine drifts, so that only what
//! was measured next to each other compares. Each figure is the median of the
//! rounds. coffeed gets one connection, as its clients share one; etcd gets up
//! to eight, since it serves a connection by one thread each way.
//!
//! Without etcd it says so, and ends with 0.

mod etcd;
mod etcd_client;
mod measure;
mod options;
mod plot;
mod protobuf;
mod table;
mod usage;

use std::process::ExitCode;

use self::options::Options;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command says what it found")]
fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
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
    let results = runtime.block_on(measure::compare(&options));
    println!("{}", table::render(&results, &version));
    if let Some(path) = &options.svg
        && let Err(error) = std::fs::write(path, plot::render(&results, &version))
    {
        eprintln!("error: {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
