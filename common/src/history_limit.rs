//! Which part of the history is kept. A part of a command: it changes by the same rule.

use serde::{Deserialize, Serialize};

use crate::id::Revision;

/// A limit of the history: older changes are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum HistoryLimit {
    /// Changes up to this revision are dropped: the state at earlier ones cannot be read any more.
    Upto(Revision),
    /// The oldest changes are dropped until at most as many bytes and changes are left.
    Size {
        /// Bytes of changes and of earlier values.
        bytes: u64,
        /// Changes of keys.
        changes: u64,
    },
}

crate::enveloped!(HistoryLimit);
