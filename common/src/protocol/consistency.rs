//! How fresh a read must be.

use serde::{Deserialize, Serialize};

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Consistency {
    /// The read sees every write that was acknowledged before it began (Raft dissertation, section
    /// 6.4: ReadIndex).
    #[default]
    Linearizable,
    /// The read sees what the asked node has applied. It may be stale, and works without a quorum.
    Local,
}
