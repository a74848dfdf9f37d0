//! HTTP and JSON: reads, writes, and events to many watchers, beside QUIC and etcd's gateway.

mod connection;
mod events;
mod target;

use std::{fmt::Write, time::Duration};

use coffee_client::bench::{Plan, Work};
use coffee_tests::samples::Samples;

pub(crate) use self::connection::HttpEndpoint;
use self::target::{HttpApi, HttpTarget};
use crate::{
    coffeed::Coffeed,
    contestant::{Contestant, Loaded},
    etcd::EtcdCluster,
    load::{LoadTurn, name, turn, turn_at},
    options::CompareOptions,
};

/// Connections that watch.
const WATCHERS: usize = 1000;

/// Writes that each of them is told.
const EVENTS: u64 = 200;

/// A value for QUIC, for HTTP, and for etcd's gateway.
struct Sides<T> {
    quic: T,
    http: T,
    gateway: T,
}

/// Measures, and returns the results as Markdown.
pub(crate) async fn measure(options: &CompareOptions) -> String {
    let coffeed = Loaded::<Coffeed>::start(options, options.coffeed_connections).await;
    let etcd = Loaded::<EtcdCluster>::start(options, options.etcd_connections).await;
    let mut text = "Over HTTP/1.1 and JSON, a connection per client, all to the leader\n\n\
                    | | clients | QUIC/s | HTTP/s | of QUIC | etcd JSON/s | ratio | p50 ms QUIC | HTTP | etcd | \
                    p99 ms QUIC | HTTP | etcd | ops a CPU s HTTP | etcd |\n\
                    |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for clients in &options.clients {
        let http = connect(&coffeed.cluster, HttpApi::Coffeed, *clients).await;
        let gateway = connect(&etcd.cluster, HttpApi::EtcdGateway, *clients).await;
        for work in [Work::Put, Work::Get] {
            let keys = options.keys();
            let (warm_up, duration) = (Duration::ZERO, options.duration);
            let plan = Plan { work, clients: *clients, keys, warm_up, duration, rate: None };
            let mut turns = Vec::new();
            for _ in 0..options.rounds {
                turns.push(Sides {
                    quic: turn(&coffeed, &plan).await,
                    http: turn_at(&coffeed.cluster, &http, &plan).await,
                    gateway: turn_at(&etcd.cluster, &gateway, &plan).await,
                });
            }
            text += &row(work, *clients, &turns);
        }
    }
    let ours = events::measure(&coffeed, HttpApi::Coffeed, WATCHERS, EVENTS).await;
    let theirs = events::measure(&etcd, HttpApi::EtcdGateway, WATCHERS, EVENTS).await;
    let _ = write!(
        text,
        "\n{EVENTS} puts of one client, each told to {WATCHERS} connections that watch, spread over three nodes: \
         coffeed {:.0} events/s, etcd {:.0}; ratio {:.2}\n",
        ours,
        theirs,
        ours / theirs
    );
    text
}

async fn connect(cluster: &impl Contestant, api: HttpApi, connections: usize) -> Vec<HttpTarget> {
    let leader = &cluster.http()[0][cluster.leader().await];
    let mut targets = Vec::new();
    for _ in 0..connections {
        targets.push(HttpTarget::open(leader, api).await);
    }
    targets
}

fn row(work: Work, clients: usize, turns: &[Sides<LoadTurn>]) -> String {
    let medians = |figure: fn(&LoadTurn) -> f64| {
        let median = |side: fn(&Sides<LoadTurn>) -> &LoadTurn| {
            turns.iter().map(|turn| figure(side(turn))).collect::<Samples>().median()
        };
        [median(|turn| &turn.quic), median(|turn| &turn.http), median(|turn| &turn.gateway)]
    };
    let failures: f64 = medians(|turn| turn.failures).iter().sum();
    assert!(failures < 1.0, "{} with {clients} clients: operations failed", name(work));
    let [quic, http, gateway] = medians(|turn| turn.rate);
    let mut text = format!(
        "| {} | {clients} | {quic:.0} | {http:.0} | {:.2} | {gateway:.0} | {:.2} |",
        name(work),
        http / quic,
        http / gateway
    );
    for [quic, http, gateway] in [medians(|turn| turn.p50_ms), medians(|turn| turn.p99_ms)] {
        let _ = write!(text, " {quic:.2} | {http:.2} | {gateway:.2} |");
    }
    let [_, http, gateway] = medians(|turn| turn.per_cpu_second);
    let _ = writeln!(text, " {http:.0} | {gateway:.0} |");
    text
}
