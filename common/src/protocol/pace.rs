//! How fast a node is served by its disk, its processor and its links, as nodes report it.

use serde::{Deserialize, Serialize};

use crate::{bounded::at_most, id::NodeName, limits::NODES_MAX};

/// Election timers are multiples of these for a heartbeat interval in steps of 30 ms: the
/// proportions of the defaults (150, 200 and 450 ms).
const STEP_MS: u64 = 30;
const TIMEOUT_MIN_MS: u64 = 40;
const TIMEOUT_MAX_MS: u64 = 90;

/// The pace of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct NodePace {
    /// The 99th percentile of the syncs of its log in the last 10 s, in microseconds; `None` if
    /// there were none.
    pub sync_p99_us: Option<u64>,
    /// The 99th percentile, in microseconds, of the times from the proposal of a client's write
    /// until it is applied, in the last 10 s at this node as the leader; `None` if there were none.
    pub commit_p99_us: Option<u64>,
    /// The longest time in the last minute that the process was not scheduled, in milliseconds.
    pub stalled_ms: u64,
    /// The round trips to the nodes that it is connected to, ordered by name.
    #[serde(deserialize_with = "at_most::<_, _, NODES_MAX>")]
    pub round_trips: Vec<RoundTrip>,
    /// Its election timers.
    pub timers: ElectionTimers,
    /// The writes and transactions of clients that it has answered since it started, those included
    /// that another node forwarded.
    pub writes: u64,
    /// The same of reads of keys.
    pub reads: u64,
    /// The elections in which it has stood since it started.
    pub elections: u64,
}

/// The round trip to a node, as measured by QUIC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RoundTrip {
    /// The other node.
    pub peer: NodeName,
    /// The present estimate, in microseconds.
    pub now_us: u64,
    /// The highest estimate of the last minute, in microseconds.
    pub worst_us: u64,
}

/// The election timers of a node, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ElectionTimers {
    /// The interval between two heartbeats of the leader. Also bounds the response to one.
    pub heartbeat_interval_ms: u64,
    /// The minimum time between the end of the lease and an election.
    pub election_timeout_min_ms: u64,
    /// The maximum time between the end of the lease and an election; also the lease.
    pub election_timeout_max_ms: u64,
}

crate::enveloped!(NodePace, RoundTrip, ElectionTimers);

impl ElectionTimers {
    /// Returns the worst round trip that these timers bear, in microseconds: two thirds of the
    /// heartbeat interval, which leaves a third for the nodes themselves.
    pub fn round_trip_max_us(&self) -> u64 {
        self.heartbeat_interval_ms.saturating_mul(1000) / 3 * 2
    }

    /// Returns the shortest timers, in the proportions of the defaults, that bear this round trip.
    pub fn for_round_trip(worst_us: u64) -> Self {
        let steps = worst_us.saturating_mul(3).div_ceil(2 * STEP_MS * 1000).max(1);
        Self {
            heartbeat_interval_ms: steps * STEP_MS,
            election_timeout_min_ms: steps * TIMEOUT_MIN_MS,
            election_timeout_max_ms: steps * TIMEOUT_MAX_MS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{self, Enveloped};

    fn timers(beat: u64, min: u64, max: u64) -> ElectionTimers {
        ElectionTimers {
            heartbeat_interval_ms: beat,
            election_timeout_min_ms: min,
            election_timeout_max_ms: max,
        }
    }

    #[test]
    fn timers_of_a_later_version_are_read() {
        let timers_and_more = (150_u64, 200_u64, 450_u64, "later");
        let none: Option<u64> = None;
        let links = Vec::<RoundTrip>::new();
        let later = (none, none, 7_u64, links, Enveloped(&timers_and_more), 1_u64, 2_u64, 3_u64, "later");
        let mut bytes = Vec::new();
        envelope::encode_to(&mut bytes, &Enveloped(&later)).expect("encodes");
        let timers = timers(150, 200, 450);
        let pace =
            NodePace { stalled_ms: 7, timers, writes: 1, reads: 2, elections: 3, ..NodePace::default() };
        assert_eq!(envelope::decode_body(&bytes), Ok(pace));
    }

    #[test]
    fn timers_follow_the_worst_round_trip() {
        for (worst_ms, expected) in [
            (0, timers(30, 40, 90)),
            (20, timers(30, 40, 90)),
            (100, timers(150, 200, 450)),
            (101, timers(180, 240, 540)),
            (200, timers(300, 400, 900)),
            (400, timers(600, 800, 1800)),
        ] {
            let found = ElectionTimers::for_round_trip(worst_ms * 1000);
            assert_eq!(found, expected, "{worst_ms} ms");
            assert!(found.round_trip_max_us() >= worst_ms * 1000);
        }
        assert_eq!(timers(150, 200, 450).round_trip_max_us(), 100_000);
    }
}
