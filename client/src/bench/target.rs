//! What is measured: anything that stores values under keys.

use bytes::Bytes;

use crate::{Client, Consistency, Error};

/// An operation that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What errors are counted by.
    pub kind: &'static str,
    /// This one, for people.
    pub text: String,
}

/// Does one operation. Cheap to clone, as each client of a run has one.
pub trait Target: Clone + Send + Sync + 'static {
    /// Gives a key a value, durably.
    fn put(&self, key: String, value: Bytes) -> impl Future<Output = Result<(), Failed>> + Send;
    /// Reads the value of a key that is there.
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
            None => Err(Failed { kind: "missing", text: "a key that was written is not there".into() }),
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Invalid(_) => "invalid",
            Error::Setup(_) => "setup",
            Error::NotFound(_) => "not found",
            Error::ConditionFalse { .. } => "condition false",
            Error::RequestIdReused => "request id reused",
            Error::Unavailable(_) => "unavailable",
            Error::Unknown { .. } => "outcome unknown",
            Error::Identity(_) => "identity",
            Error::Denied(_) => "denied",
            Error::Refused { .. } => "refused",
        };
        Self { kind, text: error.to_string() }
    }
}
