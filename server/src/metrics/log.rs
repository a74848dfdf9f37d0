//! Metrics of the log writer.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Counter, DurationMetrics, Histogram};

/// Changes per batch. An append of several entries is one change.
const CHANGES: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// Bytes of entries per batch.
const BYTES: [u64; 9] = [256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];

/// A sync that takes this long is slow: a write waits for one at a quorum.
pub const SLOW_SYNC: Duration = Duration::from_millis(100);

/// The writes of the log.
#[derive(Debug)]
pub struct LogMetrics {
    /// Durations of the syncs of its file.
    pub syncs: DurationMetrics,
    /// Syncs that took [`SLOW_SYNC`] or longer.
    pub slow_syncs: Counter,
    /// Changes per write.
    pub batch_changes: Histogram,
    /// Bytes of entries per write.
    pub batch_bytes: Histogram,
    /// When the sync in progress began.
    sync_began: Mutex<Option<Instant>>,
}

impl Default for LogMetrics {
    fn default() -> Self {
        Self {
            syncs: DurationMetrics::default(),
            slow_syncs: Counter::default(),
            batch_changes: Histogram::of_numbers(&CHANGES),
            batch_bytes: Histogram::of_numbers(&BYTES),
            sync_began: Mutex::default(),
        }
    }
}

impl LogMetrics {
    /// Measures a sync; one that fails is not counted.
    pub fn measure_sync<E>(&self, sync: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let began = Instant::now();
        *self.sync_began() = Some(began);
        let synced = sync();
        *self.sync_began() = None;
        synced?;
        let took = began.elapsed();
        self.syncs.observe(took);
        if took >= SLOW_SYNC {
            self.slow_syncs.increment();
        }
        Ok(())
    }

    /// Returns how long the sync in progress has taken so far.
    pub fn sync_in_progress(&self) -> Option<Duration> {
        self.sync_began().map(|began| began.elapsed())
    }

    fn sync_began(&self) -> MutexGuard<'_, Option<Instant>> {
        self.sync_began.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
