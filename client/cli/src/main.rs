//! The binary `coffeectl`: passes its arguments to the library and exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    coffeectl::main(std::env::args_os()).into()
}
