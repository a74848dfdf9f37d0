//! Turns clap's errors into our form: `error: ..`, then `hint: ..`.

mod foreign;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::Failure;

/// Words that did not parse as a verb.
#[derive(Debug)]
pub enum Unparsed {
    /// The text of the help or version that was requested.
    Shown(String),
    /// A usage error.
    Failure(Failure),
}

/// Sorts an error of the parser. `program` is the program's name, empty at the
/// prompt.
pub fn unparsed(error: &clap::Error, program: &str) -> Unparsed {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Unparsed::Shown(error.render().to_string()),
        ErrorKind::InvalidSubcommand => Unparsed::Failure(no_such_verb(error, program)),
        ErrorKind::MissingSubcommand => {
            let verbs = context(error, ContextKind::ValidSubcommand).join(", ");
            Unparsed::Failure(Failure::usage(format!("a verb is missing: {verbs}")).hint(help(program)))
        }
        _ => Unparsed::Failure(failure(&error.render().to_string(), program)),
    }
}

fn no_such_verb(error: &clap::Error, program: &str) -> Failure {
    let word = context(error, ContextKind::InvalidSubcommand).join(" ");
    let similar = context(error, ContextKind::SuggestedSubcommand);
    let failure = Failure::usage(format!("there is no verb '{word}'"));
    let foreign = if is_first_word(error, program) { foreign::hint(&word, program) } else { None };
    match (foreign, &similar[..]) {
        (Some(hint), _) => failure.hint(hint),
        (None, []) => failure.hint(help(program)),
        (None, similar) => failure.hint(format!("did you mean {}?", similar.join(" or "))),
    }
}

/// Returns whether the unknown verb is one of `coffeectl` or its prompt itself,
/// not of `node`, `cert` or another verb with verbs. The usage tells: only there
/// do options or the verb follow the program's name.
fn is_first_word(error: &clap::Error, program: &str) -> bool {
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => return false,
    };
    let words = usage.trim_start().trim_start_matches("Usage:").trim_start();
    let words = words.strip_prefix(program).unwrap_or(words).trim_start();
    ["", "coffeectl"].contains(&program) && words.starts_with(['[', '<'])
}

fn help(program: &str) -> String {
    format!("'{}' lists the verbs", [program, "help"].join(" ").trim())
}

/// Returns the words that clap keeps for this part of its message.
fn context(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(word)) => vec![word.clone()],
        Some(ContextValue::Strings(words)) => words.clone(),
        _ => Vec::new(),
    }
}

/// Reads clap's message: a first sentence (which may continue in indented
/// lines), tips, and the usage of the verb.
fn failure(rendered: &str, program: &str) -> Failure {
    let mut message = Vec::new();
    let mut tips = Vec::new();
    let mut usage = None;
    let said = |line: &&str| !line.is_empty() && !line.starts_with("For more information");
    for line in rendered.lines().map(str::trim).filter(said) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            tips.push(tip.to_owned());
        } else if let Some(text) = line.strip_prefix("Usage: ") {
            usage = Some(text.to_owned());
        } else if usage.is_none() && tips.is_empty() {
            message.push(line.strip_prefix("error: ").unwrap_or(line).to_owned());
        }
    }
    let failure = tips.into_iter().fold(Failure::usage(join_sentence(&message)), Failure::hint);
    match usage {
        Some(usage) => failure.hint(format!("usage: {usage}")),
        None if failure.hints().is_empty() && !program.is_empty() => {
            failure.hint(format!("'{program} --help' explains the options"))
        }
        None if failure.hints().is_empty() => failure.hint(help(program)),
        None => failure,
    }
}

/// Joins `the following was not provided:`, `<KEY>`, `<VALUE>` into one line.
fn join_sentence(lines: &[String]) -> String {
    match lines {
        [first, rest @ ..] if first.ends_with(':') => format!("{first} {}", rest.join(", ")),
        lines => lines.join(" "),
    }
}
