//! `help`: explains the verbs, and the exit codes.

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
    /// A verb, or exit-codes
    #[arg(value_name = "TOPIC")]
    topic: Vec<String>,
}

const EXIT_CODES: &str = "exit-codes";

pub(crate) fn run(arguments: &HelpArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    match &arguments.topic[..] {
        [topic] if topic == EXIT_CODES => invocation.printer.report(&ExitCodes::new()),
        topic => {
            let text = page(topic, invocation.parser())?;
            invocation.printer.text(&text);
        }
    }
    Ok(ExitCode::Done)
}

/// The help of the verb that these words lead to.
fn page(topic: &[String], mut root: clap::Command) -> Result<String, Failure> {
    root.build();
    let mut command = &mut root;
    for word in topic {
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            Failure::usage(format!("there is no verb {word:?}"))
                .hint("see 'coffeectl help', or 'coffeectl help exit-codes'")
        })?;
    }
    let page = if topic.is_empty() { command.render_help() } else { command.render_long_help() };
    // At the prompt the program has no name, and leaves a blank where it would stand.
    Ok(page.to_string().replace("Usage:  ", "Usage: "))
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
