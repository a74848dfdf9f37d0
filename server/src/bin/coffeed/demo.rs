//! `coffeed demo`: up to five shops in one process, with a prompt.
//!
//! Certificates, QUIC between the shops and files on disk are real; only the
//! processes are missing. Uses the library as any program that embeds it does,
//! and `coffeectl` for the meaning of the verbs.

mod certificates;
mod premises;
mod shell;
mod shop;
mod shops;

use std::path::PathBuf;

use coffeectl::{
    ClientSession, Signals,
    exit::ExitCode,
    failure::Failure,
    interpreter::{Flow, Interpreter},
    options::{CommonOptions, ConnectionOptions, CredentialSource},
    printer::{Format, Printer},
    prompt::{Prompt, Settings},
};

use self::{premises::Premises, shell::DemoShell, shops::Shops};

/// Arguments of `coffeed demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArguments {
    /// Number of shops to start with
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    nodes: u8,
    /// Directory for certificates and data, reused by the next run [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs the demo.
pub(crate) fn run(arguments: &DemoArguments) -> ExitCode {
    let mut printer = Printer::standard(Format::Table);
    start(arguments).unwrap_or_else(|failure| {
        printer.failure(&failure);
        failure.code()
    })
}

fn start(arguments: &DemoArguments) -> Result<ExitCode, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| cannot_start(&e))?;
    let result = runtime.block_on(run_shops(arguments));
    // A thread may still read standard input; it is not waited for.
    runtime.shutdown_background();
    result
}

fn cannot_start(error: &std::io::Error) -> Failure {
    Failure::new(ExitCode::Failed, format!("cannot start: {error}"))
}

async fn run_shops(arguments: &DemoArguments) -> Result<ExitCode, Failure> {
    let premises = Premises::open(arguments.data.as_deref())?;
    premises.log_to_file()?;
    let mut signals = Signals::listen().map_err(|error| cannot_start(&error))?;
    let mut shops = Shops::new(&premises);
    let opened = tokio::select! {
        opened = shops.open() => opened,
        signal = signals.next() => return Ok(signal),
    };
    let code = match opened {
        Ok(()) => run_prompt(arguments, &premises, &mut shops, &mut signals).await,
        Err(failure) => Err(failure),
    };
    shops.close().await;
    code
}

/// Runs the prompt until it is quit.
async fn run_prompt(
    arguments: &DemoArguments,
    premises: &Premises,
    shops: &mut Shops,
    signals: &mut Signals,
) -> Result<ExitCode, Failure> {
    let connection = ConnectionOptions {
        endpoints: shops.endpoints(),
        cluster: None,
        credentials: CredentialSource::Files(premises.caller()),
        certs: Some(premises.certs()),
        context: None,
    };
    let printer = Printer::standard(Format::Table).with_line_ends(true);
    // The demo asks for no confirmation.
    let options = CommonOptions { yes: true, ..CommonOptions::default() };
    let mut interpreter = Interpreter::new(ClientSession::new(connection), printer, options);
    interpreter.session().add_names(premises.shops().iter().map(|shop| &shop.name));
    let settings = Settings { text: "coffee> ".into(), echo: true, history: None };
    let mut prompt = Prompt::open(settings, &mut interpreter)?;
    interpreter.printer().text(&welcome(premises, shops));
    let mut shell = DemoShell::new(interpreter, shops);
    while shell.count() < usize::from(arguments.nodes) {
        tokio::select! {
            flow = shell.boot_next() => if flow != Flow::Next(ExitCode::Done) { break },
            signal = signals.next() => return Ok(signal),
        }
    }
    match prompt.run(&mut shell, signals).await {
        signal @ (ExitCode::Interrupted | ExitCode::Terminated) => Ok(signal),
        // Failed lines were reported and do not set the exit code.
        _ => Ok(ExitCode::Done),
    }
}

fn welcome(premises: &Premises, shops: &Shops) -> String {
    let names = join(", ", shops.names_of_open());
    // In a shell, `\` and a newline continue a word: the line fits a terminal.
    let endpoints = join(",\\\n", shops.all_endpoints().chunks(3).map(|line| join(",", line)));
    format!(
        "Open: {names}.\n\
         'boot' opens the next shop, 'help' lists the verbs, 'quit' ends the demo.\n\
         From another terminal:\n  \
         export COFFEECTL_CERTS={}\n  \
         export COFFEECTL_ENDPOINTS={endpoints}\n  \
         coffeectl list\n\
         Log: {}\n\n",
        premises.certs().display(),
        premises.log_file().display(),
    )
}

fn join<T: ToString>(between: &str, things: impl IntoIterator<Item = T>) -> String {
    things.into_iter().map(|thing| thing.to_string()).collect::<Vec<_>>().join(between)
}
