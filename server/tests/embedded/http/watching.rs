//! Watches: server-sent events, JSON lines, and the long poll.

use std::time::Duration;

use coffee_common::protocol::Role;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::client::TlsStream;

use super::{caller::HttpCaller, config, founder};
use crate::support::EmbeddedCluster;

/// An open response.
struct OpenStream {
    stream: TlsStream<TcpStream>,
    received: String,
}

impl OpenStream {
    async fn open(caller: &HttpCaller, target: &str, header: &str) -> Self {
        let mut stream = caller.connect(b"http/1.1").await.expect("is trusted");
        let head = format!("GET {target} HTTP/1.1\r\nHost: ming\r\n{header}\r\n");
        stream.write_all(head.as_bytes()).await.expect("is sent");
        Self { stream, received: String::new() }
    }

    /// Reads on until something was received, and returns everything so far.
    async fn until(&mut self, expected: &str) -> &str {
        let reading = async {
            while !self.received.contains(expected) {
                let mut buffer = [0; 4096];
                let bytes = self.stream.read(&mut buffer).await.expect("readable");
                assert!(bytes > 0, "it ended without {expected:?}: {}", self.received);
                self.received.push_str(&String::from_utf8_lossy(&buffer[..bytes]));
            }
        };
        timeout(Duration::from_secs(20), reading).await.expect("in time");
        &self.received
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_resume_after_the_last_one() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let mut watch = OpenStream::open(&till, "/v1/watch?prefix=order/", "Accept: text/event-stream\r\n").await;
    watch.until("retry: ").await;
    till.put("/v1/kv/other", b"x").await;
    let first = till.put("/v1/kv/order/1", b"latte\n\xff").await;
    let first = first.header("coffee-revision").to_owned();
    let text = watch.until(&format!("id: {first}\ndata: ")).await;
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    let text = watch.until("\"key\":\"order/1\"").await;
    assert!(!text.contains("\"key\":\"other\""), "{text}");
    drop(watch);

    till.send("DELETE", "/v1/kv/order/1", &[], b"").await;
    let header = format!("Last-Event-ID: {first}\r\n");
    let mut watch = OpenStream::open(&till, "/v1/watch?prefix=order/&from=1", &header).await;
    let text = watch.until("\"event\":\"del\"").await;
    assert!(!text.contains("\"event\":\"set\""), "it is not told again: {text}");
}

/// A browser that comes back to a status other than 200 gives up for good.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_source_that_comes_back_at_a_bad_time_comes_back_again() {
    let cluster = EmbeddedCluster::new();
    let hong = cluster.builder(config(&cluster, "hong")).start().await.expect("it starts, in no cluster");
    let till = HttpCaller::new(&cluster, &hong, Role::Reader);
    let first = till.get("/v1/watch").await;
    assert_eq!((first.status, first.json()["code"].as_str()), (503, Some("no_cluster")));
    let mut again = OpenStream::open(&till, "/v1/watch", "Last-Event-ID: 7\r\n").await;
    let text = again.until("\"no_cluster\"").await;
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    assert!(text.contains("retry: 1000\n\nevent: failed\ndata: "), "{text}");
    let lines = "Last-Event-ID: 7\r\nAccept: application/jsonl\r\n";
    OpenStream::open(&till, "/v1/watch", lines).await.until("HTTP/1.1 503 ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_a_revision_and_a_stop_ends_the_stream() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let mut watch = OpenStream::open(&till, "/v1/watch", "Accept: application/jsonl\r\n").await;
    watch.until("\"changes\":[]").await;
    till.put("/v1/kv/order/1", b"latte").await;
    watch.until("\"value\":\"latte\"").await;
    ming.shutdown().await;
    let mut rest = String::new();
    let read = timeout(Duration::from_secs(10), watch.stream.read_to_string(&mut rest)).await;
    assert!(read.is_ok(), "it is closed: {rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_is_answered_by_the_next_change() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let quiet = till.get("/v1/watch?wait=1ms").await.json();
    assert_eq!(quiet["changes"].as_array().map(Vec::len), Some(0));
    let after = format!("/v1/watch?prefix=order/&from={}&wait=30s", quiet["revision"]);
    let began = Instant::now();
    let (poll, _) = tokio::join!(till.get(&after), till.put("/v1/kv/order/1", b"latte"));
    assert_eq!(poll.json()["changes"][0]["value"], "latte");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let key = format!("/v1/watch?key=order/1&from={}&values=false&wait=1s", quiet["revision"]);
    let key = till.get(&key).await.json();
    assert_eq!(key["changes"][0]["event"], "set");
    assert!(key["changes"][0].get("value").is_none());
    let lost = till.get("/v1/watch?from=0&wait=1ms").await;
    assert_eq!((lost.status, lost.json()["code"].as_str()), (410, Some("compacted")), "{lost:?}");
    assert!(lost.json()["floor"].is_number());
    let ahead = till.get("/v1/watch?from=1000000&wait=1ms").await;
    assert_eq!(ahead.status, 400, "a revision of another cluster: {ahead:?}");
}
