//! Metrics of the log writer.

use super::Histogram;

/// Changes per batch. An append of several entries is one change.
const CHANGES: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// Bytes of entries per batch.
const BYTES: [u64; 9] = [256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];

/// The writes of the log.
#[derive(Debug)]
pub struct LogMetrics {
    /// Durations of the syncs of its file.
    pub syncs: Histogram,
    /// Changes per write.
    pub batch_changes: Histogram,
    /// Bytes of entries per write.
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
