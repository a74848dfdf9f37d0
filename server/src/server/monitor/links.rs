//! Measures the round trips to the other nodes, and warns when they come close to the longest that
//! the election timers bear.
//!
//! Beyond it the leader hears no answer to a heartbeat in time, so the cluster neither reads nor
//! writes, and nothing is elected. Guards that there is a warning before.

use std::{collections::BTreeSet, time::Duration};

use coffee_common::{
    id::NodeName,
    protocol::{ElectionTimers, NodeEventKind},
};

use crate::node::Node;

/// A round trip counts as long once it was for this many seconds: the first estimate of a
/// connection contains its handshake.
const SUSTAINED_SECONDS: usize = 5;

/// The nodes whose round trips are long.
#[derive(Debug, Default)]
pub(super) struct LongLinks(BTreeSet<NodeName>);

impl LongLinks {
    /// Records the round trips of a second, and logs which have become long or short.
    pub(super) fn end_second(&mut self, node: &Node) {
        let round_trips = &node.metrics().round_trips;
        round_trips.note(node.pool().endpoint().peer_round_trips());
        let longest = Duration::from_micros(ElectionTimers::from(node.timers()).round_trip_max_us());
        let now = round_trips.lowest(SUSTAINED_SECONDS);
        self.0.retain(|peer| now.iter().any(|(other, _)| other == peer));
        for (peer, lowest) in now {
            let (ms, longest_ms) = (lowest.as_millis(), longest.as_millis());
            match self.judge(&peer, lowest, longest) {
                Some(true) => {
                    let text =
                        format!("the round trip to {peer} is {ms} ms, and the timers bear {longest_ms} ms");
                    tracing::warn!("{text}; hint: `coffeectl timers suggest` prints timers that suit it");
                    node.events().record(NodeEventKind::SlowLink, peer.as_str(), text);
                }
                Some(false) => {
                    let text = format!("the round trip to {peer} is {ms} ms again");
                    tracing::info!("{text}");
                    node.events().record(NodeEventKind::LinkRecovered, peer.as_str(), text);
                }
                None => {}
            }
        }
    }

    /// Returns whether the round trip to a peer has become long, or short again. Long is more than
    /// half of what the timers bear; short again is three quarters of that.
    fn judge(&mut self, peer: &NodeName, lowest: Duration, longest: Duration) -> Option<bool> {
        let was_long = self.0.contains(peer);
        if !was_long && lowest > longest / 2 {
            self.0.insert(peer.clone());
            Some(true)
        } else if was_long && lowest < longest * 3 / 8 {
            self.0.remove(peer);
            Some(false)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_round_trip_is_reported_once_until_it_is_short_again() {
        let (mut links, peng) = (LongLinks::default(), "peng".parse::<NodeName>().expect("a name"));
        let ms = Duration::from_millis;
        for (now, expected) in [
            (50, None),
            (51, Some(true)),
            (90, None),
            (38, None),
            (37, Some(false)),
            (50, None),
            (60, Some(true)),
        ] {
            assert_eq!(links.judge(&peng, ms(now), ms(100)), expected, "{now} ms");
        }
    }
}
