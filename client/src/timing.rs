//! All timeouts, pauses and intervals of the client, and the relations between
//! them.
//!
//! Pure: knows no clock. Pauses between tries have jitter, so that clients which
//! lost the same leader do not all return at once.

use std::{ops::RangeInclusive, time::Duration};

use coffee_common::backoff::{delay, jitter};

/// Default timeout of a call.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A try that is not connected after this long is given up.
pub(crate) const CONNECT_PATIENCE: Duration = Duration::from_millis(150);

/// A try is repeated on another node after this long if its node has answered no
/// request meanwhile: it is stuck, or waits for a node that is gone.
pub(crate) const SLOW: Duration = Duration::from_millis(1000);

/// A try is repeated on another node after this long even if its node answers other
/// requests. Not sooner: when all nodes are slow, retries make them slower.
pub(crate) const BUSY: Duration = Duration::from_secs(3);

/// A node that has acknowledged nothing for this long plus two round trips is
/// silent; sooner if its cluster's lease is shorter.
const SILENCE: Duration = Duration::from_millis(100);

/// Lower bound for the same: QUIC acknowledges within 25 ms (RFC 9000 section
/// 18.2).
const SILENCE_MIN: Duration = Duration::from_millis(40);

/// A connection that has been silent for this long is closed.
pub(crate) const SILENCE_MAX: Duration = Duration::from_millis(1500);

/// Longest interval between liveness checks of a connection with requests in
/// flight. Acknowledgements must fit between two checks.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_millis(30);

/// How long a node may take to say who leads.
pub(crate) const SEARCH_TIMEOUT: Duration = Duration::from_millis(200);

const SEARCH: RangeInclusive<Duration> = Duration::from_millis(25)..=Duration::from_millis(250);
/// Number of pauses of the shortest length before they grow: about two seconds.
const SEARCH_EAGERLY: u32 = 80;

/// Bounds of the pause before a watch asks the next node.
const WATCH: RangeInclusive<Duration> = Duration::from_millis(25)..=Duration::from_secs(1);

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

/// Returns the pause before the next round of tries.
pub(crate) fn pause(round: u32, roll: u64) -> Duration {
    jitter(delay(&PAUSE, round), roll)
}

/// Returns the pause before the next try after an overloaded rejection. Grows
/// further than [`pause`]: each retry sends its bytes again, and rejecting them
/// costs work too.
pub(crate) fn overload_pause(round: u32, roll: u64) -> Duration {
    jitter(delay(&OVERLOAD_PAUSE, round), roll)
}

/// Returns how long a node may owe an acknowledgement, given the leader lease of
/// its cluster: a dead leader is noticed before another can be elected.
pub(crate) fn silence(lease: Duration) -> Duration {
    (lease / 2).clamp(SILENCE_MIN, SILENCE)
}

/// Returns how long a try may go unanswered before the client checks whether its
/// node is silent and whether another node leads.
pub(crate) fn patience(lease: Duration) -> Duration {
    silence(lease) * 3 / 2
}

/// Returns the pause before question `n` of a leader search: short during an
/// election, longer afterwards.
pub(crate) fn search_pause(n: u32, roll: u64) -> Duration {
    jitter(delay(&SEARCH, n / SEARCH_EAGERLY), roll)
}

/// Returns the pause before a watch asks the next node, after this many failures in a row. Many watches
/// may fail together.
pub(crate) fn watch_pause(failures: u32, roll: u64) -> Duration {
    jitter(delay(&WATCH, failures), roll)
}

/// Returns how long an endpoint is tried last after this many failures in a row.
pub(crate) fn avoidance(failures: u32) -> Duration {
    delay(&AVOID, failures.saturating_sub(1))
}

/// Returns the timeout to send to a node: less than `left`, so that a node which
/// wrote nothing can say so in time.
pub(crate) fn node_timeout(left: Duration) -> Duration {
    left - (left / 10).min(MARGIN_MAX)
}

/// Returns the time after which no request is sent that could come into doubt,
/// because its response cannot arrive before the deadline.
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
