//! Metrics, health checks and the log level, over HTTP on the loopback.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use coffee_client::{LogLevel, NodeLogLevel, Txn, TxnStep};
use coffee_common::protocol::Consistency;
use coffeed::{Closed, Server, StartError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    exposition::{Exposition, assert_promtool_agrees},
    support::{EmbeddedCluster, until_voter},
};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A founder with an admin listener.
async fn watched(cluster: &EmbeddedCluster, node: &str) -> Server {
    let mut config = cluster.config(node);
    config.admin.listen = Some(LOOPBACK);
    cluster.found(cluster.builder(config)).await
}

/// Sends these bytes and returns status and body of the response.
async fn exchange(node: &Server, request: &[u8]) -> (u16, String) {
    let asking = async {
        let mut stream = TcpStream::connect(node.admin_address().expect("it listens")).await?;
        stream.write_all(request).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(Duration::from_secs(20), asking).await.expect("in time").expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status: {head:?}")), body.to_owned())
}

pub(crate) async fn get(node: &Server, target: &str) -> (u16, String) {
    exchange(node, format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_follow_the_conventions_and_count_what_happens() {
    let cluster = EmbeddedCluster::new();
    let ming = watched(&cluster, "ming").await;
    let hong = cluster.joining("hong", &ming).await;
    until_voter(&hong).await;
    let client = cluster.client_at(&ming);
    for n in 0..5 {
        client.set(format!("order/{n}"), "latte").await.expect("is written");
    }
    client.get_with("order/1", Consistency::Local).await.expect("is read");
    let (_, text) = get(&ming, "/metrics").await;
    let shown = Exposition::parse(&text);
    assert_promtool_agrees(&text);

    let value = |name: &str, labels: &[(&str, &str)]| shown.value(name, labels);
    assert_eq!(value("coffeed_requests_total", &[("verb", "write"), ("outcome", "ok")]), 5.0);
    assert_eq!(value("coffeed_request_duration_seconds_count", &[("verb", "write")]), 5.0);
    assert_eq!(value("coffeed_requests_total", &[("verb", "get"), ("outcome", "ok")]), 1.0);
    assert_eq!(value("coffeed_raft_commit_duration_seconds_count", &[]), 5.0);
    assert_eq!(value("coffeed_ready", &[("check", "quorum")]), 1.0);
    assert_eq!(value("coffeed_requests_in_flight", &[]), 0.0);
    assert_eq!(value("coffeed_raft_is_leader", &[]), 1.0);
    assert_eq!(value("coffeed_raft_role", &[("role", "leader")]), 1.0);
    assert_eq!(value("coffeed_raft_role", &[("role", "follower")]), 0.0);
    assert_eq!(value("coffeed_raft_leader_changes_seen_total", &[]), 1.0);
    assert_eq!(value("coffeed_raft_voters", &[]), 2.0);
    assert!(value("coffeed_raft_peer_lag_entries", &[("peer", "hong")]) < 100.0);
    assert!(value("coffeed_raft_applied_index", &[]) >= 5.0);
    assert!(value("coffeed_log_sync_duration_seconds_count", &[]) >= 5.0);
    assert!(value("coffeed_log_sync_duration_seconds_sum", &[]) > 0.0);
    assert!(value("coffeed_log_batch_bytes_sum", &[]) > 25.0);
    assert!(value("coffeed_storage_file_bytes", &[("file", "log")]) >= f64::from(4 << 20));
    assert!(value("coffeed_disk_free_bytes", &[]) > 0.0);
    assert!((5.0..100.0).contains(&value("coffeed_request_memory_entries", &[])));
    assert!(value("coffeed_request_memory_bytes", &[]) >= 5.0 * 40.0);
    for protocol in ["peer", "client"] {
        let labels = [("protocol", protocol)];
        assert!(value("coffeed_quic_connections", &labels) >= 1.0, "{protocol}");
        assert!(value("coffeed_quic_connections_opened_total", &labels) >= 1.0, "{protocol}");
        assert!(value("coffeed_quic_packets_sent_total", &labels) > 0.0, "{protocol}");
        assert!(value("coffeed_quic_received_bytes_total", &labels) > 0.0, "{protocol}");
        assert!(value("coffeed_quic_packets_lost_total", &labels) >= 0.0, "{protocol}");
    }
    let rtt = value("coffeed_quic_peer_rtt_seconds", &[("peer", "hong")]);
    assert!(rtt > 0.0 && rtt < 1.0, "{rtt}");
    assert!(value("process_resident_memory_bytes", &[]) > f64::from(1 << 20));
    for node in [hong, ming] {
        assert_eq!(node.shutdown().await, Closed::Stopped);
    }
}

/// On the leader, wherever they were sent.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_counted_by_their_branch() {
    let cluster = EmbeddedCluster::new();
    let ming = watched(&cluster, "ming").await;
    let hong = cluster.joining("hong", &ming).await;
    until_voter(&hong).await;
    let client = cluster.client_at(&hong);
    let create = || Txn::new().when_absent("order/1").then(TxnStep::set("order/1", "latte"));
    for created in [true, false, false] {
        assert_eq!(client.txn(create()).await.expect("takes effect").succeeded, created);
    }
    client.add("order/1", 1).await.expect_err("latte is not a number");
    client.set("order/1", "tea").await.expect("is written");
    let (_, text) = get(&ming, "/metrics").await;
    let shown = Exposition::parse(&text);
    let counted = ["then", "else", "failed"]
        .map(|result| shown.value("coffeed_transactions_total", &[("result", result)]));
    assert_eq!(counted, [1.0, 2.0, 1.0]);
    for node in [ming, hong] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_of_a_process_counts_for_itself_and_needs_no_listener() {
    let cluster = EmbeddedCluster::new();
    let (ming, hong) = (cluster.founder("ming").await, cluster.founder("hong").await);
    assert_eq!(ming.admin_address(), None, "it is off by default");
    cluster.client_at(&ming).set("order/1", "latte").await.expect("is written");
    let written = async |node: &Server| {
        let text = node.metrics().await;
        assert!(!text.contains("\nprocess_"), "process metrics belong to the host program");
        assert_promtool_agrees(&text);
        Exposition::parse(&text).value("coffeed_requests_total", &[("verb", "write"), ("outcome", "ok")])
    };
    assert_eq!((written(&ming).await, written(&hong).await), (1.0, 0.0));
    for node in [hong, ming] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_comes_and_goes_with_the_quorum() {
    let cluster = EmbeddedCluster::new();
    let ming = watched(&cluster, "ming").await;
    assert_eq!(get(&ming, "/readyz").await, (200, "ok".to_owned()));
    let (status, text) = get(&ming, "/readyz?verbose").await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("[+]quorum ok: it leads and is the only voter\n"), "{text}");
    assert!(text.ends_with("readyz check passed\n"), "{text}");

    let hong = cluster.joining("hong", &ming).await;
    until_voter(&hong).await;
    hong.shutdown().await;
    let lost = async {
        loop {
            let (status, text) = get(&ming, "/readyz").await;
            if status == 503 {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let text = timeout(Duration::from_secs(20), lost).await.expect("it notices");
    assert!(text.contains("[-]quorum failed: "), "{text}");
    assert!(text.contains("[+]disk ok: ") && text.ends_with("readyz check failed\n"), "{text}");
    assert_eq!(get(&ming, "/readyz/disk").await.0, 200);
    assert_eq!(get(&ming, "/readyz/quorum").await.0, 503);
    assert_eq!(get(&ming, "/readyz?exclude=quorum").await, (200, "ok".to_owned()));
    assert_eq!(get(&ming, "/livez").await, (200, "ok".to_owned()), "a restart would not help");
    ming.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_waits_is_alive_and_not_ready() {
    let cluster = EmbeddedCluster::new();
    let mut config = cluster.config("ming");
    config.admin.listen = Some(LOOPBACK);
    let ming = cluster.try_start(config).await.expect("it starts");
    let (status, text) = get(&ming, "/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("[-]quorum failed: it belongs to no cluster: coffeectl boot ming, or for a new one: coffeectl init ming\n"), "{text}");
    let (status, text) = get(&ming, "/livez?verbose").await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("[+]consensus ok: "), "{text}");
    assert_promtool_agrees(&get(&ming, "/metrics").await.1);
    ming.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_is_rejected() {
    let cluster = EmbeddedCluster::new();
    let ming = watched(&cluster, "ming").await;
    assert_eq!(get(&ming, "/").await.0, 200);
    for target in ["/nothing", "/readyz/coffee", "/metrics/", "/readyz/disk/more", "//"] {
        assert_eq!(get(&ming, target).await.0, 404, "{target}");
    }
    for (request, status) in [
        (&b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n"[..], 405),
        (b"\x16\x03\x01\x00\x05hello", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
    ] {
        assert_eq!(exchange(&ming, request).await.0, status, "{}", String::from_utf8_lossy(request));
    }
    let (status, body) = exchange(&ming, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((status, body.as_str()), (200, ""));
    ming.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_does_not_hold_up_others_for_long() {
    let cluster = EmbeddedCluster::new();
    let ming = watched(&cluster, "ming").await;
    let client = cluster.client_at(&ming);
    let address = ming.admin_address().expect("it listens");
    // More connections than slots, each with half a request head.
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ").await.expect("written");
        slow.push(stream);
    }
    let begun = Instant::now();
    client.set("order/1", "latte").await.expect("is written");
    assert!(begun.elapsed() < Duration::from_secs(2), "a write took {:?}", begun.elapsed());
    // Each slot is free again after its timeout, and the connections at the head of the queue take it once.
    assert_eq!(get(&ming, "/livez").await.0, 200);
    for mut stream in slow {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "half a request has no response");
    }
    ming.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err(), "the listener is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_keeps_the_node_from_starting() {
    let cluster = EmbeddedCluster::new();
    let taken = std::net::TcpListener::bind(LOOPBACK).expect("binds");
    let mut config = cluster.config("ming");
    config.admin.listen = Some(taken.local_addr().expect("bound"));
    let error = cluster.try_start(config).await.err().expect("it is refused");
    assert!(matches!(error, StartError::Admin { .. }), "{error}");
    assert!(error.hint().contains("admin.listen"), "{}", error.hint());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_level_changes_only_if_the_host_program_supports_it() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    match cluster.client_at(&ming).log_level(Some(LogLevel::Debug)).await {
        Err(coffee_client::Error::Refused { reason, .. }) => {
            assert!(reason.contains("not supported here"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let level = Arc::new(Mutex::new(LogLevel::Info));
    let control = move |asked: Option<LogLevel>| {
        let mut level = level.lock().expect("no panic");
        let before = *level;
        *level = asked.unwrap_or(before);
        before
    };
    let hong = cluster.found(cluster.builder(cluster.config("hong")).log_control(control)).await;
    let client = cluster.client_at(&hong);
    let told = |level, changed| NodeLogLevel { node: "hong".parse().expect("legal"), level, changed };
    let asked = async |level| client.log_level(level).await.expect("answered");
    assert_eq!(asked(None).await, told(LogLevel::Info, false));
    assert_eq!(asked(Some(LogLevel::Debug)).await, told(LogLevel::Debug, true));
    assert_eq!(asked(Some(LogLevel::Debug)).await, told(LogLevel::Debug, false));
    assert_eq!(asked(None).await, told(LogLevel::Debug, false));
    for node in [hong, ming] {
        node.shutdown().await;
    }
}
