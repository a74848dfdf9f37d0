//! What was typed, before anybody has judged it: the flags, verbs and texts
//! of help, as clap reads them.
//!
//! The command line and the lines of the prompt share the verbs, and so the
//! parser. Nothing here reads a file or the network; values are checked where
//! a word alone can tell.

mod backup;
mod bench;
mod cert;
mod context;
mod rolling;
mod verbs;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, builder::Resettable};
use coffee_common::{id::Address, limits, protocol::Consistency};

pub(crate) use backup::{BackupArguments, BackupVerb};
pub(crate) use bench::{BenchArguments, BenchWork};
pub(crate) use cert::*;
pub(crate) use context::*;
pub(crate) use rolling::*;
pub(crate) use verbs::*;

use crate::{contexts::ContextName, failure::Failure, printer::Format};

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
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

/// Whom to ask, and as whom.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArguments {
    /// The context to be in; an empty name stands for none [default: the one that 'context use' named]
    #[arg(long, global = true, value_name = "NAME", env = "COFFEECTL_CONTEXT", hide_env_values = true, value_parser = context_name)]
    pub(crate) context: Option<String>,
    /// Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT,..",
        value_delimiter = ',',
        env = "COFFEECTL_ENDPOINTS",
        hide_env_values = true
    )]
    pub(crate) endpoints: Vec<Address>,
    /// Folder of certificates, as 'coffeectl cert' makes it
    #[arg(long, global = true, value_name = "DIR", env = "COFFEECTL_CERTS", hide_env_values = true)]
    pub(crate) certs: Option<PathBuf>,
    /// Which client's certificate of that folder to use, such as ops or admin-ops [default: the only one]
    #[arg(long = "as", global = true, value_name = "NAME", env = "COFFEECTL_AS", hide_env_values = true)]
    pub(crate) as_name: Option<String>,
    /// The CA's certificate, in place of that folder's
    #[arg(long = "ca", global = true, value_name = "FILE", env = "COFFEECTL_CA", hide_env_values = true)]
    pub(crate) ca_file: Option<PathBuf>,
    /// What the CA has revoked, in place of that folder's ca.crl
    #[arg(long = "crl", global = true, value_name = "FILE", env = "COFFEECTL_CRL", hide_env_values = true)]
    pub(crate) crl_file: Option<PathBuf>,
    /// Own certificate, in place of that folder's
    #[arg(long = "cert", global = true, value_name = "FILE", env = "COFFEECTL_CERT", hide_env_values = true)]
    pub(crate) cert_file: Option<PathBuf>,
    /// Own key, in place of that folder's
    #[arg(long = "key", global = true, value_name = "FILE", env = "COFFEECTL_KEY", hide_env_values = true)]
    pub(crate) key_file: Option<PathBuf>,
}

/// How to ask and answer.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct CommonArguments {
    /// Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]
    #[arg(long, global = true, value_name = "TIME", env = "COFFEECTL_TIMEOUT", hide_env_values = true, value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// How to write data [default: table]
    #[arg(
        long,
        short,
        global = true,
        value_name = "FORMAT",
        env = "COFFEECTL_OUTPUT",
        hide_env_values = true
    )]
    pub(crate) output: Option<Format>,
    /// How fresh a read has to be [default: linearizable]
    #[arg(long, global = true, value_name = "WHICH", env = "COFFEECTL_CONSISTENCY", hide_env_values = true)]
    pub(crate) consistency: Option<Freshness>,
    /// Answer every question with yes
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
}

/// How fresh a read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Freshness {
    /// Sees every write acknowledged before
    Linearizable,
    /// Whatever the asked node has: may be old, needs no quorum
    Local,
}

impl From<Freshness> for Consistency {
    fn from(freshness: Freshness) -> Self {
        match freshness {
            Freshness::Linearizable => Self::Linearizable,
            Freshness::Local => Self::Local,
        }
    }
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
pub(crate) struct Line {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(subcommand)]
    pub(crate) verb: LineVerb,
}

/// What a line says.
#[derive(Debug, Subcommand)]
pub(crate) enum LineVerb {
    #[command(flatten)]
    Verb(Verb),
    /// Leave the prompt
    #[command(visible_alias = "exit")]
    Quit,
}

/// Reads the command line.
pub(crate) fn command_line(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(words)
}

/// Reads a command line once more, for what its flags say without any variable.
pub(crate) fn flags_alone(words: &[OsString]) -> Result<(ConnectionArguments, Option<Duration>), Failure> {
    let unread = |error: clap::Error| Failure::usage(error.to_string());
    let command = command().mut_args(|arg| arg.env(Resettable::Reset));
    let matches = command.try_get_matches_from(words).map_err(unread)?;
    let arguments = Arguments::from_arg_matches(&matches).map_err(unread)?;
    Ok((arguments.connection, arguments.common.timeout))
}

/// Reads a line of the prompt. No variable counts here: they did when the prompt was opened.
pub(crate) fn line(words: &[String]) -> Result<Line, clap::Error> {
    let matches = line_command().try_get_matches_from(words)?;
    Line::from_arg_matches(&matches)
}

/// The parser of the command line.
pub(crate) fn command() -> clap::Command {
    Arguments::command()
}

/// The parser of a line of the prompt.
pub(crate) fn line_command() -> clap::Command {
    Line::command().mut_args(|arg| arg.env(Resettable::Reset))
}

/// The name of a context, or nothing.
fn context_name(text: &str) -> Result<String, String> {
    match text {
        "" => Ok(String::new()),
        text => text.parse().map(|name: ContextName| name.as_str().to_owned()),
    }
}

/// A time with its unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "" => return Err("say the unit too: ms, s or m".into()),
        _ => return Err("use a whole number and ms, s or m, such as 5s".into()),
    };
    let ms = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_ms));
    let bounds = limits::REQUEST_TIMEOUT_MS;
    match ms.and_then(|ms| u32::try_from(ms).ok()).filter(|ms| bounds.contains(ms)) {
        Some(ms) => Ok(Duration::from_millis(ms.into())),
        None => Err(format!("use a time from {}ms to {}s", bounds.start(), bounds.end() / 1000)),
    }
}

#[cfg(test)]
mod tests;
