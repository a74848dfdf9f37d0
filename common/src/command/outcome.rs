//! The outcomes of commands.

use serde::{Deserialize, Serialize};

use crate::{
    bounded::at_most,
    feature_level::FeatureLevel,
    id::{NodeId, Revision},
    limits::{BATCH_OPERATIONS_MAX, TRANSACTION_STEPS_MAX},
    transaction::{StepEffect, TransactionFailure, TransactionPart},
};

/// The outcome of a command. Stored in the request memory, to answer retries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum Outcome {
    /// The batch was applied.
    Applied {
        /// The index of its entry, which is the revision of each key that it set.
        revision: Revision,
        /// One effect per operation, in order.
        #[serde(deserialize_with = "at_most::<_, _, BATCH_OPERATIONS_MAX>")]
        effects: Vec<Effect>,
    },
    /// A condition did not hold; nothing was applied.
    ConditionFalse {
        /// The position of the condition, counted from 0.
        condition: u32,
        /// The revision of its key; `None` if the key does not exist.
        actual: Option<Revision>,
    },
    /// Not applied now: the request is older than the request memory, and may have been applied
    /// before.
    Forgotten {
        /// Requests up to this revision are no longer remembered.
        upto: Revision,
    },
    /// Not applied: the same request id was used before with another command.
    RequestIdReused,
    /// The node was admitted under this id.
    NodeAdmitted(NodeId),
    /// Whether the record exists under the given id, and has the given state or address now.
    NodeStateSet(bool),
    /// Not applied: the cluster has [`NODES_MAX`](crate::limits::NODES_MAX) records of nodes.
    TooManyNodes,
    /// The outcome of an entry without a command.
    Nothing,
    /// The revocation list of the CA that is recorded now.
    RevocationListSet {
        /// Its number.
        number: u64,
        /// Whether this command has recorded it.
        changed: bool,
    },
    /// The node was announced.
    NodeAnnounced,
    /// The feature level of the cluster.
    LevelRaised {
        /// The level that is recorded now.
        level: FeatureLevel,
        /// Whether this command has raised it.
        changed: bool,
    },
    /// The setting has the value that the command gave it. Whether that is another one than before.
    SettingChanged(bool),
    /// A part of the history was dropped.
    HistoryCompacted {
        /// The first revision at which the state can be read.
        floor: Revision,
        /// Whether this was all that the command is to drop; otherwise it must be repeated.
        done: bool,
    },
    /// The transaction took effect.
    Transacted {
        /// The index of its entry, which is the revision of each key that it set.
        revision: Revision,
        /// Whether all conditions held.
        then: bool,
        /// One effect per step of that branch, in order.
        #[serde(deserialize_with = "at_most::<_, _, TRANSACTION_STEPS_MAX>")]
        effects: Vec<StepEffect>,
    },
    /// The transaction failed at a part of it: nothing was applied.
    TransactionFailed {
        /// The part.
        part: TransactionPart,
        /// The reason.
        why: TransactionFailure,
    },
}

/// The effect of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The revision of the key before; `None` if it did not exist.
    pub previous: Option<Revision>,
}

crate::enveloped!(Outcome);

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}
