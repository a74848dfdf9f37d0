//! Bounds how often an event is logged.

use std::time::Duration;

use tokio::time::Instant;

/// Allows a number of lines at once, and then one per interval (a token bucket).
#[derive(Debug)]
pub struct LogThrottle {
    interval: Duration,
    burst: u32,
    tokens: u32,
    refilled_at: Option<Instant>,
    suppressed: u64,
}

impl LogThrottle {
    /// Returns a throttle that allows `burst` lines at once and one more per `interval`.
    pub fn new(burst: u32, interval: Duration) -> Self {
        Self { interval, burst, tokens: burst, refilled_at: None, suppressed: 0 }
    }

    /// Returns the number of lines suppressed since the last one, or `None` if this line is one
    /// too many.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        let since = *self.refilled_at.get_or_insert(now);
        let earned = now.saturating_duration_since(since).as_nanos() / self.interval.as_nanos().max(1);
        let earned = u32::try_from(earned).unwrap_or(u32::MAX).min(self.burst - self.tokens);
        self.tokens += earned;
        // A full bucket earns nothing, so its time starts with the next line.
        let full = self.tokens == self.burst;
        self.refilled_at = Some(if full { now } else { since + self.interval * earned });
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                Some(std::mem::take(&mut self.suppressed))
            }
            None => {
                self.suppressed += 1;
                None
            }
        }
    }

    /// Like [`Self::admit`], for a line that must not be left out.
    pub fn admit_always(&mut self, now: Instant) -> u64 {
        self.admit(now).unwrap_or_else(|| std::mem::take(&mut self.suppressed) - 1)
    }
}

/// Returns the field of a log line for the number of lines that were left out before it: none if
/// there were none.
pub fn if_any(suppressed: u64) -> Option<u64> {
    (suppressed > 0).then_some(suppressed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_while_they_are_too_many() {
        let start = Instant::now();
        let mut throttle = LogThrottle::new(2, Duration::from_secs(10));
        let mut at = |seconds| throttle.admit(start + Duration::from_secs(seconds));
        assert_eq!([at(0), at(1), at(2), at(9)], [Some(0), Some(0), None, None]);
        assert_eq!([at(10), at(11), at(20)], [Some(2), None, Some(1)]);
        assert_eq!([at(1_000), at(1_000), at(1_000)], [Some(0), Some(0), None]);
    }

    #[test]
    fn a_line_that_must_not_be_left_out_says_how_many_were() {
        let now = Instant::now();
        let mut throttle = LogThrottle::new(2, Duration::from_secs(10));
        assert_eq!((throttle.admit_always(now), throttle.admit(now)), (0, Some(0)));
        assert_eq!((throttle.admit(now), throttle.admit(now)), (None, None));
        assert_eq!((throttle.admit_always(now), throttle.admit_always(now)), (2, 0));
    }
}
