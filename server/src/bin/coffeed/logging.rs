//! The daemon's log: for eyes, for machines, or for systemd's journal.
//!
//! Only the daemon installs a logger; the library leaves that to its host. Where
//! standard error is the journal's, and lines for eyes are asked for, entries go
//! there by its own protocol: with their fields, and with a priority, which
//! lines on a stream have not.

mod control;
mod journal;

use std::io::{self, IsTerminal};

use coffee_client::cli::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffee_common::id::NodeName;
use coffeed::{
    config::{LogFormat, LogLevel, LogOptions},
    storage::soundness::reads_unverified,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt,
    layer::SubscriberExt,
    reload::{self, Handle},
};

pub(crate) use self::control::Control;

/// Whose lines are ours; everybody else is a library, and speaks up less.
const OURS: [&str; 4] = ["coffeed", "coffee_client", "coffee_common", "panic"];

/// What has become of a logger.
pub(crate) struct Started {
    /// Changes how much it logs.
    pub(crate) control: Control,
    /// Whether what it logs has fields: then a failure is logged too, and not
    /// printed for eyes.
    pub(crate) structured: bool,
}

/// Logs from now on, for the rest of the process. `node` is who it is of.
pub(crate) fn start(options: LogOptions, node: Option<&NodeName>) -> Started {
    let (filter, handle) = reload::Layer::new(filter(options.level));
    let (layer, structured) = layer(options.format, filter, node);
    // Fails only where a logger is installed already, which then stays.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(layer));
    Started { control: Control::new(handle, options.level), structured }
}

type Filter = reload::Layer<Targets, Registry>;
type FilterHandle = Handle<Targets, Registry>;
type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What logs in this form, and whether with fields.
fn layer(format: LogFormat, filter: Filter, node: Option<&NodeName>) -> (BoxedLayer, bool) {
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let in_journal = journal::takes_standard_error();
    match format {
        LogFormat::Json => (lines.json().flatten_event(true).with_filter(filter).boxed(), true),
        LogFormat::Human => match in_journal.then(|| journal::layer(node)) {
            Some(Ok(journal)) => (journal.with_filter(filter).boxed(), true),
            // Its socket is out of reach: it takes lines, and puts the time on them.
            Some(Err(_)) => (lines.without_time().with_filter(filter).boxed(), false),
            None => (lines.with_filter(filter).boxed(), false),
        },
    }
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

/// Says why the daemon does not run or go on: in the log where that has fields, else for eyes.
pub(crate) fn failure(failure: &Failure, structured: bool) {
    match structured {
        true => tracing::error!(hint = failure.hints().join("; "), "{}", failure.message()),
        false => Printer::standard(Format::default()).failure(failure),
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
