//! Where work is done that waits for the disk.

use std::io;

/// Where work is done that waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offload {
    /// On a thread apart, so that the runtime goes on meanwhile.
    #[default]
    Thread,
    /// On the spot: in a simulation, which has one thread and a disk that does not block.
    Inline,
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
        }
    }
}
