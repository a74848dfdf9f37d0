//! What was typed, before anybody has judged it: the flags, verbs and texts
//! of help, as clap reads them.
//!
//! The command line and the lines of the prompt share the verbs, and so the
//! parser. Nothing here reads a file or the network; values are checked where
//! a word alone can tell.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, builder::Resettable};

use crate::{
    flags::{CommonArguments, ConnectionArguments},
    invocation::Parsers,
    verb::CtlVerb,
};

/// The parsers, for the verbs that explain or complete them.
pub(crate) const PARSERS: Parsers = Parsers { command_line: command, line: line_command };

const AFTER_HELP: &str = "\
Without a verb, coffeectl opens a prompt with the same verbs; where standard
input is no terminal, it reads lines from there.

A flag comes before a variable, a variable before the context, and the context
before a default.
Exit codes: coffeectl help exit-codes";

/// The command line of `coffeectl`.
#[derive(Debug, Parser)]
#[command(
    name = "coffeectl",
    version,
    about = "Asks and runs a cluster of coffeed nodes",
    after_help = AFTER_HELP,
    disable_help_subcommand = true,
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
    about = "What can be typed here",
    no_binary_name = true,
    disable_help_subcommand = true,
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

/// What a line says.
#[derive(Debug, Subcommand)]
pub(crate) enum LineVerb {
    #[command(flatten)]
    Verb(CtlVerb),
    /// Leave the prompt
    #[command(visible_alias = "exit")]
    Quit,
}

/// Reads the command line.
pub(crate) fn command_line(words: impl IntoIterator<Item = OsString>) -> Result<CtlArguments, clap::Error> {
    CtlArguments::try_parse_from(words)
}

/// Reads a line of the prompt. No variable counts here: they did when the prompt was opened.
pub(crate) fn line(words: &[String]) -> Result<PromptLine, clap::Error> {
    let matches = line_command().try_get_matches_from(words)?;
    PromptLine::from_arg_matches(&matches)
}

/// The parser of the command line.
pub(crate) fn command() -> clap::Command {
    CtlArguments::command()
}

/// The parser of a line of the prompt.
pub(crate) fn line_command() -> clap::Command {
    PromptLine::command().mut_args(|arg| arg.env(Resettable::Reset))
}

#[cfg(test)]
mod tests;
