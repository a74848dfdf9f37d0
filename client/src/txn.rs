//! Transactions, as a program writes them.

use bytes::Bytes;
use coffee_common::{
    command::Outcome,
    entry::Entry,
    id::{RequestId, Revision},
    key::{Key, KeyError, KeyRange, Value},
    protocol::Response,
    transaction::{Check, Relation, Step, StepEffect, StepRead, Transaction},
};

use crate::error::Error;

/// A transaction: steps that take effect together, chosen by conditions.
///
/// The conditions are evaluated on the state before it, and each step sees the effects of those before it.
/// A key or value that exceeds a limit is reported when the transaction is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Txn {
    transaction: Transaction,
    error: Option<KeyError>,
}

/// A step of a [`Txn`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct TxnStep(Result<Step, KeyError>);

/// A transaction that took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnResult {
    /// The request id under which it was sent.
    pub request: RequestId,
    /// Its revision, and that of each key that it set.
    pub revision: Revision,
    /// Whether all conditions held, so that the steps of [`Txn::then`] were taken.
    pub succeeded: bool,
    /// The result of each step that was taken, in order.
    pub results: Vec<StepResult>,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepResult {
    /// The key was set or deleted. The revision of the key before; `None` if it did not exist.
    Changed(Option<Revision>),
    /// Keys of the range were deleted.
    RangeDeleted {
        /// How many.
        count: u32,
        /// The first key that is left; `None` if there is none. Only with a limit.
        rest: Option<Key>,
    },
    /// A number was added. The sum.
    Added(i64),
    /// The key's entry; `None` if it does not exist.
    Entry(Option<Entry>),
    /// A page of keys.
    Page {
        /// The keys in order, with their entries; values are empty with [`TxnStep::keys`].
        entries: Vec<(Key, Entry)>,
        /// The last key that was looked at, if the range may continue after it.
        upto: Option<Key>,
    },
    /// The transaction took effect, but this was not read: the response had no room for it (a transaction
    /// reads up to 1 MiB), the time was over, or the history no longer reaches back to a retried
    /// transaction.
    NotRead,
}

/// A transaction that was read as a whole.
impl From<Transaction> for Txn {
    fn from(transaction: Transaction) -> Self {
        Self { transaction, error: None }
    }
}

impl Txn {
    /// Returns a transaction without conditions and steps.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition: the value of the key compares so with `value`. Does not hold if the key does not
    /// exist.
    pub fn when_value(self, key: impl AsRef<[u8]>, relation: Relation, value: impl Into<Bytes>) -> Self {
        let value = Value::new(value);
        self.when_key(key, |key| Ok(Check::Value(key, relation, value?)))
    }

    /// Adds a condition on the revision of the key's last change, which is 0 if the key does not exist.
    pub fn when_revision(self, key: impl AsRef<[u8]>, relation: Relation, revision: Revision) -> Self {
        self.when_key(key, |key| Ok(Check::Modified(key, relation, revision)))
    }

    /// Adds a condition on the revision that created the key, which is 0 if the key does not exist.
    pub fn when_created(self, key: impl AsRef<[u8]>, relation: Relation, revision: Revision) -> Self {
        self.when_key(key, |key| Ok(Check::Created(key, relation, revision)))
    }

    /// Adds a condition on the number of changes of the key since it was created, which is 0 if the key
    /// does not exist.
    pub fn when_version(self, key: impl AsRef<[u8]>, relation: Relation, version: u64) -> Self {
        self.when_key(key, |key| Ok(Check::Version(key, relation, version)))
    }

    /// Adds a condition: the key exists.
    pub fn when_present(self, key: impl AsRef<[u8]>) -> Self {
        self.when_key(key, |key| Ok(Check::Present(key)))
    }

    /// Adds a condition: the key does not exist.
    pub fn when_absent(self, key: impl AsRef<[u8]>) -> Self {
        self.when_key(key, |key| Ok(Check::Absent(key)))
    }

    /// Adds a condition: the last change of the key was its deletion at this revision. Does not hold once the
    /// history no longer has the deletion.
    pub fn when_deleted(self, key: impl AsRef<[u8]>, revision: Revision) -> Self {
        self.when_key(key, |key| Ok(Check::Deleted(key, revision)))
    }

    /// Adds a condition: no key of the range exists.
    pub fn when_empty(mut self, range: KeyRange) -> Self {
        self.transaction.conditions.push(Check::Empty(range));
        self
    }

    /// Adds a step that is taken if all conditions hold.
    pub fn then(mut self, step: TxnStep) -> Self {
        match step.0 {
            Ok(step) => self.transaction.then.push(step),
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Adds a step that is taken if a condition does not hold.
    pub fn otherwise(mut self, step: TxnStep) -> Self {
        match step.0 {
            Ok(step) => self.transaction.otherwise.push(step),
            Err(error) => self.error = Some(error),
        }
        self
    }

    fn when_key(mut self, key: impl AsRef<[u8]>, check: impl FnOnce(Key) -> Result<Check, KeyError>) -> Self {
        match Key::new(key).and_then(check) {
            Ok(check) => self.transaction.conditions.push(check),
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Checks it against the limits of the system.
    pub(crate) fn into_transaction(self) -> Result<Transaction, Error> {
        if let Some(error) = self.error {
            return Err(error.into());
        }
        self.transaction.check().map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(self.transaction)
    }
}

impl TxnStep {
    /// Reads a key: [`StepResult::Entry`].
    pub fn get(key: impl AsRef<[u8]>) -> Self {
        Self(Key::new(key).map(Step::Get))
    }

    /// Reads a page of keys, with their values: [`StepResult::Page`]. At most `limit` keys; 0 for as many as
    /// fit.
    pub fn range(range: KeyRange, limit: u32) -> Self {
        Self(Ok(Step::Range { range, limit, keys_only: false }))
    }

    /// As [`TxnStep::range`], without the values.
    pub fn keys(range: KeyRange, limit: u32) -> Self {
        Self(Ok(Step::Range { range, limit, keys_only: true }))
    }

    /// Sets a key: [`StepResult::Changed`].
    pub fn set(key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Self {
        Self(Key::new(key).and_then(|key| Ok(Step::Set(key, Value::new(value)?))))
    }

    /// Deletes a key, if it exists: [`StepResult::Changed`].
    pub fn delete(key: impl AsRef<[u8]>) -> Self {
        Self(Key::new(key).map(Step::Delete))
    }

    /// Deletes all keys of a range: [`StepResult::RangeDeleted`]. The transaction fails if there are more
    /// than one may delete (1,000 keys, with 512 KiB of short values).
    pub fn delete_range(range: KeyRange) -> Self {
        Self(Ok(Step::DeleteRange { range, limit: 0 }))
    }

    /// Deletes the first keys of a range, up to `limit`: [`StepResult::RangeDeleted`] says where the rest
    /// begins. Only one step of a transaction may have a limit.
    pub fn delete_some(range: KeyRange, limit: u32) -> Self {
        Self(Ok(Step::DeleteRange { range, limit: limit.max(1) }))
    }

    /// Adds a number to the one that a key has as its value, in decimal: [`StepResult::Added`]. A key that
    /// does not exist counts as 0. The transaction fails if the value is not a number, or the sum does not
    /// fit an `i64`.
    pub fn add(key: impl AsRef<[u8]>, by: i64) -> Self {
        Self::add_within(key, by, i64::MIN..=i64::MAX)
    }

    /// As [`TxnStep::add`]; the transaction also fails if the sum would be out of these bounds.
    pub fn add_within(key: impl AsRef<[u8]>, by: i64, bounds: std::ops::RangeInclusive<i64>) -> Self {
        let (min, max) = bounds.into_inner();
        Self(Key::new(key).map(|key| Step::Add { key, by, min, max }))
    }
}

/// Returns the result of a transaction.
pub(crate) fn transacted(
    request: RequestId,
    transaction: &Transaction,
    response: Response,
) -> Result<TxnResult, Error> {
    let misfit = || Error::Unknown {
        reason: "the node's response does not match the request".into(),
        request: Some(request),
    };
    let Response::Transacted { outcome, reads } = response else { return Err(misfit()) };
    match outcome {
        Outcome::Transacted { revision, then, effects } => {
            let steps = transaction.branch(then);
            if steps.len() != effects.len() {
                return Err(misfit());
            }
            let mut reads = reads.into_iter();
            let results = effects.into_iter().map(|effect| match effect {
                StepEffect::Changed(previous) => StepResult::Changed(previous),
                StepEffect::RangeDeleted { count, rest } => StepResult::RangeDeleted { count, rest },
                StepEffect::Added { sum, .. } => StepResult::Added(sum),
                StepEffect::Read => match reads.next() {
                    Some(StepRead::Entry(entry)) => StepResult::Entry(entry),
                    Some(StepRead::Page { entries, upto }) => StepResult::Page { entries, upto },
                    Some(StepRead::Omitted(_)) | None => StepResult::NotRead,
                },
            });
            Ok(TxnResult { request, revision, succeeded: then, results: results.collect() })
        }
        Outcome::TransactionFailed { part, why } => Err(Error::TransactionFailed { part, why }),
        Outcome::RequestIdReused => Err(Error::RequestIdReused),
        _ => Err(misfit()),
    }
}
