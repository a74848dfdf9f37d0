//! Durations of the last minute, by second.
//!
//! A histogram counts since the start of the process; an operator asks about now. Here one more
//! atomic addition per value counts in fine buckets, and the monitor copies them once a second.
//! Quantiles are exact to 1/16.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Histogram, HistogramSnapshot};

/// Durations up to 1 microsecond (2^10 ns) share the first bucket, those above a minute (2^36 ns)
/// the last eight. Each power of two between has eight.
const EXPONENT_MIN: u32 = 10;
const EXPONENT_MAX: u32 = 36;
const BUCKETS: usize = 8 * (EXPONENT_MAX - EXPONENT_MIN + 1) as usize;

/// The seconds that are kept.
pub const RECENT_SECONDS: usize = 60;

/// The seconds that a percentile of now covers.
pub const PERCENTILE_SECONDS: usize = 10;

type BucketCounts = [u32; BUCKETS];

/// Durations since the start, and those of the last minute.
#[derive(Debug)]
pub struct DurationMetrics {
    all: Histogram,
    recent: RecentDurations,
}

impl Default for DurationMetrics {
    fn default() -> Self {
        Self { all: Histogram::of_durations(), recent: RecentDurations::default() }
    }
}

impl DurationMetrics {
    /// Counts a duration.
    pub fn observe(&self, duration: Duration) {
        self.all.observe_duration(duration);
        self.recent.observe(duration);
    }

    /// Returns the durations since the start.
    pub fn read(&self) -> HistogramSnapshot {
        self.all.read()
    }

    /// The durations of the last minute.
    pub fn recent(&self) -> &RecentDurations {
        &self.recent
    }
}

/// Durations of the last minute.
#[derive(Debug)]
pub struct RecentDurations {
    counts: [AtomicU32; BUCKETS],
    /// The longest one since the last second began, in nanoseconds.
    longest: AtomicU64,
    /// The counts at the end of the last seconds, the oldest first.
    seconds: Mutex<VecDeque<Box<BucketCounts>>>,
}

impl Default for RecentDurations {
    fn default() -> Self {
        let counts = [const { AtomicU32::new(0) }; BUCKETS];
        Self { counts, longest: AtomicU64::new(0), seconds: Mutex::default() }
    }
}

impl RecentDurations {
    /// Counts a duration.
    pub fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(nanos)].fetch_add(1, Ordering::Relaxed);
        self.longest.fetch_max(nanos, Ordering::Relaxed);
    }

    /// Ends a second. Returns the longest duration in it; zero if there was none.
    pub fn end_second(&self) -> Duration {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        if seconds.len() > RECENT_SECONDS {
            seconds.pop_front();
        }
        seconds.push_back(Box::new(self.counts()));
        Duration::from_nanos(self.longest.swap(0, Ordering::Relaxed))
    }

    /// Returns the duration that this share (0 to 1) of those in the last `seconds` and in the present
    /// second did not exceed; `None` if there were none.
    pub fn quantile(&self, share: f64, seconds: usize) -> Option<Duration> {
        let now = self.counts();
        let before = {
            let kept = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
            kept.len().checked_sub(seconds + 1).map_or_else(|| Box::new([0; BUCKETS]), |at| kept[at].clone())
        };
        let counts = now.iter().zip(before.iter()).map(|(now, before)| u64::from(now.wrapping_sub(*before)));
        let rank = ((counts.clone().sum::<u64>() as f64 * share).ceil() as u64).max(1);
        let mut upto = 0;
        let bucket = counts.enumerate().find(|(_, count)| {
            upto += count;
            upto >= rank
        });
        bucket.map(|(bucket, _)| middle_of(bucket))
    }

    fn counts(&self) -> BucketCounts {
        std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed))
    }
}

fn bucket_of(nanos: u64) -> usize {
    let nanos = nanos.clamp(1 << EXPONENT_MIN, (1 << (EXPONENT_MAX + 1)) - 1);
    let exponent = nanos.ilog2();
    let eighth = (nanos >> (exponent - 3)) & 7;
    ((exponent - EXPONENT_MIN) * 8) as usize + eighth as usize
}

fn middle_of(bucket: usize) -> Duration {
    let shift = (bucket / 8) as u32 + EXPONENT_MIN - 3;
    let eighths = 8 + (bucket % 8) as u64;
    Duration::from_nanos((eighths << shift) + (1 << shift >> 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_bucket_is_exact_to_a_sixteenth() {
        for nanos in [1_u64 << 10, 1_500, 999_999, 1_000_000, 310_000_000, 7_000_000_000, (1 << 37) - 1] {
            let middle = middle_of(bucket_of(nanos)).as_nanos() as u64;
            assert!(middle.abs_diff(nanos) <= nanos / 16, "{nanos}: {middle}");
        }
        assert_eq!((bucket_of(0), bucket_of(u64::MAX)), (0, BUCKETS - 1));
    }

    #[test]
    fn only_the_last_seconds_count() {
        let recent = RecentDurations::default();
        assert_eq!(recent.quantile(0.5, 10), None);
        (0..98).for_each(|_| recent.observe(ms(1)));
        (0..2).for_each(|_| recent.observe(ms(310)));
        let close = |found: Option<Duration>, to: Duration| {
            let found = found.expect("there are some");
            assert!(found.abs_diff(to) <= to / 16, "{found:?}");
        };
        close(recent.quantile(0.5, 10), ms(1));
        close(recent.quantile(0.99, 10), ms(310));
        assert_eq!(recent.end_second(), ms(310));
        recent.observe(ms(20));
        close(recent.quantile(0.99, 0), ms(20));
        close(recent.quantile(0.5, 1), ms(1));
        assert_eq!(recent.end_second(), ms(20));
        for _ in 0..9 {
            assert_eq!(recent.end_second(), Duration::ZERO);
        }
        assert_eq!(recent.quantile(0.5, 9), None);
        close(recent.quantile(0.5, 10), ms(20));
        for _ in 0..=RECENT_SECONDS {
            recent.end_second();
        }
        assert_eq!(recent.quantile(0.5, RECENT_SECONDS), None);
    }
}
