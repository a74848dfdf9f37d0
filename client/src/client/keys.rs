//! Calls about keys: read them, change them.

use bytes::Bytes;
use coffee_common::{
    command::{Batch, Condition, Effect, Entry, Operation, Outcome},
    id::{ClientId, RequestId, Revision},
    key::{Key, KeyRange, Value},
    protocol::{Consistency, Request, Response},
};

use super::Client;
use crate::{call::Call, error::Error};

/// A batch that took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The request id that it was written under.
    pub request: RequestId,
    /// The revision of each key that it set.
    pub revision: Revision,
    /// What each operation did, in order.
    pub effects: Vec<Effect>,
}

/// A key as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The key's entry, if it is there.
    pub entry: Option<Entry>,
    /// The revision up to which the read saw everything.
    pub at: Revision,
}

/// Keys of a range, as they were read at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys in order, with their entries (values empty if left out).
    pub entries: Vec<(Key, Entry)>,
    /// Whether the range goes on behind the last of these: see [`KeyRange::after`].
    pub more: bool,
    /// The revision up to which the read saw everything.
    pub at: Revision,
}

/// How to read a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageOptions {
    /// At most this many keys; 0 means as many as a page holds.
    pub limit: u32,
    /// Leaves the values out.
    pub keys_only: bool,
    /// How fresh.
    pub consistency: Consistency,
}

impl Client {
    /// Gives a key a value.
    pub async fn set(&self, key: impl Into<String>, value: impl Into<Bytes>) -> Result<Written, Error> {
        self.set_with(key, value, []).await
    }

    /// Gives a key a value, if all conditions hold.
    pub async fn set_with(
        &self,
        key: impl Into<String>,
        value: impl Into<Bytes>,
        conditions: impl IntoIterator<Item = Condition>,
    ) -> Result<Written, Error> {
        let operation = Operation::Set(Key::new(key)?, Value::new(value)?);
        self.batch(Batch { conditions: conditions.into_iter().collect(), operations: vec![operation] }).await
    }

    /// Takes a key away. Whether it was there stands in the effect.
    pub async fn delete(&self, key: impl Into<String>) -> Result<Written, Error> {
        self.delete_with(key, []).await
    }

    /// Takes a key away, if all conditions hold.
    pub async fn delete_with(
        &self,
        key: impl Into<String>,
        conditions: impl IntoIterator<Item = Condition>,
    ) -> Result<Written, Error> {
        let operation = Operation::Delete(Key::new(key)?);
        self.batch(Batch { conditions: conditions.into_iter().collect(), operations: vec![operation] }).await
    }

    /// Carries out a batch, as one, if all its conditions hold.
    ///
    /// Draws a request id of its own: the batch is done at most once, however
    /// often the client has to try.
    pub async fn batch(&self, batch: Batch) -> Result<Written, Error> {
        self.batch_named(batch, |_| {}).await
    }

    /// The same, and tells the request id before the batch is sent under it:
    /// so that even a caller who gives up waiting, or is cut off, can later
    /// learn with [`Client::write`] what became of it. Where an id proves too
    /// old before anything was done, another is drawn, and told.
    pub async fn batch_named(
        &self,
        batch: Batch,
        mut named: impl FnMut(RequestId) + Send,
    ) -> Result<Written, Error> {
        batch.check()?;
        // The id of the request is drawn when it is first sent.
        let unnamed = RequestId { client: ClientId(0), sequence: 0, after: Revision(0) };
        let call = Call::unnamed(&self.shared, Request::Write { request: unnamed, batch }, self.timeout);
        let (response, request) = call.on_request_id(&mut named).run().await?;
        match request {
            Request::Write { request, .. } => written(request, response),
            _ => Err(Error::misfit()),
        }
    }

    /// Carries out a batch under a request id that the caller brings along,
    /// and may have used for the same batch before: it is done once.
    ///
    /// Since the client cannot know about earlier tries, whatever fails here
    /// leaves the outcome unknown.
    pub async fn write(&self, request: RequestId, batch: Batch) -> Result<Written, Error> {
        let response = self.ask(Request::Write { request, batch }).await?;
        written(request, response)
    }

    /// Reads a key; `None` if it is not there. Sees every write that was
    /// acknowledged before.
    pub async fn get(&self, key: impl Into<String>) -> Result<Option<Entry>, Error> {
        Ok(self.get_with(key, Consistency::Linearizable).await?.entry)
    }

    /// Reads a key, as fresh as asked for.
    pub async fn get_with(&self, key: impl Into<String>, consistency: Consistency) -> Result<Reading, Error> {
        match self.ask(Request::Get { key: Key::new(key)?, consistency }).await? {
            Response::Value { entry, at } => Ok(Reading { entry, at }),
            _ => Err(Error::misfit()),
        }
    }

    /// Reads a page of a range of keys.
    pub async fn range(&self, range: KeyRange, options: PageOptions) -> Result<Page, Error> {
        let PageOptions { limit, keys_only, consistency } = options;
        match self.ask(Request::Range { range, limit, keys_only, consistency }).await? {
            Response::Page { entries, more, at } => Ok(Page { entries, more, at }),
            _ => Err(Error::misfit()),
        }
    }
}

fn written(request: RequestId, response: Response) -> Result<Written, Error> {
    match response {
        Response::Written(Outcome::Applied { revision, effects }) => {
            Ok(Written { request, revision, effects })
        }
        Response::Written(Outcome::ConditionFalse { condition, actual }) => {
            Err(Error::ConditionFalse { condition, actual })
        }
        Response::Written(Outcome::RequestIdReused) => Err(Error::RequestIdReused),
        _ => Err(Error::Unknown {
            reason: "the node's answer does not fit the question".into(),
            request: Some(request),
        }),
    }
}
