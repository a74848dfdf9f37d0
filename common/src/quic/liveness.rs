//! Whether there is anybody at the other end of a connection.
//!
//! Pure: is fed, at regular times, with how many packets went each way. QUIC
//! acknowledges what needs it within 25 ms, however long the answer takes, and
//! sends again what was not acknowledged. So a node to which packets go and
//! from which none come is dead, stopped or cut off, and is told apart long
//! before any timeout from one that is merely slow: to that one, nothing goes.

use std::time::Duration;

use tokio::time::Instant;

use super::Packets;

/// What was heard of the other side. For any purpose: make one, and feed it
/// with [`Connection::packets`](super::Connection::packets) every 30 ms or
/// less often; once something is owed, as often as one likes.
#[derive(Debug)]
pub struct Liveness {
    received: u64,
    /// When that was last looked at.
    seen: Instant,
    /// How many packets had been sent by the time that nothing more came.
    /// Known one observation later, when what came has been acknowledged by us:
    /// acknowledgements themselves are not acknowledged.
    sent: Option<u64>,
    /// No later than the first packet to which nothing came.
    owed_since: Option<Instant>,
}

impl Liveness {
    /// Begins to observe.
    pub fn new(packets: Packets, now: Instant) -> Self {
        Self { received: packets.received, seen: now, sent: None, owed_since: None }
    }

    /// Takes an observation. For how long the other side has owed a sign of
    /// life: not counting the time in which nothing went there.
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

    /// Observations every 40 ms: packets sent and received so far. The silence
    /// that is found, in ms.
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
            ("dead behind a last packet", &[(5, 5), (6, 6), (7, 6), (8, 6), (9, 6)], &[0, 0, 40, 80]),
            ("idle, then asked", &[(5, 5), (5, 5), (5, 5), (5, 5), (6, 5), (6, 6)], &[0, 0, 0, 40, 0]),
        ] {
            assert_eq!(silences(observations), expected, "{name}");
        }
    }
}
