//! Where work is done that waits for the disk.

use std::{io, time::Duration};

/// Where work is done that waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offload {
    /// On a thread apart, so that the runtime goes on meanwhile.
    #[default]
    Thread,
    /// On the spot: in tests whose disk does not block.
    Inline,
    /// On the spot, but after a while: in a simulation, which has one thread
    /// and a disk that does not block, and where other tasks are to go on
    /// while this one waits for it.
    Later(Duration),
}

impl Offload {
    /// Does the work, and waits for it without holding up the task's thread.
    ///
    /// # Errors
    /// Those of the work; or the runtime ends before it is done.
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

    /// Does the work while the caller goes on.
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
