//! Metrics of QUIC connections, by protocol.

use coffee_common::quic::{Protocol, Survey, Traffic};

use crate::{
    api::admin::exposition::{Family, MetricKind, Text},
    node::Node,
};

const PROTOCOLS: [(&str, Protocol); 2] = [("peer", Protocol::Peer), ("client", Protocol::Client)];

type TrafficValue = fn(&Traffic) -> u64;

/// Counters over all connections, closed ones included.
const COUNTERS: [(&str, &str, TrafficValue); 7] = [
    ("coffeed_quic_connections_opened_total", "Connections accepted or dialled, by protocol.", |traffic| {
        traffic.opened
    }),
    ("coffeed_quic_sent_bytes_total", "Bytes sent in datagrams.", |traffic| traffic.carried.bytes_sent),
    ("coffeed_quic_received_bytes_total", "Bytes received in datagrams.", |traffic| {
        traffic.carried.bytes_received
    }),
    ("coffeed_quic_packets_sent_total", "Packets sent, retransmissions included.", |traffic| {
        traffic.carried.packets_sent
    }),
    ("coffeed_quic_packets_lost_total", "Packets declared lost. Their data is retransmitted.", |traffic| {
        traffic.carried.packets_lost
    }),
    ("coffeed_quic_lost_bytes_total", "Bytes in packets declared lost, and retransmitted.", |traffic| {
        traffic.carried.bytes_lost
    }),
    (
        "coffeed_quic_congestion_events_total",
        "Congestion events: the congestion window was reduced.",
        |traffic| traffic.carried.congestion_events,
    ),
];

pub(super) fn write(text: &mut Text, node: &Node) {
    let endpoint = node.pool().endpoint();
    let survey = endpoint.survey();
    let help = "Open connections, by protocol.";
    samples(text.family("coffeed_quic_connections", MetricKind::Gauge, help), &survey, |traffic| {
        traffic.open
    });
    text.gauge(
        "coffeed_quic_connections_limit",
        "Maximum number of connections (limits.connections_max).",
        endpoint.connections_max() as u64,
    );
    text.gauge(
        "coffeed_quic_connections_per_client_limit",
        "Maximum number of connections per client (limits.connections_per_client_max).",
        endpoint.connections_per_client_max() as u64,
    );
    let refused = endpoint.refused_connections();
    let help = "Connections refused, by the limit that they would have exceeded.";
    let mut family = text.family("coffeed_quic_connections_refused_total", MetricKind::Counter, help);
    family.sample(&[("limit", "connections_max")], refused.node_full);
    family.sample(&[("limit", "connections_per_client_max")], refused.client_full);
    for (name, help, number) in COUNTERS {
        samples(text.family(name, MetricKind::Counter, help), &survey, number);
    }
    let help = "Estimated round-trip time to a connected peer.";
    let mut family = text.family("coffeed_quic_peer_rtt_seconds", MetricKind::Gauge, help);
    for (peer, rtt) in &survey.round_trips {
        family.sample(&[("peer", peer.as_str())], rtt.as_secs_f64());
    }
}

fn samples(mut family: Family<'_>, survey: &Survey, number: TrafficValue) {
    for (name, protocol) in PROTOCOLS {
        family.sample(&[("protocol", name)], number(survey.of(protocol)));
    }
}
