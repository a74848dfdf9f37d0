//! Detects a silent peer by the packets of a connection.
//!
//! Pure: gets the packet counts at regular times. QUIC acknowledges packets within 25 ms, however
//! long the response takes, and retransmits unacknowledged ones. A peer that is sent packets and
//! returns none is therefore dead, stopped or unreachable. This shows long before any timeout, and
//! does not happen with a peer that is only slow, since nothing is sent to that one.

use std::time::Duration;

use tokio::time::Instant;

use super::Packets;

/// Measures for how long a peer has been silent. Create one per purpose, and feed it with
/// [`Connection::packets`](super::Connection::packets) at intervals of 30 ms or more; once the peer
/// owes packets, at any interval.
#[derive(Debug)]
pub struct Liveness {
    received: u64,
    /// The time of the last observation.
    seen: Instant,
    /// The packets sent when receiving stopped. Only known one observation later, when the last
    /// received packets have been acknowledged, since acknowledgements are not acknowledged
    /// themselves.
    sent: Option<u64>,
    /// A time no later than the first packet that was not answered.
    owed_since: Option<Instant>,
}

impl Liveness {
    /// Starts to observe.
    pub fn new(packets: Packets, now: Instant) -> Self {
        Self { received: packets.received, seen: now, sent: None, owed_since: None }
    }

    /// Adds an observation, and returns for how long the peer has owed packets. Time in which
    /// nothing was sent does not count.
    pub fn observe(&mut self, packets: Packets, now: Instant) -> Duration {
        if packets.received != self.received {
            *self = Self::new(packets, now);
            return Duration::ZERO;
        }
        let before = std::mem::replace(&mut self.seen, now);
        if packets.sent == *self.sent.get_or_insert(packets.sent) {
            return Duration::ZERO;
        }
        now.duration_since(*self.owed_since.get_or_insert(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes observations of (sent, received) every 40 ms, and returns the silences in ms.
    fn silences(observations: &[(u64, u64)]) -> Vec<u128> {
        let begin = Instant::now();
        let packets = |&(sent, received): &(u64, u64)| Packets { sent, received };
        let mut liveness = Liveness::new(packets(&observations[0]), begin);
        (1u32..)
            .zip(&observations[1..])
            .map(|(n, seen)| {
                liveness.observe(packets(seen), begin + n * Duration::from_millis(40)).as_millis()
            })
            .collect()
    }

    #[test]
    fn a_node_is_silent_while_packets_go_and_none_come() {
        for (name, observations, expected) in [
            ("dead", &[(5, 5), (7, 5), (8, 5), (8, 5), (9, 5)][..], &[0, 40, 80, 120][..]),
            ("slow", &[(5, 5), (6, 6), (7, 6), (7, 6), (7, 6)], &[0, 0, 0, 0]),
            ("busy", &[(5, 5), (9, 9), (12, 13), (20, 19)], &[0, 0, 0]),
            ("back again", &[(5, 5), (6, 5), (7, 5), (8, 6), (8, 6)], &[0, 40, 0, 0]),
            ("dead after a last packet", &[(5, 5), (6, 6), (7, 6), (8, 6), (9, 6)], &[0, 0, 40, 80]),
            ("idle, then asked", &[(5, 5), (5, 5), (5, 5), (5, 5), (6, 5), (6, 6)], &[0, 0, 0, 40, 0]),
        ] {
            assert_eq!(silences(observations), expected, "{name}");
        }
    }
}
