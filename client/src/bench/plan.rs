//! The load of a run.

use std::time::Duration;

use super::Keys;

/// The mix of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Writes only.
    Put,
    /// Reads of existing keys only.
    Get,
    /// Reads and writes, chosen at random.
    Mixed {
        /// Percentage of reads, 0 to 100.
        reads_percent: u8,
    },
}

impl Work {
    /// Returns whether it reads, so that the keys must be written first.
    pub fn reads(self) -> bool {
        !matches!(self, Self::Put | Self::Mixed { reads_percent: 0 })
    }
}

/// The load of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The mix of operations.
    pub work: Work,
    /// Maximum number of operations in flight; at least one.
    pub clients: usize,
    /// The keys and values to use.
    pub keys: Keys,
    /// Time before the measurement starts.
    pub warm_up: Duration,
    /// Duration of the measurement.
    pub duration: Duration,
    /// Operations due per second in total, evenly spaced (open loop), at least one;
    /// `None` if each client starts an operation when its last one ends (closed loop).
    pub rate: Option<u32>,
}
