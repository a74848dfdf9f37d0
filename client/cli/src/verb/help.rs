//! `help`: explains the verbs, and the exit codes.

use serde::Serialize;

use crate::{
    args::{self, HelpArguments},
    exit::ExitCode,
    failure::Failure,
    invocation::{Invocation, Place},
    printer::{Report, table::Table},
};

const EXIT_CODES: &str = "exit-codes";

pub(crate) fn run(arguments: &HelpArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    match &arguments.topic[..] {
        [topic] if topic == EXIT_CODES => invocation.printer.report(&ExitCodes::new()),
        topic => {
            let text = page(topic, invocation.place)?;
            invocation.printer.text(&text);
        }
    }
    Ok(ExitCode::Done)
}

/// The help of the verb that these words lead to.
fn page(topic: &[String], place: Place) -> Result<String, Failure> {
    let mut root = match place {
        Place::CommandLine => args::command(),
        Place::Prompt => args::line_command(),
    };
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
    exit_codes: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    code: u8,
    meaning: &'static str,
}

impl ExitCodes {
    fn new() -> Self {
        Self { exit_codes: ExitCode::all().map(|c| Row { code: c.number(), meaning: c.meaning() }).collect() }
    }
}

impl Report for ExitCodes {
    fn table(&self) -> String {
        let mut table = Table::new(["CODE", "MEANING"]).right([0]);
        self.exit_codes.iter().for_each(|row| table.row([row.code.to_string(), row.meaning.to_owned()]));
        table.render()
    }

    fn plain(&self) -> Vec<Vec<String>> {
        self.exit_codes.iter().map(|row| vec![row.code.to_string(), row.meaning.to_owned()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let codes = ExitCodes::new();
        assert_eq!(
            printed(Format::Table, &codes),
            "\
CODE  MEANING
   0  done, or already so
   1  failed, none of the below
   2  usage or configuration
   3  key or node not found
   4  condition false (--if-rev, --if-absent)
   5  unavailable: no node, no leader, no quorum; nothing was written
   6  timed out or cut off: outcome unknown; retry with the same --request-id
   7  TLS, identity or permission
   8  refused by a safety check, or --yes missing
 130  interrupted (SIGINT)
 143  interrupted (SIGTERM)
"
        );
        assert!(printed(Format::Plain, &codes).starts_with("0\tdone, or already so\n1\tfailed"));
        let json = printed(Format::Json, &codes);
        assert!(json.starts_with(
            r#"{"apiVersion":"coffee/v1","exit_codes":[{"code":0,"meaning":"done, or already so"},"#
        ));
    }

    #[test]
    fn every_verb_has_a_page() {
        for place in [Place::CommandLine, Place::Prompt] {
            for verb in args::line_command().get_subcommands() {
                let topic = [verb.get_name().to_owned()];
                assert!(page(&topic, Place::Prompt).is_ok_and(|page| page.contains("Usage:")), "{topic:?}");
            }
            let words = ["node".to_owned(), "remove".to_owned()];
            assert!(page(&words, place).is_ok_and(|page| page.contains("lost node")));
            assert_eq!(page(&["brew".to_owned()], place).map_err(|f| f.code()), Err(ExitCode::Usage));
        }
    }
}
