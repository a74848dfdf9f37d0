//! The daemon's log: on standard error, for eyes or for machines.
//!
//! Only the daemon installs a logger; the library leaves that to its host.

use std::io::{self, IsTerminal};

use coffee_client::cli::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffeed::{
    config::{LogFormat, LogLevel, LogOptions},
    storage::soundness::reads_unverified,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, Registry, filter::Targets, fmt, layer::SubscriberExt};

/// Whose lines are ours; everybody else is a library, and speaks up less.
const OURS: [&str; 4] = ["coffeed", "coffee_client", "coffee_common", "panic"];

/// Logs from now on, for the rest of the process.
pub(crate) fn start(options: LogOptions) {
    // Fails only where a logger is installed already, which then stays.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(layer(options)));
}

fn layer(options: LogOptions) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    match options.format {
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter(options.level)).boxed(),
        LogFormat::Human if journal_stamps_lines() => {
            lines.without_time().with_filter(filter(options.level)).boxed()
        }
        LogFormat::Human => lines.with_filter(filter(options.level)).boxed(),
    }
}

/// Whether systemd's journal takes our lines, and puts the time on them.
fn journal_stamps_lines() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some() && !io::stderr().is_terminal()
}

fn filter(level: LogLevel) -> Targets {
    let (ours, theirs) = match level {
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::ERROR),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::ERROR),
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
        LogLevel::Trace => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    Targets::new().with_default(theirs).with_targets(OURS.map(|target| (target, ours)))
}

/// Says why the daemon does not run or go on, in the form of its log.
pub(crate) fn failure(failure: &Failure, format: LogFormat) {
    match format {
        LogFormat::Json => tracing::error!(hint = failure.hints().join("; "), "{}", failure.message()),
        LogFormat::Human => Printer::standard(Format::default()).failure(failure),
    }
}

/// Logs a panic, and ends the process with the code of a failure.
///
/// A task that panics takes an assumption of ours down with it, and tokio would
/// let the rest of the node go on half alive. What was acknowledged is on disk,
/// so a start from there is the safer way. A program that embeds the library
/// decides for itself: there, the server stops and says why.
pub(crate) fn end_on_panic() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = info.payload_as_str().unwrap_or("a panic without words");
        if reads_unverified() {
            // Caught there, and said of the file.
            tracing::debug!(target: "panic", place, "a file is not what was written: {message}");
            return;
        }
        if place.contains("/redb-") {
            tracing::error!(
                target: "panic", place,
                "a database file is damaged, and coffeed ends: {message}; \
                 hint: start it again: it checks its files, and says which one and what to do"
            );
        } else {
            tracing::error!(target: "panic", place, "coffeed has a defect and ends: {message}");
        }
        #[expect(
            clippy::exit,
            clippy::disallowed_methods,
            reason = "the daemon's main decides how a panic ends"
        )]
        std::process::exit(ExitCode::Failed.number().into());
    }));
}
