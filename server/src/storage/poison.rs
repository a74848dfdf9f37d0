//! What stops a node for good once its storage has failed.
//!
//! After a failed write nobody knows what is on the disk: a second fsync may
//! report success for pages that the first one lost. So the first failure is
//! kept, everything after it fails as well, nothing is acknowledged any more,
//! and the server stops and names the cause.

use std::{io, sync::Arc};

use tokio::sync::watch;

/// Shared by all parts of one node's storage. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Poison {
    cause: Arc<watch::Sender<Option<Arc<str>>>>,
}

impl Default for Poison {
    fn default() -> Self {
        Self::new()
    }
}

impl Poison {
    /// None yet.
    pub fn new() -> Self {
        Self { cause: Arc::new(watch::Sender::new(None)) }
    }

    /// Poisons the storage. The first cause stays. Returns the error for whoever asked.
    pub fn set(&self, cause: impl std::fmt::Display) -> io::Error {
        self.cause.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                let cause: Arc<str> = cause.to_string().into();
                tracing::error!(%cause, "storage failed: this node stops taking part");
                *current = Some(cause);
            }
            first
        });
        self.check().err().unwrap_or_else(|| io::Error::other("storage failed"))
    }

    /// The cause, once there is one.
    pub fn cause(&self) -> Option<Arc<str>> {
        self.cause.borrow().clone()
    }

    /// Fails once the storage is poisoned.
    pub fn check(&self) -> io::Result<()> {
        match self.cause() {
            None => Ok(()),
            Some(cause) => Err(io::Error::other(cause.to_string())),
        }
    }

    /// Waits until the storage is poisoned; returns the cause.
    pub async fn poisoned(&self) -> Arc<str> {
        let mut changes = self.cause.subscribe();
        match changes.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(cause)) => Arc::clone(cause),
            // The sender lives in `self`, so the channel cannot be closed here.
            _ => "storage failed".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_cause_stays_and_wakes_whoever_waits() {
        let poison = Poison::new();
        assert!(poison.check().is_ok());
        let waiting = tokio::spawn({
            let poison = poison.clone();
            async move { poison.poisoned().await }
        });
        assert_eq!(poison.set("fsync failed").to_string(), "fsync failed");
        assert_eq!(poison.set("something later").to_string(), "fsync failed");
        assert_eq!(poison.check().map_err(|e| e.to_string()), Err("fsync failed".to_owned()));
        assert_eq!(waiting.await.as_deref().ok(), Some("fsync failed"));
    }
}
