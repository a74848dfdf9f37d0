//! Snapshots: a whole state on its way from one node to another.
//!
//! The sender's [`SnapshotSource`] is a point-in-time read of its state, cut
//! into chunks; the receiver's [`SnapshotSink`] makes a new database of them
//! beside its old one, which the state machine then installs. Both ends work
//! in bounded memory, a chunk at a time, and know nothing of the network that
//! carries the chunks between them.
//!
//! A snapshot is never stored: each transfer takes the state as it is then.

mod format;
mod received;
mod sink;
mod source;

use openraft::type_config::alias::SnapshotOf;

use crate::{
    kv::KvError,
    raft_types::{SnapshotMeta, TypeConfig},
    storage::{
        record::RecordError,
        state::{StateError, StateErrorKind},
    },
};

pub use self::{
    received::ReceivedSnapshot,
    sink::{SnapshotInbox, SnapshotSink},
    source::{Chunks, Claim, SnapshotSource},
};

/// A snapshot as openraft hands it around: its meta beside the data.
pub type Snapshot = SnapshotOf<TypeConfig, SnapshotData>;

/// The data of a snapshot.
pub enum SnapshotData {
    /// The own state at one point in time.
    Source(SnapshotSource),
    /// A state that came from another node.
    Received(ReceivedSnapshot),
}

impl SnapshotData {
    /// What the snapshot holds.
    pub fn meta(&self) -> &SnapshotMeta {
        match self {
            Self::Source(source) => source.meta(),
            Self::Received(received) => received.meta(),
        }
    }
}

/// Why a snapshot cannot be sent or received. Whoever receives it keeps the
/// state that it has.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The sender's own state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// A received row is damaged, or the received database fails.
    #[error("the received state is unusable: {0}")]
    Received(#[from] KvError),
    /// What the received state is cannot be read.
    #[error("the received state is unusable: {0}")]
    ReceivedMeta(#[from] StateErrorKind),
    /// What it says of itself cannot be read.
    #[error("the header of the snapshot is refused: {0}")]
    Header(#[from] RecordError),
    /// A chunk is not what a sender sends.
    #[error("chunk {chunk} of the snapshot is refused: {what}")]
    Malformed {
        /// Which chunk, counted from 0.
        chunk: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// Another version of coffeed sent it.
    #[error("the snapshot has format {0}; this build knows format {known}", known = format::FORMAT)]
    Format(u8),
    /// Its parts do not fit together.
    #[error("the snapshot is refused: {0}")]
    Contradiction(&'static str),
    /// It ended before its last chunk.
    #[error("the snapshot was cut off")]
    Truncated,
    /// Another snapshot began to come in.
    #[error("another snapshot took its place")]
    Superseded,
}
