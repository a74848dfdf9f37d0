//! coffeectl: asks and runs a cluster of coffeed nodes.

use std::process::ExitCode;

fn main() -> ExitCode {
    coffee_client::cli::main(std::env::args_os()).into()
}
