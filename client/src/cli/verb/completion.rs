//! `completion`: the script that makes a shell complete our words.

use crate::cli::{
    args::{self, CompletionArguments},
    context::Context,
    exit::ExitCode,
    failure::Failure,
};

pub(crate) fn run(arguments: &CompletionArguments, context: &mut Context<'_>) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut args::command(), "coffeectl", &mut script);
    context.printer.text(&String::from_utf8_lossy(&script));
    Ok(ExitCode::Done)
}
