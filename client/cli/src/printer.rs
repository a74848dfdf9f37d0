//! The command's output. Nothing else prints.
//!
//! Data goes to standard output in the requested format, everything else to
//! standard error. Output to a closed pipe is dropped without an error; any
//! other write error makes the command fail at its end. Knows no verb.

pub(crate) mod colour;
pub(crate) mod escape;
pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod screen;
pub(crate) mod table;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use self::{progress::ProgressLine, screen::FullScreen};
use crate::{exit::ExitCode, failure::Failure};

/// Moves the cursor home and erases to the end of the screen (ECMA-48, CUP and ED).
const CLEAR_SCREEN: &[u8] = b"\x1b[H\x1b[J";

/// The format of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// For programs: one document per line
    Json,
    /// For scripts: tab-separated fields, one record per line, no header; stable
    Plain,
}

/// A verb's result, which serializes to JSON and renders in the other formats.
pub trait Printable: Serialize {
    /// Renders it for people: whole lines, each with its newline, perhaps with colours.
    fn table(&self) -> String;
    /// Renders it for scripts: records of fields without tabs and newlines.
    fn plain(&self) -> Vec<Vec<String>>;
}

/// Writes the command's output.
pub struct Printer {
    format: Format,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    out_colours: bool,
    err_colours: bool,
    /// Whether the screen can be cleared.
    out_is_terminal: bool,
    /// Whether a line on standard error can be rewritten.
    err_is_terminal: bool,
    line_ends: bool,
    list_started: bool,
    closed: bool,
    failure: Option<io::Error>,
}

impl Printer {
    /// Writes to standard output and standard error.
    pub fn standard(format: Format) -> Self {
        let (out_is_terminal, err_is_terminal) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            out_colours: colour::is_wanted(out_is_terminal),
            err_colours: colour::is_wanted(err_is_terminal),
            out_is_terminal,
            err_is_terminal,
            line_ends: out_is_terminal,
            ..Self::new(format, Box::new(io::stdout()), Box::new(io::stderr()))
        }
    }

    /// Writes data to `out` and everything else to `err`, without colours.
    pub fn new(format: Format, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            format,
            out,
            err,
            out_colours: false,
            err_colours: false,
            out_is_terminal: false,
            err_is_terminal: false,
            line_ends: false,
            list_started: false,
            closed: false,
            failure: None,
        }
    }

    /// Sets whether a newline follows a value's bytes, as on a terminal and at the prompt.
    #[must_use]
    pub fn with_line_ends(mut self, line_ends: bool) -> Self {
        self.line_ends = line_ends;
        self
    }

    /// Sets the format of the output that follows.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// Returns the current format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether the reader of standard output is gone.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether data was lost: the reader of standard output is gone, or it cannot be written.
    pub(crate) fn is_broken(&self) -> bool {
        self.closed || self.failure.is_some()
    }

    /// Writes a report to standard output.
    pub fn report<R: Printable>(&mut self, report: &R) {
        match self.format {
            Format::Table => self.table(&report.table()),
            Format::Plain => self.data(plain_lines(&report.plain()).as_bytes()),
            Format::Json => self.json_line(json::document(report)),
        }
    }

    /// Clears the screen for a report that replaces the one before. Does nothing where the output is not a
    /// terminal or is for programs: the reports follow each other there.
    pub fn clear(&mut self) {
        if self.out_is_terminal && self.format == Format::Table {
            self.data(CLEAR_SCREEN);
        }
    }

    /// Writes a value to standard output: its exact bytes, or the document that
    /// describes it.
    pub fn value(&mut self, bytes: &[u8], document: &impl Serialize) {
        if self.format == Format::Json {
            return self.json_line(json::document(document));
        }
        self.data(bytes);
        if self.line_ends {
            self.data(b"\n");
        }
    }

    /// Starts a report that is one list and arrives page by page.
    pub fn list_start(&mut self, name: &str) {
        self.list_started = false;
        if self.format == Format::Json {
            self.data(json::list_head(name).as_bytes());
        }
    }

    /// Writes the next page of the list; `table` renders a page for people.
    pub fn list_page<R: Printable>(&mut self, page: &[R], table: impl FnOnce(&[R]) -> String) {
        match self.format {
            Format::Table => self.table(&table(page)),
            Format::Plain => page.iter().for_each(|item| self.data(plain_lines(&item.plain()).as_bytes())),
            Format::Json => page.iter().for_each(|item| self.list_item_json(item)),
        }
    }

    /// Ends the list; JSON gets the fields of `rest` next to it.
    pub fn list_end(&mut self, rest: &impl Serialize) {
        if self.format == Format::Json {
            self.json_line(json::list_tail(rest));
        }
    }

    fn list_item_json(&mut self, item: &impl Serialize) {
        match serde_json::to_string(item) {
            Ok(text) => {
                let comma = if std::mem::replace(&mut self.list_started, true) { "," } else { "" };
                self.data(format!("{comma}{text}").as_bytes());
            }
            Err(error) => self.remember(error.into()),
        }
    }

    fn json_line(&mut self, text: Result<String, serde_json::Error>) {
        match text {
            Ok(text) => self.data(format!("{text}\n").as_bytes()),
            Err(error) => self.remember(error.into()),
        }
    }

    /// Writes text to standard output unchanged, in every format.
    pub fn text(&mut self, text: &str) {
        self.data(text.as_bytes());
    }

    /// Writes a line to standard error.
    pub fn note(&mut self, line: &str) {
        self.aside(&format!("{line}\n"));
    }

    /// Writes to standard error, and stays on the line.
    pub fn aside(&mut self, text: &str) {
        let text = if self.err_colours { colour::labels(text) } else { colour::strip(text) };
        // There is no other stream on which to report that this one failed.
        let _ = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
    }

    /// Writes a failure to standard error: the error, then its hints.
    pub fn failure(&mut self, failure: &Failure) {
        let hints = failure.hints().iter().map(|hint| format!("hint: {hint}\n"));
        self.aside(&format!("error: {}\n{}", failure.message(), hints.collect::<String>()));
    }

    /// Returns a line that shows the progress of long work on a terminal. It is
    /// silent elsewhere, and for programs. Drop it before printing anything else.
    pub(crate) fn progress(&self) -> ProgressLine {
        let shown = self.err_is_terminal && self.format != Format::Json;
        ProgressLine::new(shown.then(|| Box::new(io::stderr()) as Box<dyn Write + Send>))
    }

    /// Takes the terminal for reports that each fill it; `None` if there is none, or the output is for
    /// programs.
    pub(crate) fn full_screen(&self) -> Option<FullScreen> {
        let is_shown = self.out_is_terminal && self.format == Format::Table;
        if is_shown { FullScreen::enter() } else { None }
    }

    /// Flushes the data.
    ///
    /// # Errors
    ///
    /// If some of the data could not be written.
    pub fn finish(&mut self) -> Result<(), Failure> {
        if let Err(error) = self.out.flush() {
            self.remember(error);
        }
        match self.failure.take() {
            None => Ok(()),
            Some(error) => {
                Err(Failure::new(ExitCode::Failed, format!("standard output cannot be written: {error}"))
                    .hint("the command itself was done; check before you repeat it"))
            }
        }
    }

    fn table(&mut self, text: &str) {
        if self.out_colours {
            self.data(text.as_bytes());
        } else {
            self.data(colour::strip(text).as_bytes());
        }
    }

    fn data(&mut self, bytes: &[u8]) {
        if self.closed || self.failure.is_some() {
            return;
        }
        if let Err(error) = self.out.write_all(bytes).and_then(|()| self.out.flush()) {
            self.remember(error);
        }
    }

    fn remember(&mut self, error: io::Error) {
        match error.kind() {
            io::ErrorKind::BrokenPipe => self.closed = true,
            _ => _ = self.failure.get_or_insert(error),
        }
    }
}

fn plain_lines(rows: &[Vec<String>]) -> String {
    rows.iter().map(|row| format!("{}\n", row.join("\t"))).collect()
}

#[cfg(test)]
pub(crate) mod tests;
