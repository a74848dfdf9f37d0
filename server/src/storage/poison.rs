//! Stops a node for good once its storage has failed.
//!
//! After a failed write the content of the disk is unknown: a second fsync may
//! report success for pages that the first one lost. So the first failure is
//! kept, everything after it fails too, nothing more is acknowledged, and the
//! server stops and names the cause.

use std::{io, sync::Arc};

use tokio::sync::watch;

/// The poison, shared by all parts of one node's storage. Cheap to clone.
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
    /// Creates one that is not poisoned.
    pub fn new() -> Self {
        Self { cause: Arc::new(watch::Sender::new(None)) }
    }

    /// Poisons the storage and returns the cause as an error. The first cause
    /// stays.
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

    /// The cause, if the storage is poisoned.
    pub fn cause(&self) -> Option<Arc<str>> {
        self.cause.borrow().clone()
    }

    /// Fails if the storage is poisoned.
    pub fn check(&self) -> io::Result<()> {
        match self.cause() {
            None => Ok(()),
            Some(cause) => Err(io::Error::other(cause.to_string())),
        }
    }

    /// Waits until the storage is poisoned, and returns the cause.
    pub async fn poisoned(&self) -> Arc<str> {
        let mut changes = self.cause.subscribe();
        match changes.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(cause)) => Arc::clone(cause),
            // The sender is in `self`, so the channel cannot be closed here.
            _ => "storage failed".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_cause_stays_and_wakes_waiting_tasks() {
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
