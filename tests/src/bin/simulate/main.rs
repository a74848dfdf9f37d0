//! Runs a whole cluster in one thread and in virtual time, from one seed, and
//! breaks it: real servers and clients, real QUIC and TLS over a simulated
//! network, real redb on simulated disks.
//!
//! ```text
//! cargo run --release -p coffee-tests --bin simulate -- SEED [SECONDS]
//! ```
//!
//! Prints one line, and ends with 0 if nothing was wrong. The same seed does
//! the same in every process, as the behaviour hash shows.

mod disk;
mod entropy;
mod faults;
mod judge;
mod node;
mod socket;
mod trace;
mod workload;
mod world;

use std::process::ExitCode;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command says what it found")]
fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let (Some(Ok(seed)), Ok(seconds)) = (words.next(), words.next().unwrap_or(Ok(30))) else {
        eprintln!("error: no seed\nhint: simulate SEED [SECONDS], both numbers");
        return ExitCode::from(2);
    };
    // A thread of its own: what it drew by chance before is another's.
    let run = std::thread::Builder::new().name(format!("seed {seed}")).spawn(move || {
        entropy::seed(seed);
        world::run(seed, seconds)
    });
    match run.map(std::thread::JoinHandle::join) {
        Ok(Ok(report)) => {
            println!("{report}");
            ExitCode::from(u8::from(!report.is_clean()))
        }
        _ => {
            println!("seed {seed}: panicked; again with: simulate {seed} {seconds}");
            ExitCode::FAILURE
        }
    }
}
