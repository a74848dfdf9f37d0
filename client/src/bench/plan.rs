//! What a run does.

use std::time::Duration;

use super::Keys;

/// Which operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Writes.
    Put,
    /// Reads of keys that are there.
    Get,
    /// Both, chosen at random: so many reads in a hundred.
    Mixed {
        /// 0 to 100.
        reads_percent: u8,
    },
}

impl Work {
    /// Whether it reads, so that the keys have to be there first.
    pub fn reads(self) -> bool {
        !matches!(self, Self::Put | Self::Mixed { reads_percent: 0 })
    }
}

/// What a run does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which operations.
    pub work: Work,
    /// How many operations are in flight at most; at least one.
    pub clients: usize,
    /// Which keys, and which values.
    pub keys: Keys,
    /// How long to run before anything counts.
    pub warm_up: Duration,
    /// How long to measure.
    pub duration: Duration,
    /// How many operations are due a second in all, evenly spaced (open
    /// loop), at least one; `None` if each client begins an operation where
    /// its last one ended (closed loop).
    pub rate: Option<u32>,
}
