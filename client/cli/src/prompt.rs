//! The prompt: reads lines from a terminal or from standard input, and runs
//! each before it reads the next.
//!
//! Knows no verb: a [`Shell`] runs the lines. Reading blocks, so a thread reads
//! one line at a time, on request: between two lines the terminal is in its
//! normal mode.

mod complete;
mod editor;
mod lines;

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    thread,
};

use tokio::sync::mpsc;

use self::complete::LineCompletion;
pub use crate::completion::keys::KnownKeys;
use crate::{
    completion::keys::{self, PROMPT_WITHIN},
    exit::ExitCode,
    failure::Failure,
    interpreter::{Flow, Interpreter},
    printer::Printer,
    signals::Signals,
};

/// Runs lines.
pub trait Shell {
    /// Runs a line.
    fn line(&mut self, line: &str) -> impl Future<Output = Flow>;

    /// Reports that a signal interrupted a line.
    fn interrupted(&mut self, code: ExitCode) -> Flow;

    /// Returns keys that start with a prefix, for completion.
    fn keys(&mut self, prefix: &str) -> impl Future<Output = KnownKeys>;

    /// Returns the printer of all output.
    fn printer(&mut self) -> &mut Printer;
}

impl Shell for Interpreter {
    async fn line(&mut self, line: &str) -> Flow {
        Self::line(self, line).await
    }

    fn interrupted(&mut self, code: ExitCode) -> Flow {
        Self::interrupted(self, code)
    }

    async fn keys(&mut self, prefix: &str) -> KnownKeys {
        keys::read(self.session(), prefix, PROMPT_WITHIN).await
    }

    fn printer(&mut self) -> &mut Printer {
        Self::printer(self)
    }
}

/// The look and behaviour of a prompt.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The text before each line.
    pub text: String,
    /// Whether lines that do not come from a terminal are printed, so that the
    /// output reads like a session.
    pub echo: bool,
    /// The file with the history of lines.
    pub history: Option<PathBuf>,
}

/// The next line, or the reason why there is none.
#[derive(Debug)]
pub(crate) enum PromptEvent {
    /// A line, without its end.
    Line(String),
    /// A line discarded by Ctrl-C.
    Discarded,
    /// Input that is not a valid line; the next one may be.
    Unreadable(String),
    /// Keys that start with a prefix are wanted for a line that is still typed.
    Keys(String, std::sync::mpsc::Sender<KnownKeys>),
    /// There are no more lines.
    End,
}

/// A source of lines.
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
    /// Whether a line was requested and has not arrived.
    waiting: bool,
}

impl Prompt {
    /// Reads from the terminal, with history and completion, or plain lines from
    /// standard input. The names to complete come from `interpreter`.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn open(settings: Settings, interpreter: &mut Interpreter) -> Result<Self, Failure> {
        let at_terminal = io::stdin().is_terminal();
        let session = interpreter.session();
        let (wanted, wants) = std::sync::mpsc::channel();
        let (found, events) = mpsc::channel(1);
        let asking = found.clone();
        let keys = Box::new(move |prefix: &str| ask_for_keys(&asking, prefix));
        let completion = LineCompletion::new(session.names(), session.connection().certs.clone(), keys);
        let for_thread = settings.clone();
        thread::Builder::new()
            .name("prompt".into())
            .spawn(move || read_all(at_terminal, &for_thread, completion, &wants, &found))
            .map_err(|error| Failure::new(ExitCode::Failed, format!("no thread for the prompt: {error}")))?;
        Ok(Self { settings, at_terminal, wanted, events, waiting: false })
    }

    /// Whether the lines come from a terminal.
    pub fn is_at_terminal(&self) -> bool {
        self.at_terminal
    }

    /// Waits for the next line. If cancelled, the next call gets that line.
    async fn next(&mut self) -> PromptEvent {
        if !std::mem::replace(&mut self.waiting, true) && self.wanted.send(()).is_err() {
            return PromptEvent::End;
        }
        let event = self.events.recv().await.unwrap_or(PromptEvent::End);
        self.waiting = matches!(event, PromptEvent::Keys(..));
        event
    }

    /// Runs every line until the end of the input, `quit` or a signal.
    ///
    /// Without a terminal, the exit code is that of the first line that failed,
    /// for scripts; the lines after it run all the same.
    pub async fn run(&mut self, shell: &mut impl Shell, signals: &mut Signals) -> ExitCode {
        let mut code = ExitCode::Done;
        loop {
            let event = tokio::select! {
                event = self.next() => event,
                signal = signals.next() => match signal {
                    // No line is running, so nothing is interrupted, as in a shell.
                    ExitCode::Interrupted if self.at_terminal => continue,
                    signal => return signal,
                },
            };
            let flow = match event {
                PromptEvent::End => return code,
                PromptEvent::Discarded => continue,
                PromptEvent::Keys(prefix, known) => {
                    // The editor may have ceased to wait.
                    let _ = known.send(shell.keys(&prefix).await);
                    continue;
                }
                PromptEvent::Unreadable(why) => {
                    shell.printer().failure(&Failure::usage(why));
                    Flow::Next(ExitCode::Usage)
                }
                PromptEvent::Line(line) => self.run_line(&line, shell, signals).await,
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

    async fn run_line(&self, line: &str, shell: &mut impl Shell, signals: &mut Signals) -> Flow {
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

/// Asks for keys from the thread of the prompt.
fn ask_for_keys(events: &mpsc::Sender<PromptEvent>, prefix: &str) -> KnownKeys {
    let (known, answer) = std::sync::mpsc::channel();
    match events.blocking_send(PromptEvent::Keys(prefix.to_owned(), known)) {
        Ok(()) => answer.recv_timeout(PROMPT_WITHIN).unwrap_or_default(),
        Err(_) => KnownKeys::default(),
    }
}

fn read_all(
    at_terminal: bool,
    settings: &Settings,
    completion: LineCompletion,
    wants: &std::sync::mpsc::Receiver<()>,
    found: &mpsc::Sender<PromptEvent>,
) {
    let mut source: Box<dyn LineSource> = match editor::Editor::open(settings, completion) {
        Ok(editor) if at_terminal => Box::new(editor),
        _ => Box::new(lines::Lines::new(io::stdin().lock())),
    };
    while wants.recv().is_ok() && found.blocking_send(source.next()).is_ok() {}
}

/// Returns the file of the prompt's history, by the XDG base directory rules.
pub(crate) fn history_file() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state =
        absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("coffeectl").join("history"))
}
