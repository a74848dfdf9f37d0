//! Where work runs that waits for the disk.

use std::{io, time::Duration};

/// Where work runs that waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offload {
    /// On another thread, so the runtime is not blocked.
    #[default]
    Thread,
    /// In the caller's task: for tests whose disk does not block.
    Inline,
    /// In a task, after a delay: for the simulation, which has one thread and a
    /// disk that does not block, and in which other tasks must run while this one
    /// waits.
    Later(Duration),
}

impl Offload {
    /// Runs the work and waits for it, without blocking the thread of the task.
    ///
    /// # Errors
    /// The work failed, or the runtime ended first.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        match self {
            Self::Inline => work(),
            Self::Thread => tokio::task::spawn_blocking(work).await?,
            Self::Later(wait) => {
                tokio::time::sleep(wait).await;
                work()
            }
        }
    }

    /// Starts the work and returns.
    pub fn start(self, work: impl FnOnce() + Send + 'static) {
        match self {
            Self::Inline => work(),
            Self::Thread => drop(tokio::task::spawn_blocking(work)),
            Self::Later(wait) => drop(tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                work();
            })),
        }
    }
}
