//! Runs the lines of a prompt, with the verbs and the parser of the command
//! line.
//!
//! Guards that a line has no more effect than a command: every error is
//! reported, and the next line is read.

use std::io::{self, IsTerminal};

use crate::{
    args::{self, LineVerb},
    exit::ExitCode,
    failure::Failure,
    invocation::{Invocation, Origin},
    options::CommonOptions,
    printer::Printer,
    session::ClientSession,
    usage::{self, Unparsed},
    verb,
    words::{self, Spoken},
};

/// The program's name in hints.
const PROGRAM: &str = "coffeectl";

/// Whether another line follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next line; this one ended with the code.
    Next(ExitCode),
    /// The prompt ends.
    Quit,
}

/// Runs lines.
pub struct Interpreter {
    session: ClientSession,
    printer: Printer,
    options: CommonOptions,
    can_ask: bool,
}

impl Interpreter {
    /// Creates an interpreter that asks through `session` and prints through `printer`.
    /// A line may override `options` for itself.
    pub fn new(session: ClientSession, printer: Printer, options: CommonOptions) -> Self {
        Self { session, printer, options, can_ask: io::stdin().is_terminal() }
    }

    /// Returns the printer of all output.
    pub fn printer(&mut self) -> &mut Printer {
        &mut self.printer
    }

    /// Returns the session that lines ask through.
    pub fn session(&mut self) -> &mut ClientSession {
        &mut self.session
    }

    /// Runs a line.
    pub async fn line(&mut self, line: &str) -> Flow {
        match split(line) {
            Ok(words) => self.words(&words).await,
            Err(failure) => self.failed(&failure),
        }
    }

    /// Runs the words of a line.
    pub async fn words(&mut self, words: &[String]) -> Flow {
        if words.is_empty() {
            return Flow::Next(ExitCode::Done);
        }
        let line = match args::line(words) {
            Ok(line) => line,
            Err(error) => return self.unparsed(&error),
        };
        let LineVerb::Verb(verb) = line.verb else { return Flow::Quit };
        let options = CommonOptions::resolve(&line.common, &self.options);
        self.printer.set_format(options.format);
        let mut invocation = Invocation {
            session: &self.session,
            printer: &mut self.printer,
            options,
            spoken: Spoken::new(words),
            origin: Origin::Prompt,
            parsers: args::PARSERS,
            can_ask: self.can_ask,
        };
        let result = verb::run(&verb, &mut invocation).await;
        self.printer.set_format(self.options.format);
        match result {
            Ok(code) => self.finished(code),
            Err(failure) => self.failed(&failure),
        }
    }

    /// Reports that a line was interrupted, and how to retry its write.
    pub fn interrupted(&mut self, code: ExitCode) -> Flow {
        let failure = interrupted(&self.session, code);
        self.failed(&failure)
    }

    fn unparsed(&mut self, error: &clap::Error) -> Flow {
        match usage::unparsed(error, "") {
            Unparsed::Shown(text) => {
                self.printer.text(&text);
                self.finished(ExitCode::Done)
            }
            Unparsed::Failure(failure) => self.failed(&failure),
        }
    }

    /// Ends the prompt if standard output is closed.
    fn finished(&mut self, code: ExitCode) -> Flow {
        match self.printer.finish() {
            Err(failure) => self.failed(&failure),
            Ok(()) if self.printer.is_closed() => Flow::Quit,
            Ok(()) => Flow::Next(code),
        }
    }

    /// Reports that a line failed.
    pub fn failed(&mut self, failure: &Failure) -> Flow {
        self.printer.failure(failure);
        Flow::Next(failure.code())
    }
}

/// Splits a line into words. Drops the program's name from a command that was
/// copied from a shell or a hint, and reads `?` as `help`.
pub fn split(line: &str) -> Result<Vec<String>, Failure> {
    let mut words = words::split(line).map_err(|error| {
        Failure::usage(error.to_string()).hint("close the quotes, or put a backslash before them")
    })?;
    if words.first().is_some_and(|word| word == PROGRAM) {
        words.remove(0);
    }
    if let [first, ..] = &mut words[..]
        && first == "?"
    {
        *first = "help".to_owned();
    }
    Ok(words)
}

/// Returns the failure of a command that a signal ended.
pub(crate) fn interrupted(session: &ClientSession, code: ExitCode) -> Failure {
    let failure = match session.end_write() {
        None => Failure::new(code, "interrupted"),
        Some(hint) => Failure::new(code, "interrupted: the outcome of the write is unknown").hint(hint),
    };
    session.end_traces().into_iter().fold(failure, Failure::hint)
}

#[cfg(test)]
mod tests {
    use coffee_common::id::{ClientId, RequestId, Revision};

    use super::*;
    use crate::{
        options::{ConnectionOptions, CredentialSource},
        printer::{
            Format,
            tests::{Captured, captured},
        },
    };

    fn interpreter() -> (Interpreter, Captured, Captured) {
        let (printer, out, err) = captured(Format::Table);
        let connection = ConnectionOptions {
            endpoints: vec!["127.0.0.1:7400".parse().unwrap()],
            cluster: None,
            credentials: CredentialSource::Unset,
            certs: None,
            context: None,
        };
        (Interpreter::new(ClientSession::new(connection), printer, CommonOptions::default()), out, err)
    }

    #[test]
    fn a_command_from_a_shell_is_a_line_too() {
        assert_eq!(split("coffeectl get 'a b'"), Ok(vec!["get".to_owned(), "a b".to_owned()]));
        assert_eq!(split("? set"), Ok(vec!["help".to_owned(), "set".to_owned()]));
        assert_eq!(split("  "), Ok(Vec::new()));
        assert_eq!(split("get 'a").map_err(|failure| failure.code()), Err(ExitCode::Usage));
    }

    #[tokio::test]
    async fn no_line_does_harm() {
        let (mut interpreter, out, err) = interpreter();
        for (line, code) in [
            ("", ExitCode::Done),
            (" # nothing", ExitCode::Done),
            ("coffeectl", ExitCode::Done),
            ("brew", ExitCode::Usage),
            ("set k", ExitCode::Usage),
            ("set k 'v", ExitCode::Usage),
            ("set k -", ExitCode::Usage),
            ("list --endpoints 127.0.0.1:1", ExitCode::Usage),
            ("list", ExitCode::Usage),
            ("help brew", ExitCode::Usage),
            ("put k v", ExitCode::Usage),
            ("node delete hong", ExitCode::Usage),
        ] {
            assert_eq!(interpreter.line(line).await, Flow::Next(code), "{line}");
        }
        assert_eq!(out.text(), "");
        assert!(
            err.text().contains("error: there is no verb 'brew'\nhint: 'help' lists the verbs\n"),
            "{}",
            err.text()
        );
        assert!(err.text().contains("there is no verb 'put'\nhint: did you mean 'set'?\n"), "{}", err.text());
        assert!(!err.text().contains("'del'"), "the hint for keys is not for nodes: {}", err.text());
        assert_eq!(interpreter.line("?").await, Flow::Next(ExitCode::Done));
        assert!(out.text().contains("\n  quit "), "{}", out.text());
        assert_eq!(interpreter.line("quit").await, Flow::Quit);
        assert_eq!(interpreter.line("coffeectl exit").await, Flow::Quit);
    }

    #[tokio::test]
    async fn an_option_counts_for_its_line_alone() {
        let (mut interpreter, out, _) = interpreter();
        interpreter.line("help exit-codes -o json").await;
        interpreter.line("help exit-codes").await;
        let lines: Vec<String> = out.text().lines().map(str::to_owned).collect();
        assert!(lines[0].starts_with("{\"apiVersion\""), "{}", lines[0]);
        assert_eq!(lines[1], "CODE  MEANING");
    }

    #[tokio::test]
    async fn a_write_that_is_given_up_is_of_unknown_outcome() {
        let (mut interpreter, _, err) = interpreter();
        assert_eq!(interpreter.interrupted(ExitCode::Interrupted), Flow::Next(ExitCode::Interrupted));
        assert_eq!(err.text(), "error: interrupted\n");
        let request = RequestId { client: ClientId(7), sequence: 1, after: Revision(3) };
        interpreter.session.begin_write(request, &Spoken::new(["set", "k", "v"]));
        interpreter.interrupted(ExitCode::Terminated);
        assert!(
            err.text().contains("error: interrupted: the outcome of the write is unknown\nhint: "),
            "{}",
            err.text()
        );
        assert!(err.text().ends_with(&format!(": set k v --request-id {request}\n")), "{}", err.text());
    }
}
