//! The activity of a node in the last 15 minutes, in samples of 5 s. For its status page.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::HistogramSnapshot;

/// The time that a sample covers.
pub const SAMPLE_SECONDS: u32 = 5;

/// The samples that are kept: those of 15 minutes.
pub const SAMPLES_MAX: usize = 180;

/// The activity of a node in [`SAMPLE_SECONDS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ActivitySample {
    /// Writes and transactions of clients that this node answered.
    pub writes: u64,
    /// Reads of clients that this node answered.
    pub reads: u64,
    /// Leaders that this node saw come into office.
    pub elections: u64,
    /// The 99th percentile of the durations of these writes; `None` if there were none.
    pub write_p99: Option<Duration>,
    /// The 99th percentile of the log's syncs; `None` if there were none.
    pub sync_p99: Option<Duration>,
}

/// The last samples of a node.
#[derive(Debug, Default)]
pub struct RecentActivity(Mutex<VecDeque<ActivitySample>>);

impl RecentActivity {
    /// Adds a sample, and forgets the oldest one if there are too many.
    pub fn add(&self, sample: ActivitySample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// Returns the samples, the oldest first.
    pub fn read(&self) -> Vec<ActivitySample> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

/// Returns the duration that this share (0 to 1) of the values between two readings of a histogram of
/// durations did not exceed, interpolated within its bucket as Prometheus does; `None` if there were none.
/// Durations above the last bound count as that.
pub fn quantile_between(
    before: &HistogramSnapshot,
    after: &HistogramSnapshot,
    share: f64,
) -> Option<Duration> {
    let count = after.count.checked_sub(before.count).filter(|count| *count > 0)? as f64;
    let rank = count * share;
    let (mut lower, mut below) = (0.0, 0.0);
    for ((bound, now), (_, then)) in after.buckets.iter().zip(&before.buckets) {
        let upto = now.saturating_sub(*then) as f64;
        if upto >= rank && upto > below {
            let seconds = lower + (bound - lower) * ((rank - below) / (upto - below)).clamp(0.0, 1.0);
            return Some(Duration::from_secs_f64(seconds));
        }
        (lower, below) = (*bound, upto);
    }
    Some(Duration::from_secs_f64(lower))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Histogram;

    #[test]
    fn only_the_last_quarter_of_an_hour_is_kept() {
        let activity = RecentActivity::default();
        for writes in 0..200 {
            activity.add(ActivitySample { writes, ..ActivitySample::default() });
        }
        let samples = activity.read();
        assert_eq!((samples.len(), samples[0].writes, samples[179].writes), (SAMPLES_MAX, 20, 199));
        assert_eq!(SAMPLES_MAX * SAMPLE_SECONDS as usize, 15 * 60);
        assert!(size_of::<ActivitySample>() * SAMPLES_MAX < 16 << 10, "a few pages of memory");
    }

    #[test]
    fn a_quantile_is_that_of_the_time_between() {
        let histogram = Histogram::of_durations();
        let ms = Duration::from_millis;
        (0..1000).for_each(|_| histogram.observe_duration(ms(900)));
        let before = histogram.read();
        assert_eq!(quantile_between(&before, &before, 0.99), None);
        (0..100).for_each(|_| histogram.observe_duration(ms(2)));
        let found = quantile_between(&before, &histogram.read(), 0.99).expect("there are some");
        assert!((ms(1)..=ms(3)).contains(&found), "{found:?}");
        (0..100).for_each(|_| histogram.observe_duration(ms(60_000)));
        assert_eq!(quantile_between(&before, &histogram.read(), 0.99), Some(ms(10_000)));
    }
}
