//! Figures that were measured several times.

use std::time::Duration;

/// One figure, once per measurement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples(Vec<f64>);

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(all: I) -> Self {
        let mut all: Vec<f64> = all.into_iter().collect();
        all.sort_by(f64::total_cmp);
        Self(all)
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<I: IntoIterator<Item = Duration>>(all: I) -> Self {
        all.into_iter().map(ms).collect()
    }
}

/// Converts to milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Converts a count to a figure.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
pub fn count(number: u64) -> f64 {
    number as f64
}

/// How tables show whether a figure is within its bound.
pub fn verdict(passed: bool) -> &'static str {
    if passed { "PASS" } else { "missed" }
}

impl Samples {
    /// Returns all samples, smallest first.
    pub fn all(&self) -> &[f64] {
        &self.0
    }

    /// Returns the median, interpolated for an even count; 0 without samples.
    pub fn median(&self) -> f64 {
        match self.0.len() {
            0 => 0.0,
            count if count % 2 == 1 => self.0[count / 2],
            count => f64::midpoint(self.0[count / 2 - 1], self.0[count / 2]),
        }
    }

    /// Returns the smallest sample; 0 without samples.
    pub fn least(&self) -> f64 {
        self.0.first().copied().unwrap_or(0.0)
    }

    /// Returns the largest sample; 0 without samples.
    pub fn most(&self) -> f64 {
        self.0.last().copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        let samples: Samples = [3.0, 1.0, 10.0].into_iter().collect();
        assert_eq!((samples.median(), samples.least(), samples.most()), (3.0, 1.0, 10.0));
        let samples: Samples = [Duration::from_millis(4), Duration::from_millis(2)].into_iter().collect();
        assert_eq!(samples.median(), 3.0);
        assert_eq!(Samples::default().median(), 0.0);
    }
}
