//! `batch`: sets and deletes keys, line by line.

use std::path::PathBuf;

use clap::Args;
use coffee_common::{
    command::Operation,
    key::{Key, Value},
};
use serde::{Deserialize, Serialize};

use super::import::{self, LineFile, line::without_place};
use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::Printable,
    printer::json::{KeyDocument, ValueField},
    wording, words,
};

pub(crate) const AFTER_HELP: &str = "\
Each line is one change, in words quoted as in a shell or as JSON:

  set order/7 'flat white'
  del order/6
  {\"set\": \"order/8\", \"value_base64\": \"/w==\"}
  {\"del\": {\"base64\": \"/w==\"}}

'#' begins a comment. Up to 128 lines are applied together, atomically, in their
order. A file is checked as a whole before anything is written. A batch that ends
early says from which line to continue. 'coffeectl txn' applies all or nothing.";

/// `batch`.
#[derive(Debug, Args)]
pub(crate) struct BatchArguments {
    /// File to read; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Begin with this line, to continue a batch
    #[arg(long, value_name = "LINE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from_line: u64,
    /// Only check the lines
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(
    arguments: &BatchArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let BatchArguments { file, from_line, dry_run } = arguments;
    let file = LineFile { path: file, from_line: *from_line, dry_run: *dry_run, parse, done: applied };
    let changes = import::apply(&file, invocation).await?;
    invocation.printer.report(&BatchResult { changes, changed: changes > 0 && !dry_run });
    Ok(ExitCode::Done)
}

fn applied(changes: u64) -> String {
    format!("{} applied", wording::changes(changes))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeDocument {
    set: Option<KeyDocument>,
    del: Option<KeyDocument>,
    value: Option<String>,
    value_base64: Option<String>,
}

/// Reads a line; `None` if it is a comment.
fn parse(line: &[u8]) -> Result<Option<Operation>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    if text.trim_start().starts_with('{') {
        return document(text).map(Some);
    }
    let words = words::split(text).map_err(|error| error.to_string())?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => Ok(None),
        ["set", key, value] => set(key, value.as_bytes().to_vec()).map(Some),
        ["del", key] => delete(key).map(Some),
        _ => Err("not a change: set KEY VALUE or del KEY".to_owned()),
    }
}

fn document(text: &str) -> Result<Operation, String> {
    let document: ChangeDocument = serde_json::from_str(text).map_err(|error| without_place(&error))?;
    let ChangeDocument { set: key, del, value, value_base64 } = document;
    match (key, del) {
        (Some(key), None) => set(key.into_bytes()?, ValueField::of(value, value_base64).into_bytes()?),
        (None, Some(key)) if value.is_none() && value_base64.is_none() => delete(key.into_bytes()?),
        _ => Err("not a change: give set with a value, or del".to_owned()),
    }
}

fn set(key: impl AsRef<[u8]>, value: Vec<u8>) -> Result<Operation, String> {
    let key = Key::new(key).map_err(|error| error.to_string())?;
    Ok(Operation::Set(key, Value::new(value).map_err(|error| error.to_string())?))
}

fn delete(key: impl AsRef<[u8]>) -> Result<Operation, String> {
    Ok(Operation::Delete(Key::new(key).map_err(|error| error.to_string())?))
}

#[derive(Serialize)]
struct BatchResult {
    changes: u64,
    changed: bool,
}

impl Printable for BatchResult {
    fn table(&self) -> String {
        match self.changed {
            true => format!("{}\n", applied(self.changes)),
            false => format!("{} checked; nothing was changed\n", wording::changes(self.changes)),
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.changes.to_string()]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn a_line_is_a_change_in_words_or_as_json() {
        let set =
            |value: &[u8]| Operation::Set(Key::new("order/7").unwrap(), Value::new(value.to_vec()).unwrap());
        let delete = Operation::Delete(Key::new("order/7").unwrap());
        for (line, change) in [
            ("set order/7 'flat white' # a comment", Some(set(b"flat white"))),
            ("  del order/7", Some(delete.clone())),
            (r#"{"set": "order/7", "value": "latte"}"#, Some(set(b"latte"))),
            (r#"{"set": "order/7", "value_base64": "/w=="}"#, Some(set(b"\xff"))),
            (r#"{"del": "order/7"}"#, Some(delete)),
            ("# a comment", None),
        ] {
            assert_eq!(parse(line.as_bytes()).unwrap(), change, "{line}");
        }
        for (line, why) in [
            (&b"set order/7"[..], "not a change: set KEY VALUE or del KEY"),
            (b"get order/7", "not a change: set KEY VALUE or del KEY"),
            (b"set '' x", "a key cannot be empty"),
            (b"set k 'x", "the line ends within single quotes"),
            (b"set k \xff", "it is not UTF-8"),
            (br#"{"set": "k"}"#, "neither value nor value_base64 is given"),
            (br#"{"del": "k", "value": "x"}"#, "not a change: give set with a value, or del"),
            (
                br#"{"put": "k"}"#,
                "unknown field `put`, expected one of `set`, `del`, `value`, `value_base64`",
            ),
        ] {
            assert_eq!(parse(line).unwrap_err(), why);
        }
    }

    #[test]
    fn golden() {
        let done = BatchResult { changes: 1, changed: true };
        assert_eq!(printed(Format::Table, &done), "1 change applied\n");
        assert_eq!(printed(Format::Plain, &done), "1\n");
        assert_eq!(
            printed(Format::Json, &done),
            "{\"apiVersion\":\"coffee/v1\",\"changes\":1,\"changed\":true}\n"
        );
        let checked = BatchResult { changes: 2, changed: false };
        assert_eq!(printed(Format::Table, &checked), "2 changes checked; nothing was changed\n");
    }
}
