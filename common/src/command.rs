//! What is replicated: the commands in the log, and what became of them.
//!
//! These types are an on-disk format. They are encoded with postcard, whose
//! enums are numbered by the order of their variants: new ones go to the end,
//! none is ever removed or moved, and golden bytes in `tests/golden` hold it.

use serde::{Deserialize, Serialize};

use crate::{
    id::{Address, NodeId, NodeName, RequestId, Revision},
    key::{Key, Value},
    limits::{BATCH_BYTES_MAX, BATCH_CONDITIONS_MAX, BATCH_OPERATIONS_MAX},
};

/// One entry of the log, as the leader proposes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Names the write; `None` where applying it twice does no harm.
    pub request: Option<RequestId>,
    /// The leader's wall clock when it proposed, in milliseconds since 1970.
    /// Only ever shown to people: no rule depends on it.
    pub proposed_at_ms: u64,
    /// What to do.
    pub command: Command,
}

/// What an entry does to the state machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Changes keys.
    Batch(Batch),
    /// Lets a node in under a new [`NodeId`]: the index of this entry. A
    /// record of the same name is replaced.
    AdmitNode {
        /// The node's name.
        name: NodeName,
        /// Where it is reached.
        address: Address,
    },
    /// Notes what became of a node. Does nothing if `id` is not the one on record.
    SetNodeState {
        /// The node's name.
        name: NodeName,
        /// Which incarnation of it.
        id: NodeId,
        /// What it is now; `None` forgets it.
        standing: Option<MemberState>,
    },
}

/// Operations that take effect as one, if every condition holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Batch {
    /// All of these hold, or nothing is done.
    pub conditions: Vec<Condition>,
    /// Done in order, each seeing those before it.
    pub operations: Vec<Operation>,
}

/// Guards a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// The key was last changed at this revision.
    RevisionIs(Key, Revision),
    /// The key is not there.
    Absent(Key),
    /// The key is there.
    Present(Key),
}

/// Changes one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Gives the key a value.
    Set(Key, Value),
    /// Takes the key away, if it is there.
    Delete(Key),
}

/// What became of a command. Stored with the memory of requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The batch took effect.
    Applied {
        /// The index of its entry: the revision of each key that it set.
        revision: Revision,
        /// One for each operation, in order.
        effects: Vec<Effect>,
    },
    /// A condition did not hold; nothing was done.
    ConditionFalse {
        /// Which one, counted from 0.
        condition: u32,
        /// The revision of its key; `None` if the key is not there.
        actual: Option<Revision>,
    },
    /// Nothing was done now: the request is older than what is remembered,
    /// and may have been applied before.
    Forgotten {
        /// Requests up to this revision are no longer remembered.
        upto: Revision,
    },
    /// Nothing was done: the same request id came before with another command.
    RequestIdReused,
    /// The node was admitted.
    NodeAdmitted(NodeId),
    /// Whether the record on hand is the one meant, and says (or already said) so now.
    NodeStateSet(bool),
    /// Nothing was done: the cluster keeps no more records of nodes.
    TooManyNodes,
    /// An entry that carries no command.
    Nothing,
}

/// What one operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The revision of the key before; `None` if it was not there.
    pub previous: Option<Revision>,
}

/// What the cluster remembers of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// What Raft knows it by.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// Where it is reached.
    pub address: Address,
    /// What it is.
    pub standing: MemberState,
    /// When it became that, by the leader's clock, in milliseconds since 1970.
    pub since_ms: u64,
}

/// Whether a node belongs to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberState {
    /// Admitted, but not yet made a voter.
    Joining,
    /// A member.
    Member,
    /// Taken down by an operator; it may be booted again.
    Shutdown,
}

/// A key's value and history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it holds.
    pub value: Value,
    /// The revision that created it.
    pub created: Revision,
    /// The revision that last changed it.
    pub modified: Revision,
    /// How often it was set since it was created; the first time counts.
    pub version: u64,
}

/// Why a batch cannot be proposed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A batch does something.
    #[error("a batch needs at least one operation")]
    Empty,
    /// At most [`BATCH_OPERATIONS_MAX`].
    #[error("the batch has {0} operations, more than {BATCH_OPERATIONS_MAX}")]
    Operations(usize),
    /// At most [`BATCH_CONDITIONS_MAX`].
    #[error("the batch has {0} conditions, more than {BATCH_CONDITIONS_MAX}")]
    Conditions(usize),
    /// At most [`BATCH_BYTES_MAX`].
    #[error("the batch has {0} bytes of keys and values, more than {BATCH_BYTES_MAX}")]
    Bytes(usize),
}

impl Batch {
    /// A batch of one operation without conditions.
    pub fn of(operation: Operation) -> Self {
        Self { conditions: Vec::new(), operations: vec![operation] }
    }

    /// Adds a condition.
    pub fn when(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Checks the batch against the limits of the system.
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
    /// Bytes of keys and values, those of conditions included.
    pub fn bytes(&self) -> usize {
        self.conditions.iter().map(|c| c.key().as_str().len()).sum::<usize>()
            + self.operations.iter().map(Operation::bytes).sum::<usize>()
    }
}

impl Command {
    /// Bytes of keys, values, names and addresses: about its size in the log.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.bytes(),
            Self::AdmitNode { name, address } => name.as_str().len() + address.as_str().len(),
            Self::SetNodeState { name, .. } => name.as_str().len(),
        }
    }
}

impl Condition {
    /// The key that it looks at.
    pub fn key(&self) -> &Key {
        match self {
            Self::RevisionIs(key, _) | Self::Absent(key) | Self::Present(key) => key,
        }
    }
}

impl Operation {
    /// The key that it changes.
    pub fn key(&self) -> &Key {
        match self {
            Self::Set(key, _) | Self::Delete(key) => key,
        }
    }

    fn bytes(&self) -> usize {
        self.key().as_str().len()
            + match self {
                Self::Set(_, value) => value.as_bytes().len(),
                Self::Delete(_) => 0,
            }
    }
}

impl std::fmt::Display for Proposal {
    /// Names the command's kind: never its keys or values, which are the user's own.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.command {
            Command::Batch(batch) => write!(f, "batch of {}", batch.operations.len()),
            Command::AdmitNode { name, .. } => write!(f, "admit {name}"),
            Command::SetNodeState { name, id, standing } => write!(f, "mark {name} ({id}) {standing:?}"),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}
