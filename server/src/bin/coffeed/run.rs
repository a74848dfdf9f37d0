//! Runs a node as a process: from the configuration to the exit code.
//!
//! SIGINT or SIGTERM stops the node cleanly; a second one ends the process at
//! once, which is as safe as a power cut. SIGHUP reloads configuration and
//! certificates. `notify` reports each step to systemd.

use std::sync::Arc;

use coffeectl::{Signals, exit::ExitCode, failure::Failure};
use coffeed::{Closed, Config, Server};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};

use crate::{
    cli::Sources,
    exit,
    logging::{self, Control},
    notify::Notifier,
};

/// Runs a node until it is stopped, removed from its cluster, or fails.
///
/// `sources` is what a reload reads, and `log` changes the log level.
pub(crate) fn run(config: Config, sources: Sources, log: Control) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("coffeed")
        .enable_all()
        .build()
        .map_err(|error| unable("run", &error))?;
    let ended = runtime.block_on(live(config, sources, log));
    // After a second signal, tasks that still run are not waited for.
    runtime.shutdown_background();
    ended
}

async fn live(config: Config, sources: Sources, log: Control) -> Result<ExitCode, Failure> {
    let unable_to_listen = |error| unable("listen for signals", &error);
    let mut signals = Signals::listen().map_err(unable_to_listen)?;
    let hangup = signal(SignalKind::hangup()).map_err(unable_to_listen)?;
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
                return Err(exit::failure(error));
            }
        },
        _ = signals.next() => return Ok(ExitCode::Done),
    };
    notifier.ready().await;
    let _keeping = notifier.keep(&server);
    let mut background = JoinSet::new();
    background.spawn(reload_on_hangup(Arc::clone(&server), notifier.clone(), hangup));
    background.spawn(quiet_when_stopping(Arc::clone(&server)));
    let closed = tokio::select! {
        closed = server.closed() => closed,
        _ = signals.next() => {
            tracing::info!("stopping; a second signal exits at once");
            notifier.stopping().await;
            tokio::select! {
                closed = server.shutdown() => closed,
                code = signals.next() => return Ok(code),
            }
        }
    };
    match closed {
        Closed::Stopped => {}
        Closed::Removed => {
            notifier.status("removed from its cluster; after a restart it waits for `coffeectl boot`").await;
        }
        Closed::Failed(ref cause) | Closed::Damaged(ref cause) | Closed::Newer(ref cause) => {
            notifier.status(cause).await;
        }
    }
    exit::ended(&closed)
}

/// Reloads on each SIGHUP; the node logs the result.
async fn reload_on_hangup(server: Arc<Server>, notifier: Notifier, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        notifier.reloading().await;
        let _ = server.reload().await;
        notifier.ready().await;
    }
}

/// Silences consensus once the node stops: its errors are not failures then.
async fn quiet_when_stopping(server: Arc<Server>) {
    server.stopping().await;
    logging::quiet_consensus();
}

fn unable(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(ExitCode::Failed, format!("cannot {what}: {error}"))
        .hint("check this process's limits (ulimit -a)")
}
