//! What goes over the connections of an endpoint, those that have ended included.
//!
//! Pure numbers. Guards that sums only grow: what a connection has carried is
//! kept when it ends, and none is counted twice.

use std::{collections::BTreeMap, time::Duration};

use super::Protocol;
use crate::id::NodeName;

/// What went over connections of one protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections that there are.
    pub open: u64,
    /// Connections that there were, those that there are included.
    pub opened: u64,
    /// What they have carried.
    pub carried: Carried,
}

/// What a connection has carried, or several have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Bytes of UDP payload to the other side.
    pub bytes_sent: u64,
    /// Bytes of UDP payload from the other side.
    pub bytes_received: u64,
    /// QUIC packets to the other side.
    pub packets_sent: u64,
    /// Of these, those that were given up as lost. What was in them was sent
    /// again in new ones (RFC 9002, section 2).
    pub packets_lost: u64,
    /// Bytes of these.
    pub bytes_lost: u64,
    /// How often the path was found to be overloaded, and less was sent.
    pub congestion_events: u64,
}

/// What goes over an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The members of a cluster among themselves.
    pub peers: Traffic,
    /// Clients with nodes, and nodes that ask as clients do.
    pub clients: Traffic,
    /// The round trip to each node to which there is a connection of peers: the
    /// shortest, where there are several.
    pub round_trips: BTreeMap<NodeName, Duration>,
}

impl Survey {
    /// The share of a protocol.
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

    /// Two observations of one connection, which may come in any order.
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
