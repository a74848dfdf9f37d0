//! The status page on the monitoring port, as a browser fetches it.

use std::{net::SocketAddr, time::Duration};

use coffeed::Server;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    exposition::Exposition,
    support::{EmbeddedCluster, until_voter},
};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// The streams of events that a node serves at once.
const VIEWERS_MAX: usize = 24;

async fn founder(cluster: &EmbeddedCluster) -> Server {
    let mut config = cluster.config("ming");
    config.admin.listen = Some(LOOPBACK);
    cluster.found(cluster.builder(config)).await
}

/// Returns head and body of a response.
async fn get(node: &Server, target: &str) -> (String, String) {
    let mut stream = TcpStream::connect(node.admin_address().expect("it listens")).await.expect("connects");
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("is sent");
    let mut response = String::new();
    timeout(Duration::from_secs(20), stream.read_to_string(&mut response))
        .await
        .expect("in time")
        .expect("text");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    (head.to_lowercase(), body.to_owned())
}

/// A browser that shows the page.
struct Viewer(BufReader<TcpStream>);

impl Viewer {
    /// Asks for events, and returns the status of the response.
    async fn open(node: &Server) -> (Self, String) {
        let mut stream =
            TcpStream::connect(node.admin_address().expect("it listens")).await.expect("connects");
        stream.write_all(b"GET /page/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("is sent");
        let mut viewer = Self(BufReader::new(stream));
        let status = viewer.line().await;
        (viewer, status)
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(Duration::from_secs(20), self.0.read_line(&mut line));
        assert!(read.await.expect("in time").expect("text") > 0, "the stream goes on");
        line
    }

    /// Returns the next event whose data contain this.
    async fn event_with(&mut self, expected: &str) -> String {
        let event = async {
            loop {
                let line = self.line().await;
                if line.starts_with("data: ") && line.contains(expected) {
                    return line;
                }
            }
        };
        let event = timeout(Duration::from_secs(60), event).await;
        event.unwrap_or_else(|_| panic!("no event with {expected:?}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_with_its_files_and_asks_for_nothing_else() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster).await;
    let (head, page) = get(&ming, "/").await;
    assert!(head.starts_with("http/1.1 200 ") && head.contains("content-type: text/html"), "{head}");
    assert!(head.contains("content-security-policy: default-src 'none'; "), "{head}");
    assert!(!head.contains("unsafe-inline"), "{head}");
    assert!(page.contains("The cluster is well: 1 of 1 voters in reach"), "{page}");
    for path in ["/metrics", "/livez", "/readyz"] {
        assert!(page.contains(&format!(">{path}</a>")), "{path}: {page}");
    }
    for (file, content_type) in
        [("style.css", "text/css"), ("script.js", "text/javascript"), ("icon.svg", "image/svg+xml")]
    {
        assert!(page.contains(&format!("\"page/{file}\"")), "{file}: {page}");
        let (head, body) = get(&ming, &format!("/page/{file}")).await;
        assert!(head.starts_with("http/1.1 200 ") && head.contains(content_type), "{head}");
        assert!(!body.is_empty() && !body.contains("@import") && !body.contains("url("), "{file}");
    }
    assert!(get(&ming, "/page/none").await.0.starts_with("http/1.1 404 "));
    ming.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_a_node_go_down_without_asking_again() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster).await;
    let hong = cluster.joining("hong", &ming).await;
    until_voter(&hong).await;
    let (mut viewer, status) = Viewer::open(&ming).await;
    assert!(status.starts_with("HTTP/1.1 200 "), "{status}");
    let first = viewer.event_with("id=\"part-verdict\"").await;
    assert!(first.contains("id=\"part-nodes\"") && first.contains("id=\"part-facts\""), "{first}");
    // A part is sent again only if it has changed.
    if !first.contains("2 of 2 voters in reach") {
        viewer.event_with("2 of 2 voters in reach").await;
    }
    hong.shutdown().await;
    let event = viewer.event_with("there is no quorum: 1 of 2 voters are in reach").await;
    assert!(event.contains("<code>systemctl start coffeed</code>"), "{event}");
    ming.shutdown().await;
}

/// All viewers share what is rendered, and what other nodes are asked.
#[tokio::test(flavor = "multi_thread")]
async fn viewers_have_a_bound_and_do_not_multiply_questions() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster).await;
    let hong = cluster.joining("hong", &ming).await;
    until_voter(&hong).await;
    let asked = async || {
        let text = hong.metrics().await;
        Exposition::parse(&text).value("coffeed_requests_total", &[("verb", "status"), ("outcome", "ok")])
    };
    let (before, began) = (asked().await, Instant::now());
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS_MAX {
        let (viewer, status) = Viewer::open(&ming).await;
        assert!(status.starts_with("HTTP/1.1 200 "), "{status}");
        viewers.push(viewer);
    }
    let (_, status) = Viewer::open(&ming).await;
    assert!(status.starts_with("HTTP/1.1 503 "), "{status}");
    assert!(get(&ming, "/livez").await.0.starts_with("http/1.1 200 "), "there is room for others");
    for viewer in &mut viewers {
        for _ in 0..5 {
            viewer.event_with("id=\"part-as-of\"").await;
        }
    }
    let questions = asked().await - before;
    let most = began.elapsed().as_secs_f64() / 2.0 + 1.0;
    assert!((1.0..=most).contains(&questions), "{questions} in {:?}", began.elapsed());
    // The place of a viewer that leaves is free at its next event.
    viewers.pop();
    let free = async {
        while !Viewer::open(&ming).await.1.starts_with("HTTP/1.1 200 ") {
            viewers[0].event_with("id=\"part-as-of\"").await;
        }
    };
    timeout(Duration::from_secs(20), free).await.expect("in time");
    for node in [hong, ming] {
        node.shutdown().await;
    }
}
