//! `completion`: prints the completion script of a shell.

use clap::Args;

use crate::{completion::script, exit::ExitCode, failure::Failure, invocation::Invocation};

/// `completion`.
#[derive(Debug, Args)]
#[command(after_help = "\
In this shell only: source <(coffeectl completion bash)
For good: put the output where the shell looks for completions, such as
~/.local/share/bash-completion/completions/coffeectl.

In bash, zsh and fish, names of nodes come from the certificate folder and the
cluster, names of contexts and certificates from their files.")]
pub(crate) struct CompletionArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

pub(crate) fn run(
    arguments: &CompletionArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let text = script::of(arguments.shell, (invocation.parsers.command_line)());
    invocation.printer.text(&text);
    Ok(ExitCode::Done)
}
