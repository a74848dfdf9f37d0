//! Ctrl-C and SIGTERM: what ends a command from outside.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::ExitCode;

/// Listens for the signals that end a command.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on, in place of the system's own handling.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one; says with which code it ends a command.
    pub async fn next(&mut self) -> ExitCode {
        tokio::select! {
            _ = self.interrupt.recv() => ExitCode::Interrupted,
            _ = self.terminate.recv() => ExitCode::Terminated,
        }
    }
}
