//! Calls that read and change keys.

use bytes::Bytes;
use coffee_common::{
    command::{Batch, Condition, Effect, Operation, Outcome},
    entry::Entry,
    id::{ClientId, RequestId, Revision},
    key::{Key, KeyRange, Value},
    protocol::{Consistency, Request, Response},
};

use super::Client;
use crate::{call::Call, error::Error};

/// A batch that took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The request id under which it was written.
    pub request: RequestId,
    /// The revision of the write, and of each key that it set.
    pub revision: Revision,
    /// The effect of each operation, in order.
    pub effects: Vec<Effect>,
}

/// The result of reading one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetResult {
    /// The key's entry; `None` if the key does not exist.
    pub entry: Option<Entry>,
    /// The revision at which the key was read.
    pub at: Revision,
}

/// A page of a range, read at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys in order, with their entries; values are empty with [`PageOptions::keys_only`]. There
    /// may be none, although the range continues: many keys were deleted.
    pub entries: Vec<(Key, Entry)>,
    /// The last key that was looked at, if the range may continue after it: [`KeyRange::after`] returns
    /// the rest.
    pub upto: Option<Key>,
    /// The revision at which the page was read.
    pub at: Revision,
}

/// Options for reading a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageOptions {
    /// Maximum number of keys; 0 for as many as fit on a page (up to 1000 keys and 1
    /// MiB).
    pub limit: u32,
    /// Leaves the values out.
    pub keys_only: bool,
    /// Whether the read is linearizable (the default) or local to one node.
    pub consistency: Consistency,
}

impl Client {
    /// Sets a key.
    ///
    /// # Errors
    /// [`Error::Invalid`] if key or value exceeds a limit; otherwise as
    /// [`Client::batch`].
    pub async fn set(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Result<Written, Error> {
        self.set_with(key, value, []).await
    }

    /// Sets a key if all conditions hold.
    ///
    /// # Errors
    /// [`Error::ConditionFalse`] if one does not; otherwise as [`Client::set`].
    pub async fn set_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        conditions: impl IntoIterator<Item = Condition>,
    ) -> Result<Written, Error> {
        let operation = Operation::Set(Key::new(key)?, Value::new(value)?);
        self.batch(Batch { conditions: conditions.into_iter().collect(), operations: vec![operation] }).await
    }

    /// Deletes a key. [`Effect::previous`] tells whether it existed.
    ///
    /// # Errors
    /// As [`Client::set`].
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<Written, Error> {
        self.delete_with(key, []).await
    }

    /// Deletes a key if all conditions hold.
    ///
    /// # Errors
    /// As [`Client::set_with`].
    pub async fn delete_with(
        &self,
        key: impl AsRef<[u8]>,
        conditions: impl IntoIterator<Item = Condition>,
    ) -> Result<Written, Error> {
        let operation = Operation::Delete(Key::new(key)?);
        self.batch(Batch { conditions: conditions.into_iter().collect(), operations: vec![operation] }).await
    }

    /// Executes a batch atomically if all its conditions hold.
    ///
    /// Draws a request id: the batch takes effect at most once, however often the
    /// client retries it.
    ///
    /// # Errors
    /// [`Error::ConditionFalse`] if a condition does not hold, [`Error::Invalid`] if
    /// the batch exceeds a limit, [`Error::Denied`] if the role does not allow it.
    /// [`Error::Unavailable`] means the batch was not executed and never will be;
    /// [`Error::Unknown`] means it may have been.
    pub async fn batch(&self, batch: Batch) -> Result<Written, Error> {
        self.batch_named(batch, |_| {}).await
    }

    /// Executes a batch like [`Client::batch`], and passes the request id to `named`
    /// before the batch is sent under it.
    ///
    /// A caller that stops waiting can thus learn the outcome later with
    /// [`Client::write`]. If the cluster no longer remembers requests as old as the id
    /// and nothing was executed, the client draws another id and passes it too.
    ///
    /// # Errors
    /// As [`Client::batch`].
    pub async fn batch_named(
        &self,
        batch: Batch,
        mut named: impl FnMut(RequestId) + Send,
    ) -> Result<Written, Error> {
        batch.check()?;
        // A placeholder: the id is drawn when the request is first sent.
        let unnamed = RequestId { client: ClientId(0), sequence: 0, after: Revision(0) };
        let call = Call::unnamed(
            &self.shared,
            Request::Write { request: unnamed, batch: batch.into() },
            self.timeout,
        );
        let call = call.needing_quorum(self.needs_quorum).on_request_id(&mut named);
        let (response, request) = call.run().await?;
        match request {
            Request::Write { request, .. } => written(request, response),
            _ => Err(Error::misfit()),
        }
    }

    /// Executes a batch under a request id from [`Client::new_request_id`] or an
    /// earlier attempt. The batch takes effect at most once per id.
    ///
    /// # Errors
    /// As [`Client::batch`], except that nearly every failure is [`Error::Unknown`]:
    /// the client cannot know whether an earlier attempt succeeded.
    /// [`Error::RequestIdReused`] if the id was used for another batch.
    pub async fn write(&self, request: RequestId, batch: Batch) -> Result<Written, Error> {
        let response = self.ask(Request::Write { request, batch: batch.into() }).await?;
        written(request, response)
    }

    /// Reads a key; `None` if it does not exist. Sees every write that was acknowledged
    /// before.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the key is not valid, [`Error::Denied`] if the role does
    /// not allow it, [`Error::Unavailable`] or [`Error::Identity`] if no node could
    /// answer in time.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry>, Error> {
        Ok(self.get_with(key, Consistency::Linearizable).await?.entry)
    }

    /// Reads a key with the given consistency.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_with(
        &self,
        key: impl AsRef<[u8]>,
        consistency: Consistency,
    ) -> Result<GetResult, Error> {
        match self.ask(Request::Get { key: Key::new(key)?, consistency }).await? {
            Response::Value { entry, at } => Ok(GetResult { entry, at }),
            _ => Err(Error::misfit()),
        }
    }

    /// Reads one page of a range of keys. Read the next page from [`KeyRange::after`]
    /// the key in [`Page::upto`] while there is one.
    ///
    /// # Errors
    /// As [`Client::get`]; [`Error::Invalid`] if a bound is longer than any key.
    pub async fn range(&self, range: KeyRange, options: PageOptions) -> Result<Page, Error> {
        range.check()?;
        let PageOptions { limit, keys_only, consistency } = options;
        match self.ask(Request::Range { range, limit, keys_only, consistency, empty_pages: true }).await? {
            Response::Page { entries, more, at, upto } => {
                let last = || entries.last().map(|(key, _)| key.clone());
                let upto = upto.or_else(|| last().filter(|_| more));
                Ok(Page { entries, upto, at })
            }
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
            reason: "the node's response does not match the request".into(),
            request: Some(request),
        }),
    }
}
