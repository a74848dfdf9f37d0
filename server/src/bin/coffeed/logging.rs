//! The daemon's log: for people, for machines, or for systemd's journal.
//!
//! Only the daemon installs a logger; the library leaves that to its host. If
//! standard error is connected to the journal and the format is `human`, entries
//! go there by the journal's own protocol, which keeps their fields and priority.

mod control;
mod journal;

use std::{
    io::{self, IsTerminal},
    sync::atomic::{AtomicBool, Ordering},
};

use coffee_common::id::NodeName;
use coffeectl::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffeed::{
    config::{LogFormat, LogLevel, LogOptions},
    storage::corruption::reads_unverified,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry,
    filter::{FilterExt, Targets, dynamic_filter_fn},
    fmt,
    layer::SubscriberExt,
    reload::{self, Handle},
};

pub(crate) use self::control::Control;

/// Targets of our own crates; libraries log less.
const OURS: [&str; 4] = ["coffeed", "coffee_client", "coffee_common", "panic"];

/// The target of the audit log. Its events are logged at every level: an admin that wants to stay
/// unseen cannot change the level first.
const AUDIT: &str = "audit";

/// The target of openraft's events.
const CONSENSUS: &str = "openraft";

/// Whether the node stops. Requests that consensus no longer answers are not worth an error then.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// A logger that was started.
pub(crate) struct StartedLog {
    /// Changes the log level.
    pub(crate) control: Control,
    /// Whether entries have fields: a failure is then logged instead of printed.
    pub(crate) structured: bool,
}

/// Starts logging for the rest of the process. `node` names the node in journal entries.
pub(crate) fn start(options: LogOptions, node: Option<&NodeName>) -> StartedLog {
    let (filter, handle) = reload::Layer::new(filter(options.level));
    let (layer, structured) = layer(options.format, filter, node);
    // Fails only if a logger is already installed; that one stays.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(layer));
    StartedLog { control: Control::new(handle, options.level), structured }
}

/// Logs nothing of consensus from now on: the node stops.
pub(crate) fn quiet_consensus() {
    STOPPING.store(true, Ordering::Relaxed);
}

/// Whether an event of this target is logged.
fn is_wanted(target: &str) -> bool {
    !target.starts_with(CONSENSUS) || !STOPPING.load(Ordering::Relaxed)
}

type Filter = reload::Layer<Targets, Registry>;
type FilterHandle = Handle<Targets, Registry>;
type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Returns the layer for a format, and whether its entries have fields.
fn layer(format: LogFormat, filter: Filter, node: Option<&NodeName>) -> (BoxedLayer, bool) {
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let filter = filter.and(dynamic_filter_fn(|metadata, _| is_wanted(metadata.target())));
    let in_journal = journal::takes_standard_error();
    match format {
        LogFormat::Json => (lines.json().flatten_event(true).with_filter(filter).boxed(), true),
        LogFormat::Human => match in_journal.then(|| journal::layer(node)) {
            Some(Ok(journal)) => (journal.with_filter(filter).boxed(), true),
            // The journal's socket is unreachable, but it adds the time to lines.
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
    let targets = Targets::new().with_default(theirs).with_targets(OURS.map(|target| (target, ours)));
    targets.with_target(AUDIT, LevelFilter::INFO)
}

/// Reports why the daemon ends: in the log if its entries have fields, otherwise printed.
pub(crate) fn failure(failure: &Failure, structured: bool) {
    match structured {
        true => tracing::error!(hint = failure.hints().join("; "), "{}", failure.message()),
        false => Printer::standard(Format::default()).failure(failure),
    }
}

/// Makes a panic log its message and end the process with exit code 1.
///
/// A panic means that an assumption failed, and tokio would let the rest of the
/// node continue without the task. Acknowledged writes are on disk, so a restart
/// is safer. In a program that embeds the library, the server stops instead and
/// reports why.
pub(crate) fn end_on_panic() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = info.payload_as_str().unwrap_or("a panic without a message");
        if reads_unverified() {
            // The reader catches it and reports the file as damaged.
            tracing::debug!(target: "panic", place, "a database file is damaged: {message}");
            return;
        }
        if place.contains("/redb-") {
            tracing::error!(
                target: "panic", place,
                "a database file is damaged; exiting: {message}; \
                 hint: restart coffeed: it checks its files and names the damaged one"
            );
        } else {
            tracing::error!(target: "panic", place, "coffeed panicked (a bug); exiting: {message}");
        }
        #[expect(
            clippy::exit,
            clippy::disallowed_methods,
            reason = "the daemon's main decides how a panic ends"
        )]
        std::process::exit(ExitCode::Failed.number().into());
    }));
}
