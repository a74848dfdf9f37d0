//! Transactions: steps that take effect together, chosen by conditions.
//!
//! Parts of a command and of its outcome: they change by the rule of [`crate::envelope`].

mod effect;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

pub use self::effect::{ReadOmission, StepEffect, StepRead, TransactionFailure, TransactionPart};
use crate::{
    bounded::at_most,
    id::Revision,
    key::{Key, KeyError, KeyRange, Value},
    limits::{
        BATCH_BYTES_MAX, DELETED_BYTES, TRANSACTION_CONDITIONS_MAX, TRANSACTION_RANGES_MAX,
        TRANSACTION_STEPS_MAX,
    },
};

/// Steps that take effect together: `then` if all conditions hold, `otherwise` if one does not. All are
/// evaluated on the state before it; each step sees the effects of those before it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Transaction {
    /// The conditions. Without any, all hold.
    #[serde(deserialize_with = "at_most::<_, _, TRANSACTION_CONDITIONS_MAX>")]
    pub conditions: Vec<Check>,
    /// The steps if all conditions hold.
    #[serde(deserialize_with = "at_most::<_, _, TRANSACTION_STEPS_MAX>")]
    pub then: Vec<Step>,
    /// The steps if a condition does not hold.
    #[serde(deserialize_with = "at_most::<_, _, TRANSACTION_STEPS_MAX>")]
    pub otherwise: Vec<Step>,
}

/// A condition of a transaction. The revisions and the version of a key that does not exist are 0, and no
/// condition on its value holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum Check {
    /// Compares the value of a key. Values are ordered by their bytes.
    Value(Key, Relation, Value),
    /// Compares the revision of the last change of a key.
    Modified(Key, Relation, Revision),
    /// Compares the revision that created a key.
    Created(Key, Relation, Revision),
    /// Compares the number of changes of a key since it was created.
    Version(Key, Relation, u64),
    /// The key exists.
    Present(Key),
    /// The key does not exist.
    Absent(Key),
    /// No key of the range exists.
    Empty(KeyRange),
    /// The last change of the key was its deletion at this revision, and the history still has it.
    Deleted(Key, Revision),
}

/// How what is there compares with what a condition names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relation {
    /// It is the same.
    Equal,
    /// It is another one.
    NotEqual,
    /// It is less.
    Less,
    /// It is greater.
    Greater,
}

/// A step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum Step {
    /// Reads a key.
    Get(Key),
    /// Reads a page of keys.
    Range {
        /// The keys to read.
        range: KeyRange,
        /// The maximum number of keys; 0 means as many as fit a page.
        limit: u32,
        /// Omits the values.
        keys_only: bool,
    },
    /// Sets a key to a value.
    Set(Key, Value),
    /// Deletes a key, if it exists.
    Delete(Key),
    /// Deletes the keys of a range.
    DeleteRange {
        /// The keys to delete.
        range: KeyRange,
        /// The maximum number of keys: the effect says where the rest begins. 0 means all; the transaction
        /// fails if there are more than one may delete. At most one step of a transaction has a limit.
        limit: u32,
    },
    /// Adds a number to the one that a key has as its value, in decimal; a key that does not exist counts
    /// as 0. The transaction fails if the value is not a number, or the sum is out of bounds.
    Add {
        /// The key.
        key: Key,
        /// The number to add.
        by: i64,
        /// The lowest sum that is allowed.
        min: i64,
        /// The highest sum that is allowed.
        max: i64,
    },
}

crate::enveloped!(Check, Step);

/// Why a transaction is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// It has no step.
    #[error("a transaction needs at least one step")]
    Empty,
    /// It has too many conditions.
    #[error("the transaction has {0} conditions, more than {TRANSACTION_CONDITIONS_MAX}")]
    Conditions(usize),
    /// It has too many steps.
    #[error("the transaction has {0} steps, more than {TRANSACTION_STEPS_MAX}")]
    Steps(usize),
    /// It has too many bytes of keys and values.
    #[error("the transaction has {0} bytes of keys and values, more than {BATCH_BYTES_MAX}")]
    Bytes(usize),
    /// It looks through too many ranges.
    #[error("the transaction looks through {0} ranges, more than {TRANSACTION_RANGES_MAX}")]
    Ranges(usize),
    /// Several ranges are to be deleted in part.
    #[error("only one range of a transaction can be deleted with a limit")]
    Limits,
    /// The bounds of a sum exclude each other.
    #[error("the lowest sum, {min}, is above the highest one, {max}")]
    Bounds {
        /// The lower bound.
        min: i64,
        /// The upper bound.
        max: i64,
    },
    /// A bound of a range is too long.
    #[error(transparent)]
    Range(#[from] KeyError),
}

impl Transaction {
    /// Checks the transaction against the limits of the system.
    ///
    /// # Errors
    /// It has no step, or exceeds a limit.
    pub fn check(&self) -> Result<(), TransactionError> {
        let (conditions, bytes) = (self.conditions.len(), self.bytes());
        let most = self.then.len().max(self.otherwise.len());
        if most == 0 {
            return Err(TransactionError::Empty);
        }
        if conditions > TRANSACTION_CONDITIONS_MAX {
            return Err(TransactionError::Conditions(conditions));
        }
        if most > TRANSACTION_STEPS_MAX {
            return Err(TransactionError::Steps(most));
        }
        if bytes > BATCH_BYTES_MAX {
            return Err(TransactionError::Bytes(bytes));
        }
        let limited = |step: &&Step| matches!(step, Step::DeleteRange { limit: 1.., .. });
        if self.then.iter().filter(limited).count() > 1 || self.otherwise.iter().filter(limited).count() > 1 {
            return Err(TransactionError::Limits);
        }
        let emptied =
            |steps: &[Step]| steps.iter().filter(|step| matches!(step, Step::DeleteRange { .. })).count();
        let empty = self.conditions.iter().filter(|check| matches!(check, Check::Empty(_))).count();
        let ranges = empty.max(emptied(&self.then)).max(emptied(&self.otherwise));
        if ranges > TRANSACTION_RANGES_MAX {
            return Err(TransactionError::Ranges(ranges));
        }
        self.ranges().try_for_each(KeyRange::check)?;
        self.steps().try_for_each(|step| match *step {
            Step::Add { min, max, .. } if min > max => Err(TransactionError::Bounds { min, max }),
            _ => Ok(()),
        })
    }

    /// The steps that are taken: `then` says whether all conditions hold.
    pub fn branch(&self, then: bool) -> &[Step] {
        if then { &self.then } else { &self.otherwise }
    }

    /// All steps, of both branches.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.then.iter().chain(&self.otherwise)
    }

    /// The keys that it names; one may occur more than once.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.conditions.iter().filter_map(Check::key).chain(self.steps().filter_map(Step::key))
    }

    /// The ranges that it reads or deletes.
    pub fn ranges(&self) -> impl Iterator<Item = &KeyRange> {
        self.conditions.iter().filter_map(Check::range).chain(self.steps().filter_map(Step::range))
    }

    /// Whether it may add data.
    pub fn adds_data(&self) -> bool {
        self.steps().any(|step| matches!(step, Step::Set(..) | Step::Add { .. }))
    }

    /// Returns about how many bytes are moved when it is applied.
    pub fn cost(&self) -> usize {
        let reads_more = |check: &Check| {
            matches!(check, Check::Empty(_) | Check::Value(_, Relation::Less | Relation::Greater, _))
        };
        let looks_through = self.conditions.iter().any(reads_more)
            || self.steps().any(|step| matches!(step, Step::DeleteRange { .. }));
        self.bytes() + if looks_through { DELETED_BYTES } else { 0 }
    }

    /// Returns the bytes of keys, values and bounds of ranges.
    pub fn bytes(&self) -> usize {
        let keys = self.keys().map(|key| key.as_bytes().len());
        let bounds = self.ranges().map(|range| range.from().len() + range.to().map_or(0, <[u8]>::len));
        let conditions = self.conditions.iter().map(|check| match check {
            Check::Value(_, _, value) => value.as_bytes().len(),
            _ => 0,
        });
        let steps = self.steps().map(|step| match step {
            Step::Set(_, value) => value.as_bytes().len(),
            _ => 0,
        });
        keys.sum::<usize>() + bounds.sum::<usize>() + conditions.sum::<usize>() + steps.sum::<usize>()
    }
}

impl Check {
    fn key(&self) -> Option<&Key> {
        match self {
            Self::Value(key, ..)
            | Self::Modified(key, ..)
            | Self::Created(key, ..)
            | Self::Version(key, ..)
            | Self::Present(key)
            | Self::Absent(key)
            | Self::Deleted(key, _) => Some(key),
            Self::Empty(_) => None,
        }
    }

    fn range(&self) -> Option<&KeyRange> {
        match self {
            Self::Empty(range) => Some(range),
            _ => None,
        }
    }
}

impl Relation {
    /// Whether what is there compares so with what a condition names; `order` is that of the two.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::Greater => order.is_gt(),
        }
    }
}

impl Step {
    /// The key that it reads or changes; `None` if it names a range.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Get(key) | Self::Set(key, _) | Self::Delete(key) | Self::Add { key, .. } => Some(key),
            Self::Range { .. } | Self::DeleteRange { .. } => None,
        }
    }

    fn range(&self) -> Option<&KeyRange> {
        match self {
            Self::Range { range, .. } | Self::DeleteRange { range, .. } => Some(range),
            _ => None,
        }
    }

    /// Whether it only reads.
    pub fn reads(&self) -> bool {
        matches!(self, Self::Get(_) | Self::Range { .. })
    }
}

#[cfg(test)]
mod tests;
