//! Raw arguments as clap parses them, and the help texts of the program.
//!
//! The command line and the lines of the prompt share the verbs, and so the
//! parser. Nothing here reads a file or the network. Only values that can be
//! validated without context are validated here.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, builder::Resettable};

use crate::{
    flags::{CommonArguments, ConnectionArguments},
    invocation::Parsers,
    verb::CtlVerb,
};

/// Both parsers, for the verbs that print help or completions.
pub(crate) const PARSERS: Parsers = Parsers { command_line: command, line: line_command };

const AFTER_HELP: &str = "\
Without a verb, coffeectl opens a prompt with the same verbs. If standard
input is not a terminal, it reads one command per line from there.

A flag overrides a variable, a variable overrides the context, and the context
overrides a default.
Exit codes: coffeectl help exit-codes";

/// The command line of `coffeectl`.
#[derive(Debug, Parser)]
#[command(
    name = "coffeectl",
    version,
    about = "Query and manage a coffeed cluster",
    after_help = AFTER_HELP,
    disable_help_subcommand = true,
    max_term_width = 80,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs"
)]
pub(crate) struct CtlArguments {
    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(subcommand)]
    pub(crate) verb: Option<CtlVerb>,
}

/// A line of the prompt.
#[derive(Debug, Parser)]
#[command(
    name = "",
    about = "Verbs of the prompt",
    no_binary_name = true,
    disable_help_subcommand = true,
    max_term_width = 80,
    subcommand_required = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs"
)]
pub(crate) struct PromptLine {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(subcommand)]
    pub(crate) verb: LineVerb,
}

/// The verb of a line of the prompt.
#[derive(Debug, Subcommand)]
pub(crate) enum LineVerb {
    #[command(flatten)]
    Verb(CtlVerb),
    /// Leave the prompt
    #[command(visible_alias = "exit")]
    Quit,
}

/// Parses the command line.
pub(crate) fn command_line(words: impl IntoIterator<Item = OsString>) -> Result<CtlArguments, clap::Error> {
    CtlArguments::try_parse_from(words)
}

/// Parses a line of the prompt. Ignores variables: they were read when the prompt was opened.
pub(crate) fn line(words: &[String]) -> Result<PromptLine, clap::Error> {
    let matches = line_command().try_get_matches_from(words)?;
    PromptLine::from_arg_matches(&matches)
}

/// Returns the parser of the command line.
pub(crate) fn command() -> clap::Command {
    CtlArguments::command()
}

/// Returns the parser of a line of the prompt.
pub(crate) fn line_command() -> clap::Command {
    let parser = PromptLine::command().mut_args(|arg| arg.env(Resettable::Reset));
    // Of use to a shell only, and the list of verbs must fit a terminal.
    parser.mut_subcommand("completion", |verb| verb.hide(true))
}

#[cfg(test)]
mod tests;
