//! Calls that carry out transactions, from the feature level on at which a cluster keeps a history.

use std::{ops::RangeInclusive, sync::Arc};

use coffee_common::{
    id::{ClientId, RequestId, Revision},
    key::{Key, KeyRange},
    limits::DELETED_KEYS_MAX,
    protocol::Request,
};

use super::Client;
use crate::{
    call::Call,
    error::Error,
    txn::{StepResult, Txn, TxnResult, TxnStep, transacted},
};

/// A part of a range that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedPart {
    /// The revision of the deletion.
    pub revision: Revision,
    /// How many keys were deleted.
    pub count: u32,
    /// The first key that is left; `None` if there is none.
    pub rest: Option<Key>,
}

impl Client {
    /// Carries out a transaction.
    ///
    /// Draws a request id: the transaction takes effect at most once, however often the client retries it.
    ///
    /// # Errors
    /// [`Error::TransactionFailed`] if a step cannot be taken, [`Error::Refused`] or
    /// [`Error::Unsupported`] if the cluster does not know transactions yet; otherwise as
    /// [`Client::batch`]. If a condition does not hold, that is not an error: see [`TxnResult::succeeded`].
    pub async fn txn(&self, txn: Txn) -> Result<TxnResult, Error> {
        self.txn_named(txn, |_| {}).await
    }

    /// Carries out a transaction like [`Client::txn`], and passes the request id to `named` before it is
    /// sent under it: see [`Client::batch_named`].
    ///
    /// # Errors
    /// As [`Client::txn`].
    pub async fn txn_named(
        &self,
        txn: Txn,
        mut named: impl FnMut(RequestId) + Send,
    ) -> Result<TxnResult, Error> {
        let transaction = Arc::new(txn.into_transaction()?);
        // A placeholder: the id is drawn when the request is first sent.
        let unnamed = RequestId { client: ClientId(0), sequence: 0, after: Revision(0) };
        let request = Request::Transact { request: unnamed, transaction: Arc::clone(&transaction) };
        let call = Call::unnamed(&self.shared, request, self.timeout);
        let call = call.needing_quorum(self.needs_quorum).on_request_id(&mut named);
        match call.run().await? {
            (response, Request::Transact { request, .. }) => transacted(request, &transaction, response),
            _ => Err(Error::misfit()),
        }
    }

    /// Carries out a transaction under a request id from [`Client::new_request_id`] or an earlier attempt.
    /// It takes effect at most once per id. The reads of its steps are [`StepResult::NotRead`] if the history
    /// no longer reaches back to the first attempt.
    ///
    /// # Errors
    /// As [`Client::write`] and [`Client::txn`].
    pub async fn txn_again(&self, request: RequestId, txn: Txn) -> Result<TxnResult, Error> {
        let transaction = Arc::new(txn.into_transaction()?);
        let ask = Request::Transact { request, transaction: Arc::clone(&transaction) };
        transacted(request, &transaction, self.ask(ask).await?)
    }

    /// Adds a number to the one that a key has as its value, in decimal, and returns the sum. A key that
    /// does not exist counts as 0. Takes effect at most once, however often the client retries it.
    ///
    /// # Errors
    /// [`Error::TransactionFailed`] if the value is not a number, or the sum does not fit an `i64`;
    /// otherwise as [`Client::txn`].
    pub async fn add(&self, key: impl AsRef<[u8]>, by: i64) -> Result<i64, Error> {
        self.add_within(key, by, i64::MIN..=i64::MAX).await
    }

    /// As [`Client::add`], within bounds of the sum.
    ///
    /// # Errors
    /// As [`Client::add`]; also [`Error::TransactionFailed`] if the sum would be out of bounds.
    pub async fn add_within(
        &self,
        key: impl AsRef<[u8]>,
        by: i64,
        bounds: RangeInclusive<i64>,
    ) -> Result<i64, Error> {
        let done = self.txn(Txn::new().then(TxnStep::add_within(key, by, bounds))).await?;
        match done.results[..] {
            [StepResult::Added(sum)] => Ok(sum),
            _ => Err(Error::misfit()),
        }
    }

    /// Deletes all keys of a range, part by part, and returns how many there were. Others see the parts:
    /// [`TxnStep::delete_range`] deletes a short range at once.
    ///
    /// # Errors
    /// As [`Client::delete_part`]: some parts may have been deleted.
    pub async fn delete_range(&self, mut range: KeyRange) -> Result<u64, Error> {
        let mut count = 0;
        loop {
            let part = self.delete_part(range.clone()).await?;
            count += u64::from(part.count);
            let Some(rest) = part.rest else { return Ok(count) };
            range = KeyRange::between(rest, range.to());
        }
    }

    /// Deletes the first keys of a range, as many as fit a transaction. Delete the rest from
    /// [`DeletedPart::rest`] on.
    ///
    /// # Errors
    /// As [`Client::txn`].
    pub async fn delete_part(&self, range: KeyRange) -> Result<DeletedPart, Error> {
        let mut done = self.txn(Txn::new().then(TxnStep::delete_some(range, DELETED_KEYS_MAX))).await?;
        match done.results.pop() {
            Some(StepResult::RangeDeleted { count, rest }) => {
                Ok(DeletedPart { revision: done.revision, count, rest })
            }
            _ => Err(Error::misfit()),
        }
    }
}
