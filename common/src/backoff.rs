//! Exponential backoff with jitter: how long to wait before a retry.
//!
//! Pure: knows no clock and draws no random numbers. Jitter spreads the
//! retries of many clients that lost the same node, which otherwise would all
//! return at once.

use std::{ops::RangeInclusive, time::Duration};

/// Beyond this many doublings every delay has reached its upper bound.
const DOUBLINGS_MAX: u32 = 20;

/// Returns the delay before retry `attempt`, counted from 0: the lower bound
/// doubled `attempt` times, at most the upper bound.
pub fn delay(bounds: &RangeInclusive<Duration>, attempt: u32) -> Duration {
    bounds.start().saturating_mul(1 << attempt.min(DOUBLINGS_MAX)).min(*bounds.end())
}

/// Returns a delay between half of `nominal` and one and a half of it, chosen
/// by the random number `roll`.
pub fn jitter(nominal: Duration, roll: u64) -> Duration {
    let percent = 50 + u32::try_from(roll % 101).unwrap_or(50);
    nominal * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_between_their_bounds() {
        let bounds = Duration::from_millis(10)..=Duration::from_millis(100);
        let delays: Vec<u128> = [0, 1, 3, 4, 1_000].map(|attempt| delay(&bounds, attempt).as_millis()).into();
        assert_eq!(delays, [10, 20, 80, 100, 100]);
    }

    #[test]
    fn jitter_stays_within_half_of_the_delay() {
        let nominal = Duration::from_millis(100);
        let delays: Vec<u128> = [0, 50, 100, 101].map(|roll| jitter(nominal, roll).as_millis()).into();
        assert_eq!(delays, [50, 100, 150, 50]);
    }
}
