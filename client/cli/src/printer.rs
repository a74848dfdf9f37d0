//! All output of the command goes through here, and nothing else prints.
//!
//! Data goes to standard output, in the format that was asked for; all else
//! goes to standard error. A reader that has gone away is no error and ends
//! the output quietly; any other failure to write is remembered, and makes
//! the command fail in the end. Knows nothing of verbs.

pub(crate) mod escape;
pub(crate) mod json;
pub(crate) mod table;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::{exit::ExitCode, failure::Failure};

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For eyes.
    #[default]
    Table,
    /// For programs: one document a line.
    Json,
    /// For scripts: lines of fields parted by tabs, without a heading; stable.
    Plain,
}

/// What a verb has to say, in each format.
pub trait Printable: Serialize {
    /// For eyes: whole lines, each ended by a newline.
    fn table(&self) -> String;
    /// For scripts: lines of fields, each field free of tabs and newlines.
    fn plain(&self) -> Vec<Vec<String>>;
}

/// Writes what the command has to say.
pub struct Printer {
    format: Format,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    line_ends: bool,
    list_started: bool,
    closed: bool,
    failure: Option<io::Error>,
}

impl Printer {
    /// Writes to standard output and standard error.
    pub fn standard(format: Format) -> Self {
        let line_ends = io::stdout().is_terminal();
        Self::new(format, Box::new(io::stdout()), Box::new(io::stderr())).with_line_ends(line_ends)
    }

    /// Writes data to `out`, and all else to `err`.
    pub fn new(format: Format, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self { format, out, err, line_ends: false, list_started: false, closed: false, failure: None }
    }

    /// Whether a newline follows a value's bytes: on a terminal and at the
    /// prompt, where the next line must not stick to it.
    #[must_use]
    pub fn with_line_ends(mut self, line_ends: bool) -> Self {
        self.line_ends = line_ends;
        self
    }

    /// The format of what follows.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether nobody reads standard output any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes a report to standard output.
    pub fn report<R: Printable>(&mut self, report: &R) {
        match self.format {
            Format::Table => self.data(report.table().as_bytes()),
            Format::Plain => self.data(plain_lines(&report.plain()).as_bytes()),
            Format::Json => self.json_line(json::document(report)),
        }
    }

    /// Writes a value to standard output: its bytes as they are, or the
    /// document that describes them.
    pub fn value(&mut self, bytes: &[u8], document: &impl Serialize) {
        if self.format == Format::Json {
            return self.json_line(json::document(document));
        }
        self.data(bytes);
        if self.line_ends {
            self.data(b"\n");
        }
    }

    /// Starts a report that is one long list, and comes page by page.
    pub fn list_start(&mut self, name: &str) {
        self.list_started = false;
        if self.format == Format::Json {
            self.data(json::list_head(name).as_bytes());
        }
    }

    /// Writes the next page of it; `table` shows a page for eyes.
    pub fn list_page<R: Printable>(&mut self, page: &[R], table: impl FnOnce(&[R]) -> String) {
        match self.format {
            Format::Table => self.data(table(page).as_bytes()),
            Format::Plain => page.iter().for_each(|item| self.data(plain_lines(&item.plain()).as_bytes())),
            Format::Json => page.iter().for_each(|item| self.list_item_json(item)),
        }
    }

    /// Ends it; JSON has the fields of `rest` besides the list.
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

    /// Writes lines to standard output as they are, in every format.
    pub fn text(&mut self, text: &str) {
        self.data(text.as_bytes());
    }

    /// Writes a line to standard error.
    pub fn note(&mut self, line: &str) {
        self.aside(&format!("{line}\n"));
    }

    /// Writes to standard error, and stays on the line.
    pub fn aside(&mut self, text: &str) {
        // Where standard error cannot be written to, nobody is left to be told.
        let _ = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
    }

    /// Writes a failure to standard error: what went wrong, then what to do.
    pub fn failure(&mut self, failure: &Failure) {
        let hints = failure.hints().iter().map(|hint| format!("hint: {hint}\n"));
        self.aside(&format!("error: {}\n{}", failure.message(), hints.collect::<String>()));
    }

    /// Whether all data was written.
    pub fn finish(&mut self) -> Result<(), Failure> {
        if let Err(error) = self.out.flush() {
            self.remember(error);
        }
        match self.failure.take() {
            None => Ok(()),
            Some(error) => {
                Err(Failure::new(ExitCode::Failed, format!("standard output cannot be written: {error}"))
                    .hint("the command itself was carried out; look before you repeat it"))
            }
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
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written, for a test to look at.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A printer, its standard output and its standard error.
    pub(crate) fn captured(format: Format) -> (Printer, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        (Printer::new(format, Box::new(out.clone()), Box::new(err.clone())), out, err)
    }

    /// What `report` prints in `format`.
    pub(crate) fn printed(format: Format, report: &impl Printable) -> String {
        let (mut printer, out, _) = captured(format);
        printer.report(report);
        out.text()
    }

    struct Fails(io::ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Serialize)]
    struct Cup {
        name: &'static str,
    }

    impl Printable for Cup {
        fn table(&self) -> String {
            format!("a cup of {}\n", self.name)
        }
        fn plain(&self) -> Vec<Vec<String>> {
            vec![vec!["cup".into(), self.name.into()]]
        }
    }

    #[test]
    fn each_format() {
        let cup = Cup { name: "latte" };
        assert_eq!(printed(Format::Table, &cup), "a cup of latte\n");
        assert_eq!(printed(Format::Plain, &cup), "cup\tlatte\n");
        assert_eq!(printed(Format::Json, &cup), "{\"apiVersion\":\"coffee/v1\",\"name\":\"latte\"}\n");
    }

    #[test]
    fn a_list_of_pages_is_one_document() {
        #[derive(Serialize)]
        struct CupsTail {
            more: bool,
        }
        let print = |format| {
            let (mut printer, out, _) = captured(format);
            printer.list_start("cups");
            printer.list_page(&[Cup { name: "latte" }, Cup { name: "mocha" }], |_| "two cups\n".into());
            printer.list_page(&[Cup { name: "ristretto" }], |_| "a cup\n".into());
            printer.list_end(&CupsTail { more: false });
            out.text()
        };
        assert_eq!(print(Format::Table), "two cups\na cup\n");
        assert_eq!(print(Format::Plain), "cup\tlatte\ncup\tmocha\ncup\tristretto\n");
        assert_eq!(
            print(Format::Json),
            "{\"apiVersion\":\"coffee/v1\",\"cups\":[{\"name\":\"latte\"},{\"name\":\"mocha\"},{\"name\":\"ristretto\"}],\"more\":false}\n"
        );
    }

    #[test]
    fn values_are_byte_exact_unless_lines_are_wanted() {
        let (mut printer, out, _) = captured(Format::Table);
        printer.value(b"latte", &Cup { name: "latte" });
        let mut printer = printer.with_line_ends(true);
        printer.value(b"mocha", &Cup { name: "mocha" });
        assert_eq!(out.text(), "lattemocha\n");
    }

    #[test]
    fn failures_go_to_standard_error() {
        let (mut printer, out, err) = captured(Format::Json);
        printer.failure(&Failure::usage("no such verb: brew").hint("see 'coffeectl help'"));
        assert_eq!(
            (out.text().as_str(), err.text().as_str()),
            ("", "error: no such verb: brew\nhint: see 'coffeectl help'\n")
        );
    }

    #[test]
    fn a_reader_that_has_gone_away_is_no_failure() {
        let mut printer =
            Printer::new(Format::Table, Box::new(Fails(io::ErrorKind::BrokenPipe)), Box::new(io::sink()));
        printer.report(&Cup { name: "latte" });
        assert!(printer.is_closed());
        assert_eq!(printer.finish(), Ok(()));
    }

    #[test]
    fn a_full_disk_is_a_failure() {
        let mut printer =
            Printer::new(Format::Table, Box::new(Fails(io::ErrorKind::StorageFull)), Box::new(io::sink()));
        printer.report(&Cup { name: "latte" });
        assert_eq!(printer.finish().map_err(|failure| failure.code()), Err(ExitCode::Failed));
    }
}
