//! How long a call waits for what, in one place, with the relations between the times.
//!
//! Pure: knows no clock. Pauses between tries are spread at random, so that
//! many clients which lost the same leader do not all come back at once.

use std::{ops::RangeInclusive, time::Duration};

use coffee_common::backoff::{delay, jitter};

/// How long a call may take, unless the caller says otherwise.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A try that has no connection after this long is given up.
pub(crate) const CONNECT_PATIENCE: Duration = Duration::from_millis(150);

/// A try is repeated elsewhere after this long, if the node has answered
/// nobody in this time: it is stuck, or waits for one that is gone.
pub(crate) const SLOW: Duration = Duration::from_millis(1000);

/// A try is repeated elsewhere after this long, though the node answers
/// others. Not sooner: where all are slow, this makes them slower.
pub(crate) const BUSY: Duration = Duration::from_secs(3);

/// A node is silent that has acknowledged nothing for this long, round trips
/// not counted; or for less, where its cluster would soon choose another leader.
const SILENCE: Duration = Duration::from_millis(100);

/// But not for less than this: QUIC acknowledges within 25 ms (RFC 9000 section 18.2).
const SILENCE_MIN: Duration = Duration::from_millis(40);

/// A connection that has been silent for this long is given up.
pub(crate) const SILENCE_MAX: Duration = Duration::from_millis(1500);

/// How often a connection with asks in flight is looked at for silence, at least. Not
/// much more often: between two looks acknowledgements have to come.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_millis(30);

/// How long a node has to say who leads.
pub(crate) const SEARCH_TIMEOUT: Duration = Duration::from_millis(200);

const SEARCH: RangeInclusive<Duration> = Duration::from_millis(25)..=Duration::from_millis(250);
/// So many times the shortest pause, before they grow: about two seconds.
const SEARCH_EAGERLY: u32 = 80;

const PAUSE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_millis(100);
const OVERLOAD_PAUSE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(1);
const AVOID: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(10);
const MARGIN_MAX: Duration = Duration::from_millis(250);

const _: () = {
    assert!(PROBE_INTERVAL.as_millis() > 25 && PROBE_INTERVAL.as_millis() < SILENCE_MIN.as_millis());
    assert!(SILENCE_MIN.as_millis() < SILENCE.as_millis());
    assert!(SILENCE.as_millis() < SILENCE_MAX.as_millis());
    assert!(CONNECT_PATIENCE.as_millis() < SLOW.as_millis());
    assert!(SLOW.as_millis() < BUSY.as_millis());
    assert!(BUSY.as_millis() < CALL_TIMEOUT.as_millis());
    assert!(SILENCE_MAX.as_millis() < CALL_TIMEOUT.as_millis());
};

/// The pause before another round of tries: doubling, between half and one
/// and a half times its nominal length, as `roll` has it.
pub(crate) fn pause(round: u32, roll: u64) -> Duration {
    jitter(delay(&PAUSE, round), roll)
}

/// The same before a node is asked again that has too much to do. It grows
/// further: who asks brings all his bytes along, and to turn them away is work too.
pub(crate) fn overload_pause(round: u32, roll: u64) -> Duration {
    jitter(delay(&OVERLOAD_PAUSE, round), roll)
}

/// For how long a node may owe a sign of life in a cluster that believes for `lease` in a
/// leader that is not heard of: so that it is noticed by the time that another may lead.
pub(crate) fn silence(lease: Duration) -> Duration {
    (lease / 2).clamp(SILENCE_MIN, SILENCE)
}

/// A try that has no answer after this long is looked at more closely: whether its node is
/// silent, and whether another leads.
pub(crate) fn patience(lease: Duration) -> Duration {
    silence(lease) * 3 / 2
}

/// How long to wait before the `n`-th question who leads: short while an
/// election may be under way, longer once it is something worse.
pub(crate) fn search_pause(n: u32, roll: u64) -> Duration {
    jitter(delay(&SEARCH, n / SEARCH_EAGERLY), roll)
}

/// How long an endpoint that failed is tried last.
pub(crate) fn avoidance(failures: u32) -> Duration {
    delay(&AVOID, failures.saturating_sub(1))
}

/// How long a node may take, so that its answer is here before `left` is over:
/// a node that knows that nothing was written should be heard to say so.
pub(crate) fn node_timeout(left: Duration) -> Duration {
    left - (left / 10).min(MARGIN_MAX)
}

/// How long before the deadline nothing more is asked that could come into
/// doubt: as long as no answer to it can be expected.
pub(crate) fn last_ask(begin: Duration, deadline: Duration) -> Duration {
    begin + node_timeout(deadline.saturating_sub(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_spread() {
        for (round, nominal_ms) in [(0, 10), (1, 20), (3, 80), (4, 100), (1000, 100)] {
            assert_eq!(pause(round, 50), Duration::from_millis(nominal_ms), "round {round}");
            assert_eq!(pause(round, 0), Duration::from_millis(nominal_ms) / 2);
            assert_eq!(pause(round, 100), Duration::from_millis(nominal_ms) * 3 / 2);
        }
        let nominal_ms: Vec<u128> =
            [0, 3, 6, 7, 1000].map(|round| overload_pause(round, 50).as_millis()).into();
        assert_eq!(nominal_ms, [10, 80, 640, 1000, 1000]);
    }

    #[test]
    fn a_search_begins_eagerly_and_calms_down() {
        let nominal_ms: Vec<u128> = [0, 79, 80, 160, 10_000].map(|n| search_pause(n, 50).as_millis()).into();
        assert_eq!(nominal_ms, [25, 25, 50, 100, 250]);
    }

    #[test]
    fn a_node_may_be_silent_for_half_as_long_as_its_cluster_would_bear_it_within_bounds() {
        for (lease_ms, silence_ms) in [(0, 40), (60, 40), (140, 70), (300, 100), (u64::MAX, 100)] {
            let lease = Duration::from_millis(lease_ms);
            assert_eq!(silence(lease), Duration::from_millis(silence_ms));
            assert_eq!(patience(lease), Duration::from_millis(silence_ms * 3 / 2));
        }
    }

    #[test]
    fn avoidance_grows_to_a_bound() {
        let seconds: Vec<u64> = [0, 1, 2, 3, 4, 5, 99].map(|n| avoidance(n).as_secs()).into();
        assert_eq!(seconds, [1, 1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn a_node_has_a_little_less_time_than_its_client() {
        assert_eq!(node_timeout(Duration::from_secs(60)), Duration::from_millis(59_750));
        assert_eq!(node_timeout(Duration::from_millis(100)), Duration::from_millis(90));
        assert_eq!(node_timeout(Duration::ZERO), Duration::ZERO);
    }
}
