//! The command `coffeectl`, and its prompt, which other programs can open.
//!
//! Words are parsed into raw arguments (`args`), which are validated once into
//! options ([`options`]), with which a verb runs (`verb`). Only [`printer`]
//! prints, and only [`failure`] and [`exit`] know exit codes.

mod args;
mod awaited;
pub mod cluster_ref;
mod completion;
mod confirm;
mod contexts;
mod credentials;
pub mod dates;
mod duration;
pub mod exit;
pub mod failure;
mod flags;
pub mod interpreter;
mod invocation;
mod key_argument;
mod key_pages;
mod lookup;
pub mod options;
#[cfg(any(test, feature = "pages"))]
pub mod pages;
pub mod printer;
pub mod prompt;
#[cfg(test)]
mod sample_view;
mod secret;
mod session;
mod signals;
pub mod usage;
mod verb;
mod warnings;
mod wording;
mod words;

use std::ffi::OsString;

use tokio::runtime;

use self::{
    args::CtlArguments,
    exit::ExitCode,
    failure::Failure,
    interpreter::Interpreter,
    invocation::{Invocation, Origin},
    options::{CommonOptions, ConnectionOptions},
    printer::{Format, Printer},
    prompt::{Prompt, Settings},
    usage::Unparsed,
    verb::CtlVerb,
    words::Spoken,
};
pub use self::{session::ClientSession, signals::Signals};

/// Runs a command line of `coffeectl`. The first word is the program's name.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = words.into_iter().collect();
    let mut printer = Printer::standard(Format::default());
    let result = match args::command_line(words.clone()) {
        Ok(arguments) => start(arguments, &words, &mut printer),
        Err(error) => match usage::unparsed(&error, "coffeectl") {
            Unparsed::Shown(text) => {
                printer.text(&text);
                Ok(ExitCode::Done)
            }
            Unparsed::Failure(failure) => Err(failure),
        },
    };
    match result.and_then(|code| printer.finish().map(|()| code)) {
        Ok(code) => code,
        Err(failure) => {
            printer.failure(&failure);
            failure.code()
        }
    }
}

/// Resolves the options, then runs one verb or the prompt.
fn start(arguments: CtlArguments, words: &[OsString], printer: &mut Printer) -> Result<ExitCode, Failure> {
    let (connection, options) = resolve(&arguments)?;
    let session = ClientSession::new(connection);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(ExitCode::Failed, format!("cannot start: {error}")))?;
    printer.set_format(options.format);
    let result = match &arguments.verb {
        Some(verb) => {
            let own_name = OsString::from("coffeectl");
            let spoken = Spoken::new(std::iter::once(&own_name).chain(words.iter().skip(1)));
            let invocation = Invocation {
                can_ask: can_ask(),
                origin: Origin::CommandLine,
                parsers: args::PARSERS,
                session: &session,
                printer,
                options,
                spoken,
            };
            runtime.block_on(one_verb(verb, invocation))
        }
        None => runtime.block_on(open_prompt(session, options)),
    };
    // Does not wait for a thread that may still be blocked on standard input.
    runtime.shutdown_background();
    result
}

/// Resolves the options of a command: flags, then variables, then the context, then defaults.
fn resolve(arguments: &CtlArguments) -> Result<(ConnectionOptions, CommonOptions), Failure> {
    let wanted = arguments.connection.context.clone();
    match &arguments.verb {
        // These contact no node, and must work when the contexts file is broken.
        Some(CtlVerb::Help(_) | CtlVerb::Completion(_) | CtlVerb::Complete(_) | CtlVerb::Context(_)) => {
            let options = CommonOptions::resolve(&arguments.common, &CommonOptions::default());
            Ok((ConnectionOptions::none(wanted)?, options))
        }
        _ => {
            let context = contexts::file::in_use(wanted.as_deref())?;
            let timeout = context.as_ref().and_then(|(_, named)| named.timeout).map(|timeout| timeout.0);
            let base = CommonOptions { timeout, ..CommonOptions::default() };
            let connection = ConnectionOptions::resolve(arguments.connection.clone(), context)?;
            Ok((connection, CommonOptions::resolve(&arguments.common, &base)))
        }
    }
}

fn can_ask() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdin())
}

async fn one_verb(verb: &CtlVerb, mut invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let mut signals = listen()?;
    let session = invocation.session;
    let result = match verb {
        // It ends by a signal, in its own way.
        CtlVerb::Proxy(_) => verb::run(verb, &mut invocation).await,
        _ => tokio::select! {
            result = verb::run(verb, &mut invocation) => result,
            code = signals.next() => Err(interpreter::interrupted(session, code)),
        },
    };
    session.close().await;
    result
}

async fn open_prompt(session: ClientSession, options: CommonOptions) -> Result<ExitCode, Failure> {
    let mut signals = listen()?;
    let printer = Printer::standard(options.format).with_line_ends(true);
    let text = match &session.connection().context {
        Some(context) => format!("coffee {context}> "),
        None => "coffee> ".to_owned(),
    };
    let settings = Settings { text, echo: false, history: prompt::history_file() };
    let mut interpreter = Interpreter::new(session, printer, options);
    let mut prompt = Prompt::open(settings, &mut interpreter)?;
    if prompt.is_at_terminal() {
        interpreter.printer().note("'help' lists the verbs, 'quit' leaves the prompt and stops no node");
    }
    let code = prompt.run(&mut interpreter, &mut signals).await;
    interpreter.session().close().await;
    Ok(code)
}

fn listen() -> Result<Signals, Failure> {
    Signals::listen()
        .map_err(|error| Failure::new(ExitCode::Failed, format!("cannot listen for signals: {error}")))
}
