//! `export`: writes keys and values as lines of JSON, which `import` reads.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use clap::Args;
use coffee_client::PageOptions;
use coffee_common::key::{Key, KeyRange};

use super::import::line::ExportedLine;
use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    key_argument::key_parser,
    key_pages::{self, KeyPages},
    printer::escape,
    wording, words,
};

pub(crate) const AFTER_HELP: &str = "\
Each line is an object with the fields key and value, or key_base64 and
value_base64 for bytes that are not UTF-8. Keys are read page by page, all as
of one revision if the cluster keeps a history, while others may write.

  coffeectl export menu/ > menu.jsonl
  coffeectl import menu.jsonl";

/// `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Export only keys that start with this
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: OsString,
    /// Export only keys after this one, to continue an export
    #[arg(long, value_name = "KEY", value_parser = key_parser())]
    after: Option<Key>,
}

pub(crate) async fn run(
    arguments: &ExportArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let range = range(arguments)?;
    let client = invocation.client(invocation.usual_timeout())?;
    let mut pages = KeyPages::new(&client, range);
    let mut count = 0;
    while !invocation.printer.is_closed() {
        let options = PageOptions { consistency: invocation.options.consistency, ..PageOptions::default() };
        let page = pages.next(options).await.map_err(|error| stopped(error, pages.rest()))?;
        let Some(entries) = page else { break };
        for (key, entry) in &entries {
            let line = ExportedLine::new(key, &entry.value).to_text();
            invocation
                .printer
                .text(&line.map_err(|error| Failure::new(ExitCode::Failed, error.to_string()))?);
        }
        count += entries.len() as u64;
    }
    invocation.printer.note(&format!("{} exported", wording::keys(count)));
    if pages.is_mixed() {
        invocation.printer.note(key_pages::MIXED);
    }
    Ok(ExitCode::Done)
}

fn range(arguments: &ExportArguments) -> Result<KeyRange, Failure> {
    let prefix = arguments.prefix.as_bytes();
    let range = KeyRange::prefix(prefix);
    match &arguments.after {
        None => Ok(range),
        Some(key) if key.as_bytes().starts_with(prefix) => Ok(range.after(key)),
        Some(key) => {
            let [key, prefix] = [key.as_bytes(), prefix].map(escape::shown_bytes);
            Err(Failure::usage(format!("{key} does not start with {prefix}"))
                .hint("--after takes the last key that was exported"))
        }
    }
}

/// The failure of an export that is to be continued after the last key that was read.
fn stopped(error: coffee_client::Error, range: &KeyRange) -> Failure {
    let failure = Failure::from(error);
    match range.from().strip_suffix(b"\0") {
        // An argument cannot have a NUL byte.
        None | Some([.., 0]) => failure,
        Some(last) => {
            failure.hint(format!("to continue: --after {}", words::join([OsStr::from_bytes(last)])))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(prefix: &str, after: Option<&str>) -> ExportArguments {
        let after = after.map(|key| Key::new(key).unwrap());
        ExportArguments { prefix: prefix.into(), after }
    }

    #[test]
    fn an_export_is_continued_within_its_prefix() {
        assert_eq!(range(&arguments("menu/", None)).unwrap(), KeyRange::prefix("menu/"));
        let after = KeyRange::prefix("menu/").after(&Key::new("menu/latte").unwrap());
        assert_eq!(range(&arguments("menu/", Some("menu/latte"))).unwrap(), after);
        let failure = range(&arguments("menu/", Some("lunch"))).unwrap_err();
        assert_eq!(failure.code(), ExitCode::Usage);
        assert_eq!(failure.message(), "lunch does not start with menu/");
    }

    #[test]
    fn an_export_that_fails_says_how_to_continue() {
        let error = || coffee_client::Error::Unavailable("no node".into());
        let whole = KeyRange::prefix("menu/");
        assert!(!stopped(error(), &whole).hints().iter().any(|hint| hint.contains("--after")));
        let rest = whole.after(&Key::new("menu/flat white").unwrap());
        assert_eq!(stopped(error(), &rest).hints().last().unwrap(), "to continue: --after 'menu/flat white'");
    }
}
