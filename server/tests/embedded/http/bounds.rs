//! Requests that are too large, malformed or too many, and HTTP/2.

use std::future::poll_fn;

use bytes::Bytes;
use coffee_common::{limits::VALUE_BYTES_MAX, protocol::Role};
use http::{Method, Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    caller::{HttpCaller, parse, request},
    config, founder,
};
use crate::{admin, exposition::Exposition, support::EmbeddedCluster};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_before_it_is_in_memory() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let largest = till.put("/v1/kv/large", &vec![b'x'; VALUE_BYTES_MAX]).await;
    assert_eq!(largest.status, 201, "{largest:?}");
    assert_eq!(till.get("/v1/kv/large").await.body.len(), VALUE_BYTES_MAX);

    // The body itself is never sent.
    let length = VALUE_BYTES_MAX + 1;
    let announced = format!("PUT /v1/kv/k HTTP/1.1\r\nHost: ming\r\nContent-Length: {length}\r\n\r\n");
    let refused = parse(&till.exchange(announced.as_bytes()).await.expect("a response"));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (413, Some("too_large")));
    let mut chunked = b"PUT /v1/kv/k HTTP/1.1\r\nHost: ming\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..=VALUE_BYTES_MAX >> 16 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend_from_slice(&[b'x'; 1 << 16]);
        chunked.extend_from_slice(b"\r\n");
    }
    let refused = parse(&till.exchange(&chunked).await.expect("a response"));
    assert_eq!(refused.status, 413, "without an announced length");

    let head = format!("GET /v1/status HTTP/1.1\r\nHost: ming\r\nX: {}\r\n\r\n", "x".repeat(32 << 10));
    let refused = parse(&till.exchange(head.as_bytes()).await.expect("a response"));
    assert_eq!(refused.status, 431);
    assert_eq!(till.get("/v1/kv/k").await.status, 404, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_so_many_connections_and_leaves_room_for_others() {
    let cluster = EmbeddedCluster::new();
    let mut config = config(&cluster, "ming");
    config.limits.connections_per_client_max = 4;
    let ming = cluster.found(cluster.builder(config)).await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = till.connect(b"http/1.1").await.expect("is trusted");
        stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: ming\r\n\r\n").await.expect("is sent");
        let bytes = stream.read(&mut [0; 1024]).await.expect("a response");
        assert!(bytes > 0);
        open.push(stream);
    }
    let one_more = till.exchange(b"GET /v1/status HTTP/1.1\r\nHost: ming\r\n\r\n").await;
    assert!(one_more.is_err(), "{one_more:?}");
    let reader = HttpCaller::new(&cluster, &ming, Role::Reader);
    assert_eq!(reader.get("/v1/status").await.status, 200);
    drop(open);
    let freed = async { while till.exchange(&request("GET", "/v1/status", &[], b"")).await.is_err() {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), freed).await.expect("places are free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_say_why() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    for (method, target, status) in [
        ("GET", "/v1/none", 404),
        ("PATCH", "/v1/kv/k", 405),
        ("GET", "/v1/kv/%zz", 400),
        ("GET", "/v1/kv?limits=3", 400),
        ("GET", "/v1/kv/k?consistency=eventual", 400),
        ("GET", "/v1/kv/k?rev=1000000", 400),
        ("GET", "/v1/watch?wait=soon", 400),
        ("POST", "/v1/txn", 400),
        ("POST", "/v1/incr/k?by=two", 400),
    ] {
        let refused = till.send(method, target, &[], b"").await;
        assert_eq!(refused.status, status, "{method} {target}: {refused:?}");
        let body = refused.json();
        assert!(body["code"].is_string() && body["error"].is_string() && body["hint"].is_string(), "{body}");
    }
    let id = till.send("PUT", "/v1/kv/k", &[("Coffee-Request-Id", "7")], b"x").await;
    assert_eq!(id.status, 400);
    let cluster = [("Coffee-Cluster", &*"1".repeat(32))];
    assert_eq!(till.send("GET", "/v1/kv/k", &cluster, b"").await.status, 421);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_carries_many_requests_at_once() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let stream = till.connect(b"h2").await.expect("is trusted");
    let (mut sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request = |method: Method, n: u32| {
        Request::builder().method(method).uri(format!("https://ming/v1/kv/{n}")).body(()).expect("legal")
    };
    let mut responses = Vec::new();
    for n in 0..50 {
        sender = sender.ready().await.expect("there is room");
        let (response, mut body) = sender.send_request(request(Method::PUT, n), false).expect("is sent");
        body.send_data(Bytes::from(vec![b'x'; 1 << 10]), true).expect("is sent");
        responses.push(response);
    }
    for response in responses {
        assert_eq!(response.await.expect("a response").status(), StatusCode::CREATED);
    }
    let (response, _) = sender.send_request(request(Method::GET, 7), true).expect("is sent");
    let mut body = response.await.expect("a response").into_body();
    let mut bytes = 0;
    while let Some(piece) = body.data().await {
        let piece = piece.expect("a piece");
        body.flow_control().release_capacity(piece.len()).expect("was received");
        bytes += piece.len();
    }
    assert_eq!(bytes, 1 << 10);
    drop((sender, body));
    connection.await.expect("no panic").expect("it ends well");
}

/// A stream that is reset before its response would hide why.
#[tokio::test(flavor = "multi_thread")]
async fn http_2_says_that_a_body_is_too_large() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let stream = till.connect(b"h2").await.expect("is trusted");
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let mut sender = sender.ready().await.expect("there is room");
    let request = Request::put("https://ming/v1/kv/k").header("content-length", VALUE_BYTES_MAX + 1);
    let (response, mut body) = sender.send_request(request.body(()).expect("legal"), false).expect("is sent");
    body.send_data(Bytes::from(vec![b'x'; 1 << 10]), false).expect("is sent");
    let response = response.await.expect("a response");
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let document = response.into_body().data().await.expect("a document").expect("is received");
    assert!(document.starts_with(b"{"), "{document:?}");
    let reset = poll_fn(|context| body.poll_reset(context)).await.expect("the rest is not wanted");
    assert_eq!(reset, h2::Reason::NO_ERROR, "RFC 9113, section 8.1");
}

/// As in CVE-2023-44487.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_up_all_its_requests_loses_the_connection() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let stream = till.connect(b"h2").await.expect("is trusted");
    let (mut sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let mut connection = tokio::spawn(connection);
    let request =
        |target: &str| Request::builder().uri(format!("https://ming{target}")).body(()).expect("legal");
    let mut count = 0;
    let flood = async {
        loop {
            let mut given_up = Vec::new();
            for _ in 0..8 {
                let Ok(ready) = sender.ready().await else { return };
                sender = ready;
                let Ok(sent) = sender.send_request(request("/v1/watch?wait=30s"), true) else { return };
                given_up.push(sent);
            }
            // The node carries out the others once it has answered this one.
            let Ok(ready) = sender.ready().await else { return };
            sender = ready;
            let Ok((response, _)) = sender.send_request(request("/v1/status"), true) else { return };
            if response.await.is_err() {
                return;
            }
            given_up.iter_mut().for_each(|(_, stream)| stream.send_reset(h2::Reason::CANCEL));
            count += given_up.len();
        }
    };
    let ended = async {
        tokio::select! { () = flood => {}, _ = &mut connection => {} }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.expect("it is disconnected");
    assert!((100..1000).contains(&count), "after {count} requests");
    assert_eq!(till.get("/v1/status").await.status, 200, "others are served");
}

#[tokio::test(flavor = "multi_thread")]
async fn open_connections_are_counted_and_rejected_ones_by_reason() {
    let cluster = EmbeddedCluster::new();
    let mut config = config(&cluster, "ming");
    config.limits.connections_per_client_max = 4;
    config.admin.listen = Some(([127, 0, 0, 1], 0).into());
    let ming = cluster.found(cluster.builder(config)).await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let anonymous = HttpCaller::anonymous(&cluster, &ming);
    let status = request("GET", "/v1/status", &[], b"");
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = till.connect(b"http/1.1").await.expect("is trusted");
        stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: ming\r\n\r\n").await.expect("is sent");
        assert!(stream.read(&mut [0; 1024]).await.expect("a response") > 0);
        open.push(stream);
    }
    for caller in [&till, &anonymous, &anonymous] {
        assert!(caller.exchange(&status).await.is_err());
    }
    let (_, text) = admin::get(&ming, "/metrics").await;
    let shown = Exposition::parse(&text);
    let rejected = |reason| shown.value("coffeed_http_connections_rejected_total", &[("reason", reason)]);
    assert_eq!(shown.value("coffeed_http_connections", &[]), 4.0);
    assert_eq!(["client", "certificate", "node", "slow"].map(rejected), [1.0, 2.0, 0.0, 0.0]);
}
