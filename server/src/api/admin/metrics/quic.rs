//! Metrics of the connections over QUIC: with peers, and with clients.

use coffee_common::quic::{Protocol, Survey, Traffic};

use crate::{
    api::admin::exposition::{Family, Kind, Text},
    node::Node,
};

const PROTOCOLS: [(&str, Protocol); 2] = [("peer", Protocol::Peer), ("client", Protocol::Client)];

type Number = fn(&Traffic) -> u64;

/// What only grows, over connections that have ended as well.
const COUNTERS: [(&str, &str, Number); 7] = [
    (
        "coffeed_quic_connections_opened_total",
        "Connections that were let in or dialled, by protocol.",
        |traffic| traffic.opened,
    ),
    ("coffeed_quic_sent_bytes_total", "Bytes that were sent in datagrams over connections.", |traffic| {
        traffic.carried.bytes_sent
    }),
    ("coffeed_quic_received_bytes_total", "Bytes that came in datagrams over connections.", |traffic| {
        traffic.carried.bytes_received
    }),
    (
        "coffeed_quic_packets_sent_total",
        "Packets that were sent, those that repeat what was lost included.",
        |traffic| traffic.carried.packets_sent,
    ),
    (
        "coffeed_quic_packets_lost_total",
        "Packets that were given up as lost; what was in them is sent again.",
        |traffic| traffic.carried.packets_lost,
    ),
    (
        "coffeed_quic_lost_bytes_total",
        "Bytes in packets that were given up as lost, hence sent again.",
        |traffic| traffic.carried.bytes_lost,
    ),
    (
        "coffeed_quic_congestion_events_total",
        "How often a path was found to be overloaded, so that less was sent.",
        |traffic| traffic.carried.congestion_events,
    ),
];

pub(super) fn write(text: &mut Text, node: &Node) {
    let endpoint = node.pool().endpoint();
    let survey = endpoint.survey();
    let help = "Connections that are open, by protocol.";
    samples(text.family("coffeed_quic_connections", Kind::Gauge, help), &survey, |traffic| traffic.open);
    text.gauge(
        "coffeed_quic_connections_limit",
        "How many connections there may be (limits.connections_max).",
        endpoint.connections_max() as u64,
    );
    for (name, help, number) in COUNTERS {
        samples(text.family(name, Kind::Counter, help), &survey, number);
    }
    let help = "The round trip to a peer, as QUIC estimates it, while there is a connection.";
    let mut family = text.family("coffeed_quic_peer_rtt_seconds", Kind::Gauge, help);
    for (peer, rtt) in &survey.round_trips {
        family.sample(&[("peer", peer.as_str())], rtt.as_secs_f64());
    }
}

fn samples(mut family: Family<'_>, survey: &Survey, number: Number) {
    for (name, protocol) in PROTOCOLS {
        family.sample(&[("protocol", name)], number(survey.of(protocol)));
    }
}
