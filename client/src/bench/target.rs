//! The store under load.

use bytes::Bytes;

use crate::{Client, Consistency, Error};

/// A failed operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The kind under which errors are counted.
    pub kind: &'static str,
    /// The message of this error.
    pub text: String,
}

/// Executes single operations. Cheap to clone: each client of a run has its own.
pub trait Target: Clone + Send + Sync + 'static {
    /// Sets a key durably.
    fn put(&self, key: String, value: Bytes) -> impl Future<Output = Result<(), Failed>> + Send;
    /// Reads the value of an existing key.
    fn get(&self, key: String) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// A cluster, read with this consistency.
impl Target for (Client, Consistency) {
    async fn put(&self, key: String, value: Bytes) -> Result<(), Failed> {
        self.0.set(key, value).await.map(drop).map_err(Failed::from)
    }

    async fn get(&self, key: String) -> Result<(), Failed> {
        let reading = self.0.get_with(key, self.1).await?;
        match reading.entry {
            Some(_) => Ok(()),
            None => Err(Failed { kind: "missing", text: "a key that was written does not exist".into() }),
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Invalid(_) => "invalid",
            Error::Setup(_) => "setup",
            Error::NotFound(_) => "not found",
            Error::Compacted { .. } => "compacted",
            Error::ConditionFalse { .. } => "condition false",
            Error::TransactionFailed { .. } => "transaction failed",
            Error::RequestIdReused => "request id reused",
            Error::Unavailable(_) | Error::NoQuorum(_) => "unavailable",
            Error::Unknown { .. } => "outcome unknown",
            Error::Identity(_) => "identity",
            Error::OtherCluster(_) => "other cluster",
            Error::Denied(_) => "denied",
            Error::Refused { .. } => "refused",
            Error::Unsupported(_) => "unsupported",
            Error::Closed => "closed",
        };
        Self { kind, text: error.to_string() }
    }
}
