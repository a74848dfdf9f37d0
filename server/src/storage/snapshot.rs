//! Snapshots: a whole state on its way from one node to another.
//!
//! The sender's [`SnapshotSource`] is a point-in-time read of its state, cut into
//! chunks. The receiver's [`SnapshotSink`] writes them to a new database beside
//! its old one, which the state machine then installs. Both ends hold one chunk
//! at a time, and know nothing of the network between them.
//!
//! A snapshot is never stored: each transfer reads the current state.

mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod received;
mod sink;
mod source;

use coffee_common::feature_level::{FeatureLevel, LEVEL_MAX};
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
    format::FORMAT,
    received::ReceivedSnapshot,
    sink::{SnapshotInbox, SnapshotSink},
    source::{Chunks, Claim, SnapshotSource},
};

/// A snapshot as openraft passes it: its meta and the data.
pub type Snapshot = SnapshotOf<TypeConfig, SnapshotData>;

/// The data of a snapshot.
pub enum SnapshotData {
    /// This node's own state at one point in time.
    Source(SnapshotSource),
    /// A state that was received from another node.
    Received(ReceivedSnapshot),
}

impl SnapshotData {
    /// The last entry and the membership of the snapshot.
    pub fn meta(&self) -> &SnapshotMeta {
        match self {
            Self::Source(source) => source.meta(),
            Self::Received(received) => received.meta(),
        }
    }
}

/// Why a snapshot cannot be sent or received. The receiver keeps its state.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The sender's state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// A received row is damaged, or the new database failed.
    #[error("the received state is unusable: {0}")]
    Received(#[from] KvError),
    /// The meta of the received state cannot be read.
    #[error("the received state is unusable: {0}")]
    ReceivedMeta(#[from] StateErrorKind),
    /// The meta in the header cannot be decoded.
    #[error("the header of the snapshot is rejected: {0}")]
    Header(#[from] RecordError),
    /// A chunk does not hold what a sender sends.
    #[error("chunk {chunk} of the snapshot is rejected: {what}")]
    Malformed {
        /// The number of the chunk, counted from 0.
        chunk: u64,
        /// The check that failed.
        what: &'static str,
    },
    /// A newer version of coffeed sent it.
    #[error(
        "the snapshot was written by a newer version of coffeed (level {0}; this build knows {LEVEL_MAX})"
    )]
    Level(FeatureLevel),
    /// Another version of coffeed sent it.
    #[error("the snapshot has format {0}; this build knows format {known}", known = format::FORMAT)]
    Format(u8),
    /// Its parts contradict each other.
    #[error("the snapshot is rejected: {0}")]
    Contradiction(&'static str),
    /// It ended before its last chunk.
    #[error("the snapshot was cut off")]
    Truncated,
    /// A later snapshot replaced it.
    #[error("a later snapshot replaced it")]
    Superseded,
}
