//! `completion`: the script that makes a shell complete our words.

use crate::{
    args::{self, CompletionArguments},
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
};

pub(crate) fn run(
    arguments: &CompletionArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut args::command(), "coffeectl", &mut script);
    invocation.printer.text(&String::from_utf8_lossy(&script));
    Ok(ExitCode::Done)
}
