//! What the writer of the log counts.

use super::Histogram;

/// Changes in one batch: an append of several entries is one.
const CHANGES: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// Bytes of entries in one batch.
const BYTES: [u64; 9] = [256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];

/// The writes of a log.
#[derive(Debug)]
pub struct LogMetrics {
    /// How long a sync of its file took.
    pub syncs: Histogram,
    /// How many changes went into one write.
    pub batch_changes: Histogram,
    /// How many bytes of entries did.
    pub batch_bytes: Histogram,
}

impl Default for LogMetrics {
    fn default() -> Self {
        Self {
            syncs: Histogram::of_durations(),
            batch_changes: Histogram::of_numbers(&CHANGES),
            batch_bytes: Histogram::of_numbers(&BYTES),
        }
    }
}
