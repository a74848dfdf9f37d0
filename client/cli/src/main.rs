//! The binary `coffeectl`: hands its arguments to the library and ends with the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    coffeectl::main(std::env::args_os()).into()
}
