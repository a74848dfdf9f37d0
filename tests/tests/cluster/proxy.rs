//! The HTTP API through `coffeectl proxy`: programs without certificates, and nodes that fail.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, process::Stdio, time::Duration};

use coffee_tests::{cluster::Cluster, processes};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, Lines},
    net::{TcpStream, UnixStream},
    process::{Child, ChildStderr},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running proxy of a cluster.
struct RunningProxy {
    process: Child,
    /// `HOST:PORT`.
    address: String,
    socket: PathBuf,
    /// Kept open: it may say more.
    _stderr: Lines<BufReader<ChildStderr>>,
}

/// A response whose length was known.
#[derive(Debug)]
struct ProxyReply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl ProxyReply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl RunningProxy {
    async fn start(cluster: &Cluster) -> Self {
        let socket = cluster.folder().join("proxy.sock");
        let words = ["proxy", "--listen", "127.0.0.1:0", "--unix"];
        let mut command = cluster.coffeectl(words).args([&socket]).into_command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("coffeectl starts");
        let mut stderr = BufReader::new(process.stderr.take().expect("it is ours")).lines();
        let mut said = Vec::new();
        // Two places, each with an example.
        for _ in 0..4 {
            said.push(stderr.next_line().await.expect("text").expect("it runs"));
        }
        let address = said[0].strip_prefix("listening on http://").expect("it says where").to_owned();
        assert_eq!(said[1], format!("hint: curl http://{address}/v1/kv/KEY"));
        Self { process, address, socket, _stderr: stderr }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.expect("it listens")
    }

    /// Sends a request as a program does that asks once.
    async fn ask(&self, request: &str, body: &str) -> ProxyReply {
        exchange(self.connect().await, &format!("{request}\r\nHost: {}", self.address), body).await
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &str, body: &str) -> ProxyReply {
    let head = head.replacen("\r\n", " HTTP/1.1\r\n", 1);
    let length = body.len();
    let text = format!("{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.expect("it reads");
    let mut received = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut received)).await.expect("in time").expect("it answers");
    let end = received.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&received[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    ProxyReply { status, head, body: received[end + 4..].to_vec() }
}

#[tokio::test]
async fn programs_without_a_certificate_use_the_cluster() {
    let cluster = Cluster::of(3).start().await;
    let mut proxy = RunningProxy::start(&cluster).await;
    let put = proxy.ask("PUT /v1/kv/order/1", "latte").await;
    assert_eq!(put.status, 201, "{put:?}");
    let request_id = put.json()["request_id"].as_str().expect("it was given one").to_owned();
    assert!(put.head.contains(&format!("coffee-request-id: {request_id}")), "{put:?}");
    let again = proxy.ask(&format!("PUT /v1/kv/order/1\r\nCoffee-Request-Id: {request_id}"), "latte").await;
    assert_eq!(again.json()["revision"], put.json()["revision"], "applied once");
    let got = proxy.ask("GET /v1/kv/order/1", "").await;
    assert_eq!((got.status, &got.body[..]), (200, &b"latte"[..]), "{got:?}");
    let listed = proxy.ask("GET /v1/kv?prefix=order/&values", "").await.json();
    assert_eq!((&listed["keys"][0]["value"], &listed["more"]), (&"latte".into(), &false.into()));
    let document = r#"{"if":[{"key":"order/1","value":"latte"}],"then":[{"add":"count","by":3}]}"#;
    let done = proxy.ask("POST /v1/txn", document).await.json();
    assert_eq!((&done["succeeded"], &done["steps"][0]["number"]), (&true.into(), &3.into()));
    let changed = proxy.ask("PUT /v1/kv/order/1\r\nIf-None-Match: *", "mocha").await;
    assert_eq!(changed.status, 412, "{changed:?}");
    assert!(changed.head.contains("coffee-applied: no"), "{changed:?}");
    let from = put.json()["revision"].as_u64().expect("a revision") - 1;
    let polled = proxy.ask(&format!("GET /v1/watch?prefix=order/&from={from}&wait=20s"), "").await.json();
    assert_eq!(polled["changes"][0]["value"], "latte", "{polled}");

    for attack in [
        "PUT /v1/kv/order/1\r\nSec-Fetch-Site: cross-site",
        "PUT /v1/kv/order/1\r\nOrigin: http://evil.example",
    ] {
        assert_eq!(proxy.ask(attack, "poison").await.status, 403, "{attack}");
    }
    let rebound = "PUT /v1/kv/order/1\r\nHost: evil.example\r\nOrigin: http://evil.example";
    let rebound = exchange(proxy.connect().await, rebound, "poison").await;
    assert_eq!(rebound.status, 403, "{rebound:?}");
    let other_cluster = format!("GET /v1/kv/order/1\r\nCoffee-Cluster: {}", "0".repeat(32));
    assert_eq!(proxy.ask(&other_cluster, "").await.status, 421);

    let mode = std::fs::metadata(&proxy.socket).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let stream = UnixStream::connect(&proxy.socket).await.expect("it listens");
    let got = exchange(stream, "GET /v1/kv/order/1\r\nHost: anything", "").await;
    assert_eq!((got.status, &got.body[..]), (200, &b"latte"[..]), "{got:?}");

    processes::signal(proxy.process.id().expect("it runs"), "TERM").await;
    let ended = timeout(PATIENCE, proxy.process.wait()).await.expect("it ends").expect("it is ours");
    assert_eq!(ended.code(), Some(0));
    assert!(!proxy.socket.exists(), "the socket goes with it");
}

/// The next document of a stream. The lengths of chunks are lines, too.
async fn next_document(lines: &mut Lines<BufReader<TcpStream>>) -> Value {
    loop {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("text");
        let line = line.expect("it goes on");
        if line.starts_with('{') {
            return serde_json::from_str(&line).expect("JSON");
        }
    }
}

#[tokio::test]
async fn a_watch_goes_on_and_writes_succeed_while_nodes_are_killed() {
    const CHANGES: usize = 200;
    let mut cluster = Cluster::of(3).start().await;
    let proxy = RunningProxy::start(&cluster).await;
    let mut stream = proxy.connect().await;
    let host = &proxy.address;
    let request = "GET /v1/watch?prefix=order/ HTTP/1.1\r\nAccept: application/jsonl\r\n";
    stream.write_all(format!("{request}Host: {host}\r\n\r\n").as_bytes()).await.expect("it reads");
    let mut lines = BufReader::new(stream).lines();
    assert!(next_document(&mut lines).await["revision"].is_u64(), "it says where it begins");
    let watching = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < CHANGES {
            let document = next_document(&mut lines).await;
            let changes = document["changes"].as_array().unwrap_or_else(|| panic!("{document}")).clone();
            let keys = changes.iter().map(|change| change["key"].as_str().expect("a key").to_owned());
            seen.extend(keys);
        }
        seen
    });
    let name = |n: usize| format!("order/{n:03}");
    let mut killed = Vec::new();
    for n in 0..CHANGES {
        if n % 100 == 25 {
            // The leader, then the one that leads after it.
            let leader = cluster.leader().await;
            cluster.node(&leader).kill().await;
            killed.push(leader);
        }
        let put = proxy.ask(&format!("PUT /v1/kv/{}?timeout=50s", name(n)), "latte").await;
        assert_eq!(put.status, 201, "{n}: {put:?}");
        if n % 100 == 40
            && let Some(node) = killed.last()
        {
            cluster.node(node).start().await;
            cluster.coffeectl(["wait", "--for", "synced", "--node", node]).ok().await;
        }
    }
    assert_eq!(killed.len(), 2);
    let seen = watching.await.expect("ends");
    assert_eq!(seen, (0..CHANGES).map(name).collect::<Vec<_>>(), "all, each once, in order");
}
