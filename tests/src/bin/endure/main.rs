//! How coffeed bears what does not happen every day: checkpoints, snapshots, lost
//! leaders, a cold start, growth, a crowd of clients, long round trips, many watches, large values
//! of others, and a long run at a high rate; and how it compares with other builds.
//!
//! ```text
//! cargo run --release -p coffee-tests --bin endure -- --parts upkeep,transfers,kills
//! cargo run --release -p coffee-tests --bin endure -- --parts snapshot,cold --state-mb 1024
//! cargo run --release -p coffee-tests --bin endure -- --parts growth --keys 10000,100000,1000000,10000000
//! cargo run --release -p coffee-tests --bin endure -- --parts crowd --seconds 20
//! cargo run --release -p coffee-tests --bin endure -- --parts distance --seconds 10 --trials 10
//! cargo run --release -p coffee-tests --bin endure -- --parts watches,delay,stall --seconds 2
//! cargo run --release -p coffee-tests --bin endure -- --parts greedy --seconds 5
//! cargo run --release -p coffee-tests --bin endure -- --parts beside,listing --others COFFEED --keys 100000
//! cargo run --release -p coffee-tests --bin endure -- --parts soak --soak-seconds 3600
//! ```
//!
//! Real daemons with default settings, on one machine with the clients: 64 that write
//! without a pause, unless stated otherwise. Latency counts from the moment a write is
//! due to begin. Exits with 1 if the crowd costs a leader or too much memory, watches cost writes
//! too much or are told late, or if the
//! soak finds that memory, disk or times are not flat, a leader was lost, or a write
//! failed.

mod beside;
mod cold;
mod crowd;
mod distance;
mod gaps;
mod greedy;
mod growth;
mod listing;
mod options;
mod rig;
mod soak;
mod watches;

use std::process::ExitCode;

use self::options::{EndureOptions, EndurePart};

#[expect(clippy::print_stderr, reason = "a command prints its results")]
fn main() -> ExitCode {
    let options = match EndureOptions::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("error: {why}\nhint: {}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if runtime.block_on(endure(&options)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "a command prints its results")]
async fn endure(options: &EndureOptions) -> bool {
    if options.has(EndurePart::Upkeep) {
        println!("{}", gaps::upkeep(options).await);
    }
    if options.has(EndurePart::Snapshot) {
        println!("{}", gaps::snapshot(options).await);
    }
    if options.has(EndurePart::Transfers) {
        println!("{}", gaps::transfers(options).await);
    }
    if options.has(EndurePart::Kills) {
        println!("{}", gaps::kills(options).await);
    }
    if options.has(EndurePart::Cold) {
        println!("{}", cold::start(options).await);
    }
    if options.has(EndurePart::Growth) {
        growth::grow(options).await;
    }
    if options.has(EndurePart::Distance) {
        distance::measure(options).await;
    }
    if options.has(EndurePart::Beside) {
        beside::beside(options).await;
    }
    if options.has(EndurePart::Listing) {
        listing::listing(options).await;
    }
    if options.has(EndurePart::Greedy) {
        greedy::greedy(options).await;
    }
    if options.has(EndurePart::Delay) {
        println!("{}", watches::delay(options).await);
    }
    if options.has(EndurePart::Stall) {
        println!("{}", watches::stall(options).await);
    }
    let cheap = !options.has(EndurePart::Watches) || watches::watches(options).await;
    let borne = !options.has(EndurePart::Crowd) || crowd::crowd(options).await;
    let flat = !options.has(EndurePart::Soak) || soak::soak(options.soak).await;
    cheap && borne && flat
}
