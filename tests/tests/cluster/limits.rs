//! Limits and log level, changed by a reload while a daemon runs.

use std::{fs, time::Duration};

use coffee_common::{
    limits::{CONNECTIONS_RANGE, VALUE_BYTES_MAX},
    protocol::Role,
    quic::{Connection, Endpoint, EndpointOptions, Expect, Protocol},
};
use coffee_tests::cluster::Cluster;
use futures_util::future::join_all;
use tokio::time::timeout;

/// Writes at once: of 1 MiB each, less than a node has in flight unless it is told.
const WRITES: usize = 32;

const PATIENCE: Duration = Duration::from_secs(60);

/// A lower limit keeps newcomers out and those who are in; a higher one lets
/// them in again.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_up_how_many_connections_there_may_be() {
    let mut cluster = Cluster::of(1).start().await;
    let fewest = *CONNECTIONS_RANGE.start();
    let endpoint = Endpoint::dial_only(&cluster.credentials(Role::Reader), &EndpointOptions::default());
    let endpoint = endpoint.expect("an endpoint");
    let address = cluster.node("ming").address();
    let connect = || endpoint.connect(&address, &Expect::AnyNode, Protocol::Client);
    let mut connections: Vec<Connection> = Vec::new();
    for _ in 0..=fewest {
        connections.push(connect().await.expect("room for all"));
    }

    let config = fs::read_to_string(cluster.node("ming").config()).expect("reads");
    let with = |limit: &str| format!("{config}[limits]\n{limit}\n");
    cluster.node("ming").write_config(&with("connections_max = 1"));
    cluster.coffeectl(["reload"]).fails(8, "limits.connections_max is 1").await;
    cluster.node("ming").write_config(&with(&format!("connections_max = {fewest}")));
    let from = cluster.node("ming").log().len();
    // Nobody else gets in by then, so it is told by a signal.
    cluster.node("ming").signal("HUP").await;
    cluster.node("ming").says_from(from, "limits.connections_max").await;
    connect().await.expect_err("there are too many already");
    assert!(connections.iter().all(|connection| !connection.is_closed()), "those who were in stay");

    for connection in connections.drain(fewest / 2..) {
        connection.close("make room");
        connection.closed().await;
    }
    // Closed connections count until both sides have forgotten them.
    let room = async {
        loop {
            let ended = cluster.coffeectl(["reload"]).run().await;
            if ended.code == Some(0) {
                break ended.stdout;
            }
        }
    };
    let said = timeout(PATIENCE, room).await.expect("closed connections are forgotten");
    assert_eq!(String::from_utf8_lossy(said.as_ref()), "ming: nothing has changed\n");
    cluster.node("ming").write_config(&config);
    let said = cluster.coffeectl(["reload"]).ok().await;
    assert_eq!(said, "ming: reloaded limits.connections_max\n");
    for _ in 0..fewest {
        connections.push(connect().await.expect("room again"));
    }
}

/// With less room, writes that come together are turned away, and done later.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_up_how_many_bytes_may_be_in_flight() {
    let mut cluster = Cluster::of(1).with("[admin]\nlisten = \"127.0.0.1:0\"\n").start().await;
    let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(60));
    let write_all = || async {
        let value = vec![7; VALUE_BYTES_MAX];
        let writes = (0..WRITES).map(|n| client.set(format!("large/{n}"), value.clone()));
        for written in join_all(writes).await {
            written.expect("sooner or later");
        }
    };
    write_all().await;
    let overloads = async |cluster: &mut Cluster| {
        let words = ["verb=\"write\"", "outcome=\"overloaded\""];
        cluster.node("ming").metric("coffeed_requests_total", &words).await
    };
    assert_eq!(overloads(&mut cluster).await, 0.0, "there was room for all");
    let config = fs::read_to_string(cluster.node("ming").config()).expect("reads");
    cluster.node("ming").write_config(&format!("{config}[limits]\nwrite_bytes_in_flight_max = 4194304\n"));
    let said = cluster.coffeectl(["reload"]).ok().await;
    assert_eq!(said, "ming: reloaded limits.write_bytes_in_flight_max\n");
    write_all().await;
    assert_ne!(overloads(&mut cluster).await, 0.0, "there was room for three");
}

/// Another level in the configuration counts; the same one leaves alone what
/// somebody set by hand.
#[tokio::test]
async fn a_reload_takes_up_the_log_level() {
    let mut cluster = Cluster::of(1).start().await;
    let config = fs::read_to_string(cluster.node("ming").config()).expect("reads");
    cluster.coffeectl(["log-level", "trace"]).ok().await;
    assert_eq!(cluster.coffeectl(["reload"]).ok().await, "ming: nothing has changed\n");
    assert_eq!(cluster.coffeectl(["log-level"]).ok().await, "ming logs trace\n");
    cluster.node("ming").write_config(&format!("{config}[log]\nlevel = \"debug\"\nformat = \"json\"\n"));
    let said = cluster.coffeectl(["reload"]).ok().await;
    assert_eq!(said, "ming: reloaded log.level\nming: only after a restart: log.format\n");
    assert_eq!(cluster.coffeectl(["log-level"]).ok().await, "ming logs debug\n");
}
