//! Lines from somebody at a terminal, or from standard input, each carried
//! out before the next one is read.
//!
//! Knows no verb: a [`Shell`] carries the lines out. Reading blocks, so a
//! thread of its own does it, one line at a time and only when asked: between
//! two lines the terminal is as we found it.

mod complete;
mod editor;
mod lines;

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    thread,
};

use tokio::sync::mpsc;

use crate::{
    exit::ExitCode,
    failure::Failure,
    interpreter::{Flow, Interpreter},
    printer::Printer,
    session::Names,
    signals::Signals,
};

/// What carries out the lines.
pub trait Shell {
    /// Carries out a line.
    fn line(&mut self, line: &str) -> impl Future<Output = Flow>;

    /// Says that a line was given up because of a signal.
    fn interrupted(&mut self, code: ExitCode) -> Flow;

    /// Where everything is said.
    fn printer(&mut self) -> &mut Printer;
}

impl Shell for Interpreter {
    async fn line(&mut self, line: &str) -> Flow {
        Self::line(self, line).await
    }

    fn interrupted(&mut self, code: ExitCode) -> Flow {
        Self::interrupted(self, code)
    }

    fn printer(&mut self) -> &mut Printer {
        Self::printer(self)
    }
}

/// How a prompt looks and behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What stands before each line.
    pub text: String,
    /// Whether a line that was not typed at a terminal is shown, so that the
    /// output reads as if it had been.
    pub echo: bool,
    /// Where lines are remembered from one time to the next.
    pub history: Option<PathBuf>,
}

/// What came instead of, or as, the next line.
#[derive(Debug)]
pub(crate) enum PromptEvent {
    /// A line, without its end.
    Line(String),
    /// Ctrl-C in the middle of typing.
    Discarded,
    /// Something that is no line, and the next one may be.
    Unreadable(String),
    /// There are no more lines.
    End,
}

/// Where lines come from.
trait LineSource {
    /// Waits for the next line.
    fn next(&mut self) -> PromptEvent;
}

/// Reads lines.
pub struct Prompt {
    settings: Settings,
    at_terminal: bool,
    wanted: std::sync::mpsc::Sender<()>,
    events: mpsc::Receiver<PromptEvent>,
    /// A line was asked for, and has not come yet.
    waiting: bool,
}

impl Prompt {
    /// Reads from the terminal, with history and completion, or plain lines
    /// from standard input. `interpreter` is asked for what can be completed.
    pub fn open(settings: Settings, interpreter: &mut Interpreter) -> Result<Self, Failure> {
        let at_terminal = io::stdin().is_terminal();
        let names = interpreter.session().names();
        let (wanted, wants) = std::sync::mpsc::channel();
        let (found, events) = mpsc::channel(1);
        let for_thread = settings.clone();
        thread::Builder::new()
            .name("prompt".into())
            .spawn(move || read_all(at_terminal, &for_thread, names, &wants, &found))
            .map_err(|error| Failure::new(ExitCode::Failed, format!("no thread for the prompt: {error}")))?;
        Ok(Self { settings, at_terminal, wanted, events, waiting: false })
    }

    /// Whether somebody types the lines.
    pub fn is_at_terminal(&self) -> bool {
        self.at_terminal
    }

    /// Dropped halfway, it leaves the line to the next call.
    async fn next(&mut self) -> PromptEvent {
        if !std::mem::replace(&mut self.waiting, true) && self.wanted.send(()).is_err() {
            return PromptEvent::End;
        }
        let event = self.events.recv().await.unwrap_or(PromptEvent::End);
        self.waiting = false;
        event
    }

    /// Has every line carried out, until there are no more, one says quit, or
    /// a signal comes.
    ///
    /// Where nobody types, the first line that failed decides how it ends: a
    /// script can rely on that, and still every line is carried out.
    pub async fn run(&mut self, shell: &mut impl Shell, signals: &mut Signals) -> ExitCode {
        let mut code = ExitCode::Done;
        loop {
            let event = tokio::select! {
                event = self.next() => event,
                signal = signals.next() => match signal {
                    // There is nothing to interrupt: as in a shell.
                    ExitCode::Interrupted if self.at_terminal => continue,
                    signal => return signal,
                },
            };
            let flow = match event {
                PromptEvent::End => return code,
                PromptEvent::Discarded => continue,
                PromptEvent::Unreadable(why) => {
                    shell.printer().failure(&Failure::usage(why));
                    Flow::Next(ExitCode::Usage)
                }
                PromptEvent::Line(line) => self.carry_out(&line, shell, signals).await,
            };
            match flow {
                Flow::Quit => return code,
                Flow::Next(ExitCode::Terminated) => return ExitCode::Terminated,
                Flow::Next(ExitCode::Interrupted) if !self.at_terminal => return ExitCode::Interrupted,
                Flow::Next(failed) if code == ExitCode::Done && !self.at_terminal => code = failed,
                Flow::Next(_) => {}
            }
        }
    }

    async fn carry_out(&self, line: &str, shell: &mut impl Shell, signals: &mut Signals) -> Flow {
        if self.settings.echo && !self.at_terminal {
            shell.printer().text(&format!("{}{line}\n", self.settings.text));
        }
        let signal = tokio::select! {
            flow = shell.line(line) => return flow,
            signal = signals.next() => signal,
        };
        shell.interrupted(signal)
    }
}

fn read_all(
    at_terminal: bool,
    settings: &Settings,
    names: Names,
    wants: &std::sync::mpsc::Receiver<()>,
    found: &mpsc::Sender<PromptEvent>,
) {
    let mut source: Box<dyn LineSource> = match editor::Editor::open(settings, names) {
        Ok(editor) if at_terminal => Box::new(editor),
        _ => Box::new(lines::Lines::new(io::stdin().lock())),
    };
    while wants.recv().is_ok() && found.blocking_send(source.next()).is_ok() {}
}

/// Where the lines of a prompt are remembered, by the rules of the XDG base directories.
pub(crate) fn history_file() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state =
        absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("coffeectl").join("history"))
}
