//! `help`: lists the verbs, and explains a verb, the options or the exit codes.

use clap::Args;
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, table::TextTable},
};

/// `help`.
#[derive(Debug, Args)]
pub(crate) struct HelpArguments {
    /// A verb, options or exit-codes
    #[arg(value_name = "TOPIC")]
    topic: Vec<String>,
}

const EXIT_CODES: &str = "exit-codes";
const OPTIONS: &str = "options";

/// The verbs that the list only names, without which it would be too long: those for data, and others.
const ONLY_NAMED: [&[&str]; 3] = [
    &["incr", "next-id", "txn", "batch", "watch", "proxy", "undo", "history", "compact"],
    &["export", "import", "settings", "upgrade", "top", "events", "timers", "log-level"],
    &["bench", "context", "can-stop", "completion", "help"],
];

pub(crate) fn run(arguments: &HelpArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    match &arguments.topic[..] {
        [topic] if topic == EXIT_CODES => invocation.printer.report(&ExitCodes::new()),
        [] => invocation.printer.text(&verbs(&invocation.parser())),
        [topic] if topic == OPTIONS => invocation.printer.text(&options(invocation.parser())),
        topic => {
            let text = page(topic, invocation.parser())?;
            invocation.printer.text(&text);
        }
    }
    Ok(ExitCode::Done)
}

/// Returns the list of the verbs, which fits a terminal of 24 rows. The last line is about `help`.
fn verbs(root: &clap::Command) -> String {
    let mut table = TextTable::without_header();
    let is_listed = |verb: &&clap::Command| {
        !verb.is_hide_set() && !ONLY_NAMED.iter().any(|names| names.contains(&verb.get_name()))
    };
    for verb in root.get_subcommands().filter(is_listed) {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        table.row([format!("  {}", verb.get_name()), about]);
    }
    let table = table.render();
    let is_offered =
        |name: &&str| *name != "help" && root.find_subcommand(name).is_some_and(|verb| !verb.is_hide_set());
    let others = ONLY_NAMED.map(|names| {
        let offered: Vec<&str> = names.iter().copied().filter(is_offered).collect();
        offered.join(", ")
    });
    format!("{table}also {}\nsee 'help VERB|options|exit-codes'\n", others.join(",\n     "))
}

/// Returns the options of every verb.
fn options(root: clap::Command) -> String {
    let mut root = root.mut_subcommands(|verb| verb.hide(true)).help_template("{all-args}{after-help}");
    format!("{}\n", root.render_help().to_string().trim_end())
}

/// Returns the help of the verb that these words name.
fn page(topic: &[String], mut root: clap::Command) -> Result<String, Failure> {
    root.build();
    let mut command = &mut root;
    for word in topic {
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            Failure::usage(format!("there is no verb {word:?}"))
                .hint("'coffeectl help' lists the verbs; other topics are options and exit-codes")
        })?;
    }
    // At the prompt the program has no name, and leaves a blank in its place.
    Ok(command.render_long_help().to_string().replace("Usage:  ", "Usage: "))
}

#[derive(Serialize)]
struct ExitCodes {
    exit_codes: Vec<ExitCodeRow>,
}

#[derive(Serialize)]
struct ExitCodeRow {
    code: u8,
    meaning: &'static str,
}

impl ExitCodes {
    fn new() -> Self {
        Self {
            exit_codes: ExitCode::all()
                .map(|c| ExitCodeRow { code: c.number(), meaning: c.meaning() })
                .collect(),
        }
    }
}

impl Printable for ExitCodes {
    fn table(&self) -> String {
        let mut table = TextTable::new(["CODE", "MEANING"]).right([0]);
        self.exit_codes.iter().for_each(|row| table.row([row.code.to_string(), row.meaning.to_owned()]));
        table.render()
    }

    fn plain(&self) -> Vec<Vec<String>> {
        self.exit_codes.iter().map(|row| vec![row.code.to_string(), row.meaning.to_owned()]).collect()
    }
}

#[cfg(test)]
mod tests;
