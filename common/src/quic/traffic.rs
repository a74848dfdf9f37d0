//! The traffic over the connections of an endpoint, including past ones.
//!
//! Pure numbers. Guards that sums only grow: the traffic of a connection is kept when it ends, and
//! none is counted twice.

use std::{collections::BTreeMap, time::Duration};

use super::Protocol;
use crate::id::NodeName;

/// The connections of one protocol and their traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The number of connections that are open.
    pub open: u64,
    /// The number of connections ever opened.
    pub opened: u64,
    /// The traffic of all of them.
    pub carried: Carried,
}

/// The traffic of one or more connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Bytes of UDP payload sent.
    pub bytes_sent: u64,
    /// Bytes of UDP payload received.
    pub bytes_received: u64,
    /// QUIC packets sent.
    pub packets_sent: u64,
    /// Sent packets that were declared lost. Their contents were sent again in new packets (RFC
    /// 9002, section 2).
    pub packets_lost: u64,
    /// Bytes in lost packets.
    pub bytes_lost: u64,
    /// How often congestion control reduced the sending rate.
    pub congestion_events: u64,
}

/// The traffic over an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Connections of the peer protocol.
    pub peers: Traffic,
    /// Connections of the client protocol, including those between nodes.
    pub clients: Traffic,
    /// The shortest round trip to each node with a connection of the peer protocol.
    pub round_trips: BTreeMap<NodeName, Duration>,
}

impl Survey {
    /// Returns the connections and traffic of a protocol.
    pub fn of(&self, protocol: Protocol) -> &Traffic {
        match protocol {
            Protocol::Peer => &self.peers,
            Protocol::Client => &self.clients,
        }
    }

    pub(super) fn of_mut(&mut self, protocol: Protocol) -> &mut Traffic {
        match protocol {
            Protocol::Peer => &mut self.peers,
            Protocol::Client => &mut self.clients,
        }
    }
}

impl Carried {
    pub(super) fn of(stats: &quinn::ConnectionStats) -> Self {
        Self {
            bytes_sent: stats.udp_tx.bytes,
            bytes_received: stats.udp_rx.bytes,
            packets_sent: stats.path.sent_packets,
            packets_lost: stats.path.lost_packets,
            bytes_lost: stats.path.lost_bytes,
            congestion_events: stats.path.congestion_events,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.with(other, |mine, others| mine + others);
    }

    /// Merges another observation of the same connection; their order does not matter.
    pub(super) fn latest(&mut self, other: &Self) {
        self.with(other, u64::max);
    }

    fn with(&mut self, other: &Self, merge: impl Fn(u64, u64) -> u64) {
        let Self { bytes_sent, bytes_received, packets_sent, packets_lost, bytes_lost, congestion_events } =
            self;
        for (mine, others) in [
            (bytes_sent, other.bytes_sent),
            (bytes_received, other.bytes_received),
            (packets_sent, other.packets_sent),
            (packets_lost, other.packets_lost),
            (bytes_lost, other.bytes_lost),
            (congestion_events, other.congestion_events),
        ] {
            *mine = merge(*mine, others);
        }
    }
}
