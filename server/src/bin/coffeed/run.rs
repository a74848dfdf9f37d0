//! A node's life as a process: from the configuration to the exit code.
//!
//! Two signals make two promises. The first stops the node in good order; the
//! second does not wait for that, and is as safe as a power cut. A third one,
//! SIGHUP, has it take up what its configuration and certificates are by now.
//! What becomes of it, systemd is told on the way (`notify`).

use std::sync::Arc;

use coffee_client::cli::{Signals, exit::ExitCode, failure::Failure};
use coffeed::{Closed, Config, Server, StartError, storage::disk::DataDirError};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};

use crate::{cli::Sources, logging::Control, notify::Notifier};

/// Runs a node until it is stopped, taken out, or cannot go on.
/// `sources` are where the configuration is read again, and `log` changes how
/// much it logs.
pub(crate) fn run(config: Config, sources: Sources, log: Control) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("coffeed")
        .enable_all()
        .build()
        .map_err(|error| unable("run", &error))?;
    let ended = runtime.block_on(live(config, sources, log));
    // A second signal does not wait for what is still under way.
    runtime.shutdown_background();
    ended
}

async fn live(config: Config, sources: Sources, log: Control) -> Result<ExitCode, Failure> {
    let deaf = |error| unable("listen for signals", &error);
    let mut signals = Signals::listen().map_err(deaf)?;
    let hangup = signal(SignalKind::hangup()).map_err(deaf)?;
    let notifier = Notifier::from_environment();
    notifier.opening(&config).await;
    let builder = Server::builder(config)
        .config_source(move || sources.config())
        .log_control(move |level| log.set(level));
    let server = tokio::select! {
        started = builder.start() => match started {
            Ok(server) => Arc::new(server),
            Err(error) => {
                notifier.status(&error.to_string()).await;
                return Err(not_started(error));
            }
        },
        _ = signals.next() => return Ok(ExitCode::Done),
    };
    notifier.ready().await;
    let _keeping = notifier.keep(&server);
    let mut reloads = JoinSet::new();
    reloads.spawn(reload_when_told(Arc::clone(&server), notifier.clone(), hangup));
    let closed = tokio::select! {
        closed = server.closed() => closed,
        _ = signals.next() => {
            tracing::info!("stopping; a second signal ends this at once");
            notifier.stopping().await;
            tokio::select! {
                closed = server.shutdown() => closed,
                code = signals.next() => return Ok(code),
            }
        }
    };
    match closed {
        Closed::Stopped => Ok(ExitCode::Done),
        Closed::Removed => {
            notifier.status("taken out of its cluster; started again, it waits for `coffeectl boot`").await;
            Ok(ExitCode::Done)
        }
        Closed::Failed(cause) => {
            notifier.status(&cause).await;
            Err(Failure::new(ExitCode::Failed, cause.as_ref())
                .hint("what was acknowledged is safe; start it again, and look at the lines before this one"))
        }
    }
}

/// Reloads with each SIGHUP; the node says in its log what came of it.
async fn reload_when_told(server: Arc<Server>, notifier: Notifier, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        notifier.reloading().await;
        let _ = server.reload().await;
        notifier.ready().await;
    }
}

fn unable(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(ExitCode::Failed, format!("cannot {what}: {error}"))
        .hint("look at the limits of this process")
}

fn not_started(error: StartError) -> Failure {
    Failure::new(code_of(&error), error.to_string()).hint(error.hint())
}

/// What a person has to mend first is told apart from what may have passed
/// when the daemon is started again.
pub(crate) fn code_of(error: &StartError) -> ExitCode {
    use DataDirError as Data;
    match error {
        StartError::Credentials(_) => ExitCode::Denied,
        StartError::Config(_) | StartError::Raft(_) => ExitCode::Usage,
        StartError::DataDir(error) => match error {
            Data::Io { .. } | Data::InUse { .. } | Data::SameIdAgain { .. } => ExitCode::Failed,
            Data::NotADirectory { .. }
            | Data::OtherNode { .. }
            | Data::Newer { .. }
            | Data::Damaged { .. }
            | Data::Empty { .. }
            | Data::NotEmpty { .. }
            | Data::Unfinished { .. }
            | Data::TakenOut { .. }
            | Data::NoIdentity { .. } => ExitCode::Usage,
        },
        StartError::Log(error) if error.is_damage() => ExitCode::Usage,
        StartError::State(error) if error.is_damage() => ExitCode::Usage,
        StartError::Endpoint(_)
        | StartError::Admin { .. }
        | StartError::Log(_)
        | StartError::State(_)
        | StartError::Internal(_) => ExitCode::Failed,
    }
}
