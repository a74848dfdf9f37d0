//! Histograms with fixed buckets.
//!
//! An observation is two additions. Each bucket counts only its own values, and reading sums them
//! up, so the counts of a snapshot never contradict each other.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Bucket bounds from a fast disk to a request that waits for an election, in nanoseconds.
const DURATIONS: [u64; 17] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

const NANOSECOND: f64 = 1e-9;

/// Counts values by bucket.
#[derive(Debug)]
pub struct Histogram {
    /// The largest value of each bucket; the last bucket is unbounded.
    bounds: &'static [u64],
    /// The factor from observed values to exposed ones.
    unit: f64,
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// The values of a histogram at one point in time, in the exposed unit.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSnapshot {
    /// Bucket bounds, each with the number of values up to it.
    pub buckets: Vec<(f64, u64)>,
    /// The number of values.
    pub count: u64,
    /// The sum of the values.
    pub sum: f64,
}

impl Histogram {
    /// Returns a histogram of durations, exposed in seconds.
    pub fn of_durations() -> Self {
        Self::new(&DURATIONS, NANOSECOND)
    }

    /// Returns a histogram of numbers with these bounds, which ascend.
    pub fn of_numbers(bounds: &'static [u64]) -> Self {
        Self::new(bounds, 1.0)
    }

    fn new(bounds: &'static [u64], unit: f64) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, unit, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a duration.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Returns the current values.
    pub fn read(&self) -> HistogramSnapshot {
        let mut count = 0;
        let mut upto = |bucket: &AtomicU64| {
            count += bucket.load(Ordering::Relaxed);
            count
        };
        let buckets = self.bounds.iter().zip(&self.buckets);
        let buckets = buckets.map(|(bound, bucket)| (*bound as f64 * self.unit, upto(bucket))).collect();
        let count = upto(&self.buckets[self.bounds.len()]);
        HistogramSnapshot { buckets, count, sum: self.sum.load(Ordering::Relaxed) as f64 * self.unit }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::of_numbers(&[1, 10]);
        for value in [0, 1, 2, 10, 11] {
            histogram.observe(value);
        }
        let expected = HistogramSnapshot { buckets: vec![(1.0, 2), (10.0, 4)], count: 5, sum: 24.0 };
        assert_eq!(histogram.read(), expected);
    }

    #[test]
    fn durations_are_shown_in_seconds() {
        let histogram = Histogram::of_durations();
        histogram.observe_duration(Duration::from_micros(1_500));
        histogram.observe_duration(Duration::from_secs(60));
        let reading = histogram.read();
        let upto = |bound: f64| {
            reading.buckets.iter().find(|(found, _)| (found - bound).abs() < 1e-12).expect("a bucket").1
        };
        assert_eq!((upto(0.001), upto(0.0025), upto(10.0), reading.count), (0, 1, 1, 2));
        assert!((reading.sum - 60.0015).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn it_counts_as_if_it_kept_every_value(values in prop::collection::vec(0u64..40, 0..60)) {
            const BOUNDS: [u64; 4] = [0, 3, 17, 30];
            let histogram = Histogram::of_numbers(&BOUNDS);
            values.iter().for_each(|value| histogram.observe(*value));
            let upto = |bound: u64| values.iter().filter(|value| **value <= bound).count() as u64;
            let buckets = BOUNDS.map(|bound| (bound as f64, upto(bound))).to_vec();
            let sum = values.iter().sum::<u64>() as f64;
            prop_assert_eq!(histogram.read(), HistogramSnapshot { buckets, count: values.len() as u64, sum });
        }
    }
}
