//! How coffeed bears what does not happen every day: checkpoints, snapshots,
//! lost leaders, a cold start, growth, a crowd of clients, and a long time at a high rate.
//!
//! ```text
//! cargo run --release -p coffee-tests --bin endure -- --parts upkeep,transfers,kills
//! cargo run --release -p coffee-tests --bin endure -- --parts snapshot,cold --state-mb 1024
//! cargo run --release -p coffee-tests --bin endure -- --parts growth --keys 10000,100000,1000000,10000000
//! cargo run --release -p coffee-tests --bin endure -- --parts crowd --seconds 20
//! cargo run --release -p coffee-tests --bin endure -- --parts soak --soak-seconds 3600
//! ```
//!
//! Real daemons with default settings, all on this machine and with it the
//! clients: 64 that write without a pause, where nothing else is said. A write
//! is slow from the moment it begins. The crowd ends with 1 where it costs a leader
//! or too much memory; the soak where memory, disk or times are not flat, a leader
//! was lost, or a write failed.

mod cold;
mod crowd;
mod gaps;
mod growth;
mod options;
mod scene;
mod soak;

use std::process::ExitCode;

use self::options::{Options, Part};

#[expect(clippy::print_stderr, reason = "a command says what it found")]
fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("error: {why}\nhint: {}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if runtime.block_on(endure(&options)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "a command says what it found")]
async fn endure(options: &Options) -> bool {
    if options.has(Part::Upkeep) {
        println!("{}", gaps::upkeep(options).await);
    }
    if options.has(Part::Snapshot) {
        println!("{}", gaps::snapshot(options).await);
    }
    if options.has(Part::Transfers) {
        println!("{}", gaps::transfers(options).await);
    }
    if options.has(Part::Kills) {
        println!("{}", gaps::kills(options).await);
    }
    if options.has(Part::Cold) {
        println!("{}", cold::start(options).await);
    }
    if options.has(Part::Growth) {
        growth::grow(options).await;
    }
    let borne = !options.has(Part::Crowd) || crowd::crowd(options).await;
    let flat = !options.has(Part::Soak) || soak::soak(options.soak).await;
    borne && flat
}
