//! `import`: sets keys from lines of JSON, as `export` writes them. The part that applies lines serves
//! other verbs too.
//!
//! Guards that lines are written in their order, batch by batch, and that every end before the last
//! line says from which line to continue.

pub(crate) mod line;
mod lines;

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use clap::Args;
use coffee_common::command::Operation;
use serde::Serialize;
use tokio::time::Instant;

pub(crate) use self::lines::ParseLine;
use self::lines::{ImportLines, LineBatch, LineError};
use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::{Invocation, Origin},
    printer::{Printable, escape},
    wording,
};

pub(crate) const AFTER_HELP: &str = "\
Each line is an object with the fields key and value, or key_base64 and
value_base64 for bytes that are not UTF-8; other fields are ignored. A file is
checked as a whole before anything is written. Up to 128 lines are applied
together, atomically, in the order of the file; keys that exist are replaced.

An import that ends early says from which line to continue. Importing a line
twice does no harm, unless others have changed the key meanwhile.";

/// `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// File to read; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Begin with this line, to continue an import
    #[arg(long, value_name = "LINE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from_line: u64,
    /// Only check the lines
    #[arg(long)]
    dry_run: bool,
}

/// A file whose lines are applied.
pub(crate) struct LineFile<'a> {
    /// Its path; `-` for standard input.
    pub(crate) path: &'a Path,
    /// The first line, counted from 1.
    pub(crate) from_line: u64,
    /// Whether the lines are only checked.
    pub(crate) dry_run: bool,
    pub(crate) parse: ParseLine,
    /// Says that some lines were applied, for people.
    pub(crate) done: fn(u64) -> String,
}

/// The lines of any source, which are read in a thread: it may block.
type ImportSource = ImportLines<Box<dyn BufRead + Send>>;

pub(crate) async fn run(
    arguments: &ImportArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let ImportArguments { file, from_line, dry_run } = arguments;
    let file = LineFile { path: file, from_line: *from_line, dry_run: *dry_run, parse, done: imported };
    let keys = apply(&file, invocation).await?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    invocation.printer.report(&Imported { keys, changed: keys > 0 && !arguments.dry_run, took_ms });
    Ok(ExitCode::Done)
}

fn parse(line: &[u8]) -> Result<Option<Operation>, String> {
    line::parse(line).map(|(key, value)| Some(Operation::Set(key, value)))
}

fn imported(keys: u64) -> String {
    format!("{} imported", wording::keys(keys))
}

/// Applies the lines of a file, or only checks them, and returns how many there were.
pub(crate) async fn apply(file: &LineFile<'_>, invocation: &mut Invocation<'_>) -> Result<u64, Failure> {
    let from_stdin = file.path.as_os_str() == "-";
    if from_stdin && invocation.origin == Origin::Prompt {
        return Err(Failure::usage("standard input is the prompt's own").hint("name a file"));
    }
    let checked = if !from_stdin || file.dry_run { check(file).await? } else { 0 };
    if file.dry_run { Ok(checked) } else { write(file, invocation).await }
}

/// Reads all lines, and returns how many there are.
async fn check(file: &LineFile<'_>) -> Result<u64, Failure> {
    let mut source = open(file).await?;
    let mut keys = 0;
    loop {
        let (rest, batch) = next(source).await;
        source = rest;
        match batch {
            Ok(Some(batch)) => keys += batch.batch.operations.len() as u64,
            Ok(None) => return Ok(keys),
            Err(error) => return Err(wrong(file.path, &error).hint("nothing was changed")),
        }
    }
}

/// Writes the lines, and returns how many there were.
async fn write(file: &LineFile<'_>, invocation: &mut Invocation<'_>) -> Result<u64, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    let mut source = open(file).await?;
    let mut progress = invocation.printer.progress();
    let (mut done, mut from) = (0, file.from_line);
    loop {
        let again = format!("to continue: {}", invocation.spoken.instead("--from-line", &from.to_string()));
        // For an interruption.
        invocation.session.begin_traces(again.clone());
        let (rest, batch) = next(source).await;
        source = rest;
        let failure = match batch {
            Ok(None) => break,
            Err(error) => wrong(file.path, &error),
            Ok(Some(LineBatch { batch, first, last })) => {
                let count = batch.operations.len() as u64;
                match client.batch(batch).await {
                    Ok(_) => {
                        (done, from) = (done + count, last + 1);
                        progress.show(&(file.done)(done));
                        continue;
                    }
                    Err(error) => {
                        let lines = format!("lines {first} to {last}");
                        let failure = Failure::from(error);
                        let message = format!("{lines}: {}", failure.message());
                        failure.with_message(message)
                    }
                }
            }
        };
        invocation.session.end_traces();
        return Err(failure.hint(format!("{} before", (file.done)(done))).hint(again));
    }
    invocation.session.end_traces();
    Ok(done)
}

async fn open(file: &LineFile<'_>) -> Result<ImportSource, Failure> {
    let (path, from, parse) = (file.path.to_owned(), file.from_line, file.parse);
    let opened = in_thread(move || {
        let reader: Box<dyn BufRead + Send> = match path.as_os_str() == "-" {
            true => Box::new(BufReader::new(io::stdin())),
            false => Box::new(BufReader::new(File::open(&path)?)),
        };
        ImportLines::new(reader, from, parse)
    });
    opened.await.map_err(|error| wrong(file.path, &error).hint("nothing was changed"))
}

async fn next(mut source: ImportSource) -> (ImportSource, Result<Option<LineBatch>, LineError>) {
    let read = move || {
        let batch = source.next_batch();
        (source, batch)
    };
    in_thread(read).await
}

/// Runs in a thread, because Ctrl-C has to work meanwhile.
async fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => unreachable!("the task is awaited where it is begun"),
    })
}

fn wrong(file: &Path, error: &LineError) -> Failure {
    let name = if file.as_os_str() == "-" { "standard input".to_owned() } else { escape::path(file) };
    Failure::usage(format!("{name}: {error}"))
}

#[derive(Serialize)]
struct Imported {
    keys: u64,
    changed: bool,
    took_ms: u64,
}

impl Printable for Imported {
    fn table(&self) -> String {
        let done = if self.changed { "imported" } else { "checked; nothing was changed" };
        format!("{} {done}\n", wording::keys(self.keys))
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.keys.to_string()]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let done = Imported { keys: 1, changed: true, took_ms: 7 };
        assert_eq!(printed(Format::Table, &done), "1 key imported\n");
        assert_eq!(printed(Format::Plain, &done), "1\n");
        assert_eq!(
            printed(Format::Json, &done),
            "{\"apiVersion\":\"coffee/v1\",\"keys\":1,\"changed\":true,\"took_ms\":7}\n"
        );
        let checked = Imported { keys: 2, changed: false, took_ms: 7 };
        assert_eq!(printed(Format::Table, &checked), "2 keys checked; nothing was changed\n");
    }
}
