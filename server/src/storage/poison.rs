//! Stops a node for good once its storage has failed.
//!
//! After a failed write the content of the disk is unknown: a second fsync may
//! report success for pages that the first one lost. So the first failure is
//! kept, everything after it fails too, nothing more is acknowledged, and the
//! server stops and names the cause. The cause says whether data is damaged: then a
//! restart does not help, and must not be tried again and again.

use std::{
    fmt::{self, Display, Formatter},
    io,
    sync::Arc,
};

use tokio::sync::watch;

use super::corruption::{NEWER, REBUILD};

/// Why a node's storage failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageFailure {
    /// The error that came first.
    pub cause: Arc<str>,
    /// Whether a restart helps.
    pub kind: FailureKind,
}

/// The kind of a failure of a node's storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The disk failed, or a bug was found: a restart may help.
    Failed,
    /// Data is damaged: a restart does not help.
    Damage,
    /// A newer version of coffeed wrote the data: an older one cannot use it.
    Newer,
}

impl StorageFailure {
    /// The next step for the operator.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            FailureKind::Damage => REBUILD,
            FailureKind::Newer => NEWER,
            FailureKind::Failed => {
                "check the disk of the data directory, then start again; nothing that was acknowledged is lost"
            }
        }
    }
}

impl Display for StorageFailure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

/// The poison, shared by all parts of one node's storage. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Poison {
    failure: Arc<watch::Sender<Option<StorageFailure>>>,
}

impl Default for Poison {
    fn default() -> Self {
        Self::new()
    }
}

impl Poison {
    /// Creates one that is not poisoned.
    pub fn new() -> Self {
        Self { failure: Arc::new(watch::Sender::new(None)) }
    }

    /// Poisons the storage and returns the cause as an error. The first cause
    /// stays.
    pub fn set(&self, cause: impl Display) -> io::Error {
        self.set_as(FailureKind::Failed, cause)
    }

    /// Like [`Self::set`], with damaged data as the cause.
    pub fn set_damage(&self, cause: impl Display) -> io::Error {
        self.set_as(FailureKind::Damage, cause)
    }

    /// Like [`Self::set`], with a failure of this kind.
    pub fn set_as(&self, kind: FailureKind, cause: impl Display) -> io::Error {
        self.fail(&cause, kind)
    }

    fn fail(&self, cause: &dyn Display, kind: FailureKind) -> io::Error {
        self.failure.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                let failure = StorageFailure { cause: cause.to_string().into(), kind };
                let (cause, hint) = (&failure.cause, (kind != FailureKind::Failed).then(|| failure.hint()));
                tracing::error!(%cause, hint, "storage failed: this node stops taking part");
                *current = Some(failure);
            }
            first
        });
        self.check().err().unwrap_or_else(|| io::Error::other("storage failed"))
    }

    /// Why the storage failed, if it is poisoned.
    pub fn failure(&self) -> Option<StorageFailure> {
        self.failure.borrow().clone()
    }

    /// The cause, if the storage is poisoned.
    pub fn cause(&self) -> Option<Arc<str>> {
        self.failure().map(|failure| failure.cause)
    }

    /// Fails if the storage is poisoned.
    pub fn check(&self) -> io::Result<()> {
        match self.cause() {
            None => Ok(()),
            Some(cause) => Err(io::Error::other(cause.to_string())),
        }
    }

    /// Waits until the storage is poisoned, and returns why.
    pub async fn poisoned(&self) -> StorageFailure {
        let mut changes = self.failure.subscribe();
        match changes.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(failure)) => failure.clone(),
            // The sender is in `self`, so the channel cannot be closed here.
            _ => StorageFailure { cause: "storage failed".into(), kind: FailureKind::Failed },
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
        assert_eq!(poison.set_damage("something later").to_string(), "fsync failed");
        assert_eq!(poison.check().map_err(|e| e.to_string()), Err("fsync failed".to_owned()));
        let failure = waiting.await.expect("poisoned");
        assert_eq!(failure, StorageFailure { cause: "fsync failed".into(), kind: FailureKind::Failed });
    }

    #[test]
    fn damage_is_remembered_with_its_next_step() {
        let poison = Poison::new();
        assert_eq!(poison.set_damage("log.wal is damaged").to_string(), "log.wal is damaged");
        let failure = poison.failure().expect("poisoned");
        assert!(
            failure.kind == FailureKind::Damage && failure.hint().contains("coffeed rebuild"),
            "{failure:?}"
        );
    }
}
