//! `completion`: the script that makes a shell complete our words.

use clap::Args;

use crate::{exit::ExitCode, failure::Failure, invocation::Invocation};

/// `completion`.
#[derive(Debug, Args)]
pub(crate) struct CompletionArguments {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

pub(crate) fn run(
    arguments: &CompletionArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    let mut parser = (invocation.parsers.command_line)();
    clap_complete::generate(arguments.shell, &mut parser, "coffeectl", &mut script);
    invocation.printer.text(&String::from_utf8_lossy(&script));
    Ok(ExitCode::Done)
}
