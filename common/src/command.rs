//! Replicated commands and their outcomes.
//!
//! These types are an on-disk format, and every replica computes the same from them: they change by
//! the rule of [`crate::envelope`]. Golden bytes in `tests/golden` guard this.

mod outcome;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::outcome::{Effect, Outcome};
use crate::{
    bounded::at_most,
    feature_level::{FeatureLevel, HISTORY, LEVEL_MIN},
    history_limit::HistoryLimit,
    id::{Address, NodeId, NodeName, RequestId, Revision},
    key::{Key, Value},
    limits::{BATCH_BYTES_MAX, BATCH_CONDITIONS_MAX, BATCH_OPERATIONS_MAX},
    revocation_list::RevocationList,
    setting::SettingChange,
    text,
    transaction::Transaction,
};

/// The payload of a log entry, as the leader proposes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Identifies the write; `None` if applying it twice does no harm.
    pub request: Option<RequestId>,
    /// The leader's wall clock at the time of the proposal, in milliseconds since 1970. Only shown
    /// to people: no rule depends on it.
    pub proposed_at_ms: u64,
    /// The command to apply.
    pub command: Command,
    /// The role and the name of the client that asked for it, such as `writer till`; empty if that is
    /// not known. Recorded with the changes of keys.
    #[serde(deserialize_with = "text::word")]
    pub author: String,
}

/// A change of the state machine, as a log entry holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum Command {
    /// Writes keys. Shared: the log, replication and the request each keep it, and it may be large.
    Batch(#[serde(with = "shared")] Arc<Batch>),
    /// Admits a node under a new [`NodeId`], the index of this entry. Replaces a record of the same
    /// name.
    AdmitNode {
        /// The node's name.
        name: NodeName,
        /// The address at which it is reached.
        address: Address,
    },
    /// Sets the recorded state of a node. Does nothing if `id` is not the one on record.
    SetNodeState {
        /// The node's name.
        name: NodeName,
        /// The incarnation of the node.
        id: NodeId,
        /// The new state; `None` deletes the record.
        standing: Option<MemberState>,
    },
    /// Sets the recorded address of a node. Does nothing if `id` is not the one on record.
    SetNodeAddress {
        /// The node's name.
        name: NodeName,
        /// The incarnation of the node.
        id: NodeId,
        /// The address at which it is reached.
        address: Address,
    },
    /// Records the revocation list of a CA. Does nothing unless its number is higher than that of the
    /// recorded one. The leader has verified it.
    SetRevocationList(RevocationList),
    /// Announces a node that may be admitted. Replaces a record of the same name.
    AnnounceNode {
        /// The node's name.
        name: NodeName,
        /// The address at which it is expected.
        address: Address,
    },
    /// Raises the feature level of the cluster. Does nothing unless it is the level after the
    /// present one.
    RaiseLevel(FeatureLevel),
    /// Changes a setting of the cluster. The leader has judged it.
    ChangeSetting(SettingChange),
    /// Drops the oldest part of the history, a bounded number of rows each time it is applied.
    CompactHistory(HistoryLimit),
    /// Reads and writes keys, as conditions choose. Shared, as a batch.
    Transaction(#[serde(with = "shared")] Arc<Transaction>),
    /// Writes the record of a node again.
    #[cfg(coffee_future)]
    FutureTouch(NodeName),
}

/// Operations that are applied atomically if every condition holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Batch {
    /// Nothing is applied unless all of these hold.
    #[serde(deserialize_with = "at_most::<_, _, BATCH_CONDITIONS_MAX>")]
    pub conditions: Vec<Condition>,
    /// Applied in order; each sees the effect of those before it.
    #[serde(deserialize_with = "at_most::<_, _, BATCH_OPERATIONS_MAX>")]
    pub operations: Vec<Operation>,
}

/// A precondition of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// The key was last modified at this revision.
    RevisionIs(Key, Revision),
    /// The key does not exist.
    Absent(Key),
    /// The key exists.
    Present(Key),
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Sets the key to a value.
    Set(Key, Value),
    /// Deletes the key, if it exists.
    Delete(Key),
}

crate::enveloped!(Command, NodeRecord);

/// The cluster's record of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct NodeRecord {
    /// The node's id in Raft; that of no node as long as it is only announced.
    pub id: NodeId,
    /// The node's name.
    pub name: NodeName,
    /// The address at which it is reached.
    pub address: Address,
    /// Its state in the cluster.
    pub standing: MemberState,
    /// When it entered this state, by the leader's clock, in milliseconds since 1970.
    pub since_ms: u64,
}

/// The state of a node in the cluster, as the cluster records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberState {
    /// Admitted, but not yet a voter.
    Joining,
    /// A voter.
    Member,
    /// Shut down by an operator; it can be booted again.
    Shutdown,
    /// Announced by an operator: a node of this name may be admitted.
    Announced,
}

/// Why a batch is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// It has no operation.
    #[error("a batch needs at least one operation")]
    Empty,
    /// It has more than [`BATCH_OPERATIONS_MAX`] operations.
    #[error("the batch has {0} operations, more than {BATCH_OPERATIONS_MAX}")]
    Operations(usize),
    /// It has more than [`BATCH_CONDITIONS_MAX`] conditions.
    #[error("the batch has {0} conditions, more than {BATCH_CONDITIONS_MAX}")]
    Conditions(usize),
    /// It has more than [`BATCH_BYTES_MAX`] bytes of keys and values.
    #[error("the batch has {0} bytes of keys and values, more than {BATCH_BYTES_MAX}")]
    Bytes(usize),
}

impl Batch {
    /// Creates a batch of one operation without conditions.
    pub fn of(operation: Operation) -> Self {
        Self { conditions: Vec::new(), operations: vec![operation] }
    }

    /// Adds a condition.
    pub fn when(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Checks the batch against the limits of the system.
    ///
    /// # Errors
    /// The batch is empty, or exceeds a limit on operations, conditions or bytes.
    pub fn check(&self) -> Result<(), BatchError> {
        let bytes = self.bytes();
        match (self.operations.len(), self.conditions.len()) {
            (0, _) => Err(BatchError::Empty),
            (n, _) if n > BATCH_OPERATIONS_MAX => Err(BatchError::Operations(n)),
            (_, n) if n > BATCH_CONDITIONS_MAX => Err(BatchError::Conditions(n)),
            _ if bytes > BATCH_BYTES_MAX => Err(BatchError::Bytes(bytes)),
            _ => Ok(()),
        }
    }
}

impl Batch {
    /// The keys that it reads or writes; one may occur more than once.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.conditions.iter().map(Condition::key).chain(self.operations.iter().map(Operation::key))
    }

    /// Whether it may add data: a batch of deletes does not.
    pub fn adds_data(&self) -> bool {
        self.operations.iter().any(|operation| matches!(operation, Operation::Set(..)))
    }

    /// Returns the lowest feature level at which it may be proposed.
    fn level(&self) -> FeatureLevel {
        let values = self.operations.iter().map(|operation| match operation {
            Operation::Set(_, value) => value.level(),
            Operation::Delete(_) => LEVEL_MIN,
        });
        self.keys().map(Key::level).chain(values).max().unwrap_or(LEVEL_MIN)
    }

    /// Returns the bytes of keys and values, including the keys of conditions.
    pub fn bytes(&self) -> usize {
        self.conditions.iter().map(|c| c.key().as_bytes().len()).sum::<usize>()
            + self.operations.iter().map(Operation::bytes).sum::<usize>()
    }
}

impl Command {
    /// Returns the lowest feature level at which it may be proposed.
    pub fn level(&self) -> FeatureLevel {
        match self {
            Self::Batch(batch) => batch.level(),
            Self::AdmitNode { .. }
            | Self::SetNodeState { .. }
            | Self::SetNodeAddress { .. }
            | Self::SetRevocationList(_)
            | Self::AnnounceNode { .. }
            | Self::RaiseLevel(_) => LEVEL_MIN,
            Self::ChangeSetting(change) => change.name().level(),
            Self::CompactHistory(_) | Self::Transaction(_) => HISTORY,
            #[cfg(coffee_future)]
            Self::FutureTouch(_) => crate::feature_level::FUTURE.level,
        }
    }

    /// Returns the bytes of keys, values, names and addresses: about the size of its log entry.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.bytes(),
            Self::AdmitNode { name, address }
            | Self::SetNodeAddress { name, address, .. }
            | Self::AnnounceNode { name, address } => name.as_str().len() + address.as_str().len(),
            Self::SetNodeState { name, .. } => name.as_str().len(),
            Self::SetRevocationList(list) => list.bytes(),
            Self::RaiseLevel(_) => size_of::<FeatureLevel>(),
            Self::ChangeSetting(_) => size_of::<SettingChange>(),
            Self::CompactHistory(_) => size_of::<HistoryLimit>(),
            Self::Transaction(transaction) => transaction.bytes(),
            #[cfg(coffee_future)]
            Self::FutureTouch(name) => name.as_str().len(),
        }
    }
}

impl Command {
    /// Returns about how many bytes are moved when it is applied.
    pub fn cost(&self) -> usize {
        match self {
            Self::Transaction(transaction) => transaction.cost(),
            other => other.bytes(),
        }
    }
}

impl Condition {
    /// Returns the key that it checks.
    pub fn key(&self) -> &Key {
        match self {
            Self::RevisionIs(key, _) | Self::Absent(key) | Self::Present(key) => key,
        }
    }
}

impl Operation {
    /// Returns the key that it changes.
    pub fn key(&self) -> &Key {
        match self {
            Self::Set(key, _) | Self::Delete(key) => key,
        }
    }

    fn bytes(&self) -> usize {
        self.key().as_bytes().len()
            + match self {
                Self::Set(_, value) => value.as_bytes().len(),
                Self::Delete(_) => 0,
            }
    }
}

impl std::fmt::Display for Proposal {
    /// Prints the command's kind, never its keys or values, which belong to the user.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.command {
            Command::Batch(batch) => write!(f, "batch of {}", batch.operations.len()),
            Command::AdmitNode { name, .. } => write!(f, "admit {name}"),
            Command::SetNodeState { name, id, standing } => {
                write!(f, "set state of {name} ({id}) to {standing:?}")
            }
            Command::SetNodeAddress { name, id, .. } => write!(f, "set address of {name} ({id})"),
            Command::SetRevocationList(list) => write!(f, "set revocation list {}", list.number),
            Command::AnnounceNode { name, .. } => write!(f, "announce {name}"),
            Command::RaiseLevel(level) => write!(f, "raise the feature level to {level}"),
            Command::ChangeSetting(change) => write!(f, "change setting {change}"),
            Command::CompactHistory(limit) => write!(f, "compact the history: {limit:?}"),
            Command::Transaction(transaction) => {
                let (then, otherwise) = (transaction.then.len(), transaction.otherwise.len());
                write!(f, "transaction of {then} or {otherwise} steps")
            }
            #[cfg(coffee_future)]
            Command::FutureTouch(name) => write!(f, "touch {name}"),
        }
    }
}

/// Encodes a shared value as the value alone: serde does so only with a feature for all crates.
pub(crate) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        T::serialize(value, serializer)
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{PLAIN_VALUE_BYTES_MAX, VALUE_BYTES_MAX};

    #[test]
    fn keys_of_bytes_and_large_values_need_the_level_of_the_history() {
        let key = |bytes: &[u8]| Key::new(bytes).expect("a legal key");
        let set =
            |bytes: usize| Operation::Set(key(b"a"), Value::new(vec![0; bytes]).expect("a legal value"));
        let raw = key(b"a\xff");
        let batch = |conditions, operations| Command::Batch(Batch { conditions, operations }.into());
        for (command, level) in [
            (batch(vec![], vec![set(PLAIN_VALUE_BYTES_MAX)]), LEVEL_MIN),
            (batch(vec![], vec![set(1), set(PLAIN_VALUE_BYTES_MAX + 1)]), HISTORY),
            (batch(vec![], vec![set(VALUE_BYTES_MAX)]), HISTORY),
            (batch(vec![], vec![Operation::Delete(key("é".as_bytes()))]), LEVEL_MIN),
            (batch(vec![], vec![Operation::Delete(raw.clone())]), HISTORY),
            (batch(vec![], vec![Operation::Delete(key(b"a\0"))]), HISTORY),
            (batch(vec![Condition::Absent(raw)], vec![set(1)]), HISTORY),
        ] {
            assert_eq!(command.level(), level, "{command:?}");
        }
    }
}
