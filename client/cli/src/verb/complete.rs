//! `complete`: lists the candidates for a word, for the completion scripts.

use std::ffi::OsString;

use clap::{Args, Command, FromArgMatches};

use crate::{
    completion::{Completion, ValueKind, keys, names, rejoined, script},
    contexts,
    exit::ExitCode,
    failure::Failure,
    flags::ConnectionArguments,
    invocation::Invocation,
    options::ConnectionOptions,
};

/// `complete`.
#[derive(Debug, Args)]
pub(crate) struct CompleteArguments {
    /// The command line up to the cursor, word by word
    #[arg(value_name = "WORD", last = true)]
    words: Vec<OsString>,
}

pub(crate) async fn run(
    arguments: &CompleteArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let words: Vec<String> =
        arguments.words.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words = rejoined(&words);
    let (word, before) = words.split_last().map_or(("", &[][..]), |(word, before)| (*word, before));
    let offer = Completion::new((invocation.parsers.command_line)()).offer(before, word);
    let kind = offer.kind;
    let names = match (kind, connection(before)) {
        (Some(ValueKind::Node), Some(connection)) => names::nodes(connection).await,
        (Some(ValueKind::Key), Some(connection)) => keys::candidates(connection, word).await,
        (Some(kind), connection) => {
            names::local(kind, connection.and_then(|connection| connection.certs).as_deref())
        }
        (None, _) => Vec::new(),
    };
    let lines =
        offer.with(names).into_iter().map(|candidate| format!("{}\t{}\n", candidate.text, candidate.about));
    invocation.printer.text(&lines.collect::<String>());
    invocation.printer.text(script::path_line(kind));
    Ok(ExitCode::Done)
}

/// Returns the connection that the words, the variables and the context select;
/// none if they are incomplete.
fn connection(words: &[&str]) -> Option<ConnectionOptions> {
    let parser = ConnectionArguments::augment_args(Command::new("coffeectl").no_binary_name(true));
    let mut flags = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (name, value) = word.split_once('=').map_or((*word, None), |(name, value)| (name, Some(value)));
        let Some(long) = name.strip_prefix("--") else { continue };
        if parser.get_arguments().any(|arg| arg.get_long() == Some(long))
            && let Some(value) = value.or_else(|| rest.next().copied())
        {
            flags.push(format!("{name}={value}"));
        }
    }
    let matches = parser.try_get_matches_from(flags).ok()?;
    let arguments = ConnectionArguments::from_arg_matches(&matches).ok()?;
    let context = contexts::file::in_use(arguments.context.as_deref()).ok()?;
    ConnectionOptions::resolve(arguments, context).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_is_found_among_other_words() {
        // An empty name stands for no context, so that the machine's own file is not read.
        let words = ["--context", "", "down", "--certs", "c", "--yes", "--endpoints=a:1,b:2"];
        let connection = connection(&words).unwrap();
        assert_eq!(connection.certs, Some("c".into()));
        assert_eq!(connection.endpoints.len(), 2);
    }
}
