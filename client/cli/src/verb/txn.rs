//! `txn`: several changes as one, chosen by conditions.

mod json;
mod step_row;
mod text;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use coffee_client::{Txn, TxnStep};
use coffee_common::id::RequestId;

use self::step_row::{Transacted, rows};
use super::write;
use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::{Invocation, Origin},
    printer::escape,
};

pub(crate) const AFTER_HELP: &str = "\
The file has up to three parts; words are quoted as in a shell, '#' begins a
comment. If all conditions hold, the steps after 'then' are taken together, else
those after 'else':

  if
  value shop/ming = open           # also rev, created, version; = != < >
  absent orders/7                  # or: present KEY, empty PREFIX
  then
  set orders/7 latte
  add orders/count 1 --max 1000    # a number in decimal; also --min
  del orders/old/ --prefix         # or: del KEY
  get shop/opens                   # prints the value
  keys orders/ --limit 10          # prints the keys; also --values
  else
  get shop/ming

Each step sees the changes of those before it. The same as JSON, recognized by a
first '{':

  {\"if\": [{\"key\": \"shop/ming\", \"value\": \"open\"}, {\"key\": \"orders/7\", \"absent\": true}],
   \"then\": [{\"set\": \"orders/7\", \"value\": \"latte\"}, {\"add\": \"orders/count\", \"by\": 1}],
   \"else\": [{\"get\": \"shop/ming\"}]}

A key of bytes that are not UTF-8 is an object in JSON: {\"base64\": \"/w==\"}.

Exit code 4: a condition does not hold and there is no 'else'; nothing was
changed.";

/// A file is not larger, in bytes: JSON takes up to 6 for one.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// `txn`.
#[derive(Debug, Args)]
pub(crate) struct TxnArguments {
    /// File to read; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Retry a write whose outcome is unknown; it is applied at most once
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,
}

/// A transaction as a file has it.
#[derive(Debug, Default)]
struct TxnFile {
    txn: Txn,
    /// The steps, for people: a verb and a key or prefix.
    then: Vec<StepLabel>,
    otherwise: Vec<StepLabel>,
}

/// A step, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StepLabel {
    verb: &'static str,
    /// The key or prefix.
    key: Vec<u8>,
    /// Whether values are printed.
    with_values: bool,
}

impl TxnFile {
    fn then(&mut self, step: TxnStep, label: StepLabel) {
        self.txn = std::mem::take(&mut self.txn).then(step);
        self.then.push(label);
    }

    fn otherwise(&mut self, step: TxnStep, label: StepLabel) {
        self.txn = std::mem::take(&mut self.txn).otherwise(step);
        self.otherwise.push(label);
    }

    /// Adds a condition.
    fn when(&mut self, add: impl FnOnce(Txn) -> Txn) {
        self.txn = add(std::mem::take(&mut self.txn));
    }
}

pub(crate) async fn run(
    arguments: &TxnArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let TxnFile { txn, then, otherwise } = read(&arguments.file, invocation.origin).await?;
    let has_else = !otherwise.is_empty();
    let done = write::transact(txn, arguments.request_id, invocation).await?;
    let labels = if done.succeeded { then } else { otherwise };
    let (succeeded, revision, request_id) = (done.succeeded, done.revision.0, done.request.to_string());
    if !succeeded && !has_else {
        return Err(Failure::new(ExitCode::ConditionFalse, "a condition does not hold; nothing was changed")
            .hint("'coffeectl get KEY --revision' shows a key's revision and value"));
    }
    invocation.printer.report(&Transacted {
        succeeded,
        revision,
        request_id,
        steps: rows(&labels, done.results),
    });
    Ok(ExitCode::Done)
}

async fn read(file: &Path, origin: Origin) -> Result<TxnFile, Failure> {
    let from_stdin = file.as_os_str() == "-";
    if from_stdin && origin == Origin::Prompt {
        return Err(Failure::usage("standard input is the prompt's own").hint("name a file"));
    }
    let name = if from_stdin { "standard input".to_owned() } else { escape::path(file) };
    let path = file.to_owned();
    let content = tokio::task::spawn_blocking(move || {
        let mut content = String::new();
        let reader: Box<dyn Read> = match from_stdin {
            true => Box::new(io::stdin()),
            false => Box::new(File::open(path)?),
        };
        reader.take(FILE_BYTES_MAX + 1).read_to_string(&mut content)?;
        Ok::<_, io::Error>(content)
    });
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("{name}: {why}")).hint("'coffeectl help txn' shows the form")
    };
    let content = content.await.map_err(|error| wrong(&error))?.map_err(|error| wrong(&error))?;
    if content.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(&format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    let parsed = match content.trim_start().starts_with('{') {
        true => json::parse(&content),
        false => text::parse(&content),
    };
    parsed.map_err(|why| wrong(&why))
}
