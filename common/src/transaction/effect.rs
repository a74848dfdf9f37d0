//! The effects of the steps of a transaction, and their reads.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::{Step, Transaction};
use crate::{bounded::at_most, entry::Entry, id::Revision, key::Key, limits::RANGE_KEYS_MAX};

/// The effect of a step. Reads are not stored: they are repeated for each answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum StepEffect {
    /// It only reads.
    Read,
    /// The key was set or deleted. The revision of the key before; `None` if it did not exist.
    Changed(Option<Revision>),
    /// Keys of the range were deleted.
    RangeDeleted {
        /// How many.
        count: u32,
        /// The first key that was not looked at; `None` if the range is empty now.
        rest: Option<Key>,
    },
    /// A number was added.
    Added {
        /// The sum.
        sum: i64,
        /// The revision of the key before; `None` if it did not exist.
        previous: Option<Revision>,
    },
}

/// The result of a step that only reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum StepRead {
    /// Of [`Step::Get`]: the key's entry; `None` if it does not exist.
    Entry(Option<Entry>),
    /// Of [`Step::Range`].
    Page {
        /// The keys in order, with their entries; values are empty if they were omitted.
        #[serde(deserialize_with = "at_most::<_, _, { RANGE_KEYS_MAX as usize }>")]
        entries: Vec<(Key, Entry)>,
        /// The last key that was looked at, if the range may continue after it.
        upto: Option<Key>,
    },
    /// It was not read, although the transaction took effect.
    Omitted(ReadOmission),
}

/// Why a step of a transaction that took effect has read nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadOmission {
    /// The response has no room for it.
    NoRoom,
    /// The time of the request was over.
    Late,
    /// The history does not reach back to the transaction: this is a late retry.
    Compacted,
}

/// A part of a transaction, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionPart {
    /// A condition.
    Condition(u32),
    /// A step of [`Transaction::then`].
    Then(u32),
    /// A step of [`Transaction::otherwise`].
    Otherwise(u32),
}

/// Why a transaction failed: nothing of it took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum TransactionFailure {
    /// The value of the key is not a number in decimal.
    NotANumber,
    /// The sum would be out of bounds. The number that is there.
    OutOfBounds(i64),
    /// The range has more keys, those that were deleted before included, than a transaction looks at.
    TooManyKeys,
    /// The values that are to be compared are too long together.
    ValuesTooLong,
}

crate::enveloped!(StepEffect, StepRead, TransactionFailure);
