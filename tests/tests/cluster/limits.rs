//! Limits and log level, changed by a reload at run time.

use std::{fs, time::Duration};

use coffee_client::PageOptions;
use coffee_common::{
    frame,
    key::KeyRange,
    limits::{CONNECTIONS_RANGE, PLAIN_VALUE_BYTES_MAX, VALUE_BYTES_MAX},
    protocol::{Consistency, Request, RequestFrame, Role},
    quic::{Connection, Endpoint, EndpointOptions, Expect, Priority, Protocol},
};
use coffee_tests::cluster::Cluster;
use futures_util::future::join_all;
use tokio::time::timeout;

/// Concurrent writes of 1 MiB each: below the default limit in flight.
const WRITES: usize = 32;

/// Lists of keys that are asked for at once.
const LISTS: u64 = 500;

const PATIENCE: Duration = Duration::from_secs(60);

/// A lower connection limit rejects new connections and closes existing ones; a higher
/// one accepts them again.
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
        connections.push(connect().await.expect("below the limit"));
    }

    let config = fs::read_to_string(cluster.node("ming").config()).expect("reads");
    let with = |limit: &str| format!("{config}[limits]\n{limit}\n");
    cluster.node("ming").write_config(&with("connections_max = 1"));
    cluster.coffeectl(["reload"]).fails(8, "limits.connections_max is 1").await;
    cluster.node("ming").write_config(&with(&format!("connections_max = {fewest}")));
    let from = cluster.node("ming").log().len();
    // Admin connections are rejected as well, so the reload is sent by signal.
    cluster.node("ming").signal("HUP").await;
    cluster.node("ming").says_from(from, "limits.connections_max").await;
    connect().await.expect_err("there are too many already");
    assert!(connections.iter().all(|connection| !connection.is_closed()), "existing connections stay");

    for connection in connections.drain(fewest / 2..) {
        connection.close("close");
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
        connections.push(connect().await.expect("below the limit again"));
    }
}

/// A client with all its connections is told which setting it meets; others get in.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_up_how_many_connections_a_client_may_have() {
    let mut cluster = Cluster::of(1).start().await;
    let config = fs::read_to_string(cluster.node("ming").config()).expect("reads");
    let limit = "[limits]\nconnections_per_client_max = 4\n";
    cluster.node("ming").write_config(&format!("{config}{limit}"));
    let said = cluster.coffeectl(["reload"]).ok().await;
    assert_eq!(said, "ming: reloaded limits.connections_per_client_max\n");
    let endpoint = Endpoint::dial_only(&cluster.credentials(Role::Reader), &EndpointOptions::default());
    let (endpoint, address) = (endpoint.expect("an endpoint"), cluster.node("ming").address());
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections
            .push(endpoint.connect(&address, &Expect::AnyNode, Protocol::Client).await.expect("one more"));
    }
    let get = |role| cluster.coffeectl(["get", "k"]).env("COFFEECTL_AS", role);
    get("reader-test").fails(5, "limits.connections_per_client_max").await;
    get("writer-test").fails(3, "k").await;
    assert!(connections.iter().all(|connection| !connection.is_closed()));
}

/// Lists that wait for their turn end with the connection that they came from.
#[tokio::test(flavor = "multi_thread")]
async fn lists_do_not_outlive_their_client() {
    let mut cluster = Cluster::of(1).with("[admin]\nlisten = \"127.0.0.1:0\"\n").start().await;
    let client = cluster.client(Role::Writer);
    for n in 0..4 {
        client.set(format!("large/{n}"), vec![7; VALUE_BYTES_MAX]).await.expect("written");
    }
    let endpoint = Endpoint::dial_only(&cluster.credentials(Role::Reader), &EndpointOptions::default());
    let (endpoint, address) = (endpoint.expect("an endpoint"), cluster.node("ming").address());
    let connected = endpoint.connect(&address, &Expect::AnyNode, Protocol::Client).await;
    let connection = connected.expect("is accepted");
    let (mut sender, mut receiver) = connection.open(Priority::Normal).await.expect("a stream");
    let list = |id| {
        let (range, consistency) = (KeyRange::prefix("large/"), Consistency::Local);
        let request = Request::Range { range, limit: 0, keys_only: true, consistency, empty_pages: true };
        let ask = RequestFrame {
            id,
            timeout_ms: 600_000,
            on_behalf_of: None,
            sent_from: None,
            cluster: None,
            request,
        };
        frame::encode(&ask).expect("a frame")
    };
    let mut lists: Vec<_> = (0..LISTS).map(list).collect();
    sender.send_all(&mut lists).await.expect("is sent");
    receiver.receive().await.expect("the first").expect("an answer");
    connection.close("no time for the others");
    let counted = |outcome: &'static str| ["verb=\"range\"", outcome];
    let all_ended =
        async { while cluster.node("ming").metric("coffeed_requests_in_flight", &[]).await > 0.0 {} };
    timeout(PATIENCE, all_ended).await.expect("they end");
    let read = cluster.node("ming").metric("coffeed_requests_total", &counted("outcome=\"ok\"")).await;
    assert!((1.0..LISTS as f64 / 2.0).contains(&read), "{read} of {LISTS} lists were read");
    // Another client is served at once, with its own share.
    assert!(client.range(KeyRange::prefix("large/"), PageOptions::default()).await.is_ok());
}

/// With a lower limit, concurrent writes are rejected and retried until they succeed.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_up_how_many_bytes_may_be_in_flight() {
    let mut cluster = Cluster::of(1).with("[admin]\nlisten = \"127.0.0.1:0\"\n").start().await;
    let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(60));
    let write_all = || async {
        let value = vec![7; PLAIN_VALUE_BYTES_MAX];
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

/// A quota rejects writes that add data. Deletes make room at once, a higher quota does too.
#[tokio::test]
async fn a_quota_of_data() {
    let cluster = Cluster::of(1).start().await;
    let value = "x".repeat(700);
    cluster.coffeectl(["set", "a", &value]).ok().await;
    let quota = async |words: &[&str]| cluster.coffeectl([&["settings"], words].concat()).ok().await;
    assert_eq!(quota(&["set", "data_bytes_max", "1000"]).await, "data_bytes_max is 1000 now: it was 0\n");
    cluster.coffeectl(["set", "b", &value]).fails(8, "the data would exceed its quota").await;
    let beyond = ["settings", "set", "data_bytes_max", "2000TiB"];
    cluster.coffeectl(beyond).fails(2, "data_bytes_max cannot be '2000TiB'").await;
    cluster.coffeectl(["settings", "unset", "quota"]).fails(2, "there is no setting 'quota'").await;
    cluster.coffeectl(["del", "a"]).ok().await;
    cluster.coffeectl(["set", "b", &value]).ok().await;
    cluster.coffeectl(["set", "a", &value]).fails(8, "715 of 1000 bytes are in use").await;
    assert_eq!(
        quota(&["set", "data_bytes_max", "10KiB"]).await,
        "data_bytes_max is 10240 now: it was 1000\n"
    );
    cluster.coffeectl(["set", "a", &value]).ok().await;
    assert_eq!(quota(&["unset", "data_bytes_max"]).await, "data_bytes_max is 0 now: it was 10240\n");
}

/// A changed level in the configuration takes effect; an unchanged one keeps a level set
/// at run time.
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
