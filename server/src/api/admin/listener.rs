//! Listens, and answers one request per connection.
//!
//! hyper speaks HTTP/1. This module guards the bounds of monitoring: the number of connections, the
//! size of a head, and the time to receive it and to send a response. A slower client is disconnected.
//! Connections above the limit wait in the kernel's queue.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use coffee_http::{names_this_machine, refuse_other_sites};
use hyper::{
    Method, Request, StatusCode, body::Incoming, http::request, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{
    Admin,
    response::{AdminResponse, SendTime},
};

/// The most connections at once. Viewers of the status page take less than half of them.
const CONNECTIONS_MAX: usize = 64;

/// The timeout for receiving a request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum size of a request head in bytes; hyper allows none below.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// The maximum number of header fields.
const HEAD_FIELDS_MAX: usize = 64;

/// The time limit of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after a connection could not be accepted, for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener of [`Admin::listen`]. It stops when this is dropped.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// Returns the address it listens on, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, and aborts the requests in progress.
    pub async fn close(&mut self) {
        self.task.abort();
        // Always an error: the task was aborted.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Admin {
    /// Serves monitoring on a TCP address until the returned listener is dropped.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn listen(self, address: SocketAddr) -> io::Result<Listening> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(self.accept(listener, address.ip().is_loopback()));
        Ok(Listening { address, task })
    }

    async fn accept(self, listener: TcpListener, on_loopback: bool) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // Aborted with this task.
        let mut connections = JoinSet::new();
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let admin = self.clone();
                    connections.spawn(async move {
                        let answer = |head: request::Parts| {
                            let admin = admin.clone();
                            async move { admin.answer_in_time(&head, on_loopback).await }
                        };
                        serve(stream, answer).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "failed to accept a monitoring connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    /// Answers, or says that it cannot in time: a connection holds a place.
    async fn answer_in_time(&self, head: &request::Parts, on_loopback: bool) -> AdminResponse {
        if let Some(refusal) = refuse_other_pages(head, on_loopback) {
            return refusal;
        }
        timeout(ANSWER_TIMEOUT, self.answer(&head.uri)).await.unwrap_or_else(|_| {
            AdminResponse::text(StatusCode::SERVICE_UNAVAILABLE, "the node does not answer in time\n")
        })
    }
}

/// Refuses the status page to pages of other sites: they could read it by DNS rebinding if it is on the
/// loopback, and take the places of its viewers.
fn refuse_other_pages(head: &request::Parts, on_loopback: bool) -> Option<AdminResponse> {
    let path = head.uri.path();
    if path != "/" && !path.starts_with("/page/") {
        return None;
    }
    if on_loopback && !names_this_machine(head) {
        let text = "open this page at localhost or 127.0.0.1; a proxy before it must send such a Host\n";
        return Some(AdminResponse::text(StatusCode::MISDIRECTED_REQUEST, text));
    }
    let is_stream = path == "/page/events";
    (is_stream && refuse_other_sites(head, "http").is_err())
        .then(|| AdminResponse::text(StatusCode::FORBIDDEN, "a page of another site may not use this node\n"))
}

/// Serves one request on a stream, within the bounds of this module.
async fn serve<F: Future<Output = AdminResponse>>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: impl Fn(request::Parts) -> F,
) {
    let sending = Arc::new(SendTime::default());
    let service = service_fn(|request: Request<Incoming>| {
        let (answer, sending) = (&answer, &sending);
        async move {
            let is_head = request.method() == Method::HEAD;
            let response = match is_head || request.method() == Method::GET {
                true => answer(request.into_parts().0).await,
                false => AdminResponse::method_not_allowed(),
            };
            Ok::<_, Infallible>(response.begin(is_head, sending))
        }
    });
    tokio::select! {
        served = http1_builder().serve_connection(TokioIo::new(stream), service) => {
            if let Err(error) = served {
                tracing::debug!(%error, "failed to serve a monitoring connection");
            }
        }
        () = sending.exceeded() => tracing::debug!("failed to send a monitoring response in time"),
    }
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEAD_FIELDS_MAX)
        .keep_alive(false)
        // A client that closes its half of the connection after the request still reads.
        .half_close(true);
    builder
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::Instant,
    };

    use super::*;

    /// Serves a page of this size.
    async fn serve_page(stream: impl AsyncRead + AsyncWrite + Unpin, bytes: usize) {
        serve(stream, |_| async move { AdminResponse::text(StatusCode::OK, "x".repeat(bytes)) }).await;
    }

    /// Sends bytes, ends its half of the connection if they are a whole request, and returns the response
    /// and how long the node waited.
    async fn response_to(request: &[u8]) -> (String, Duration) {
        let (mut client, node) = duplex(1 << 20);
        let began = Instant::now();
        let serving = tokio::spawn(serve_page(node, 3));
        client.write_all(request).await.expect("there is room");
        if request.ends_with(b"\r\n\r\n") {
            client.shutdown().await.expect("closes");
        }
        let mut response = Vec::new();
        client.read_to_end(&mut response).await.expect("it is closed");
        serving.await.expect("no panic");
        (String::from_utf8_lossy(&response).to_lowercase(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_head_is_not_waited_for() {
        for request in [&b""[..], b"GET / HTTP/1.1\r\nHost: x\r\n"] {
            let (response, waited) = response_to(request).await;
            assert_eq!(response, "");
            let late = HEAD_TIMEOUT + Duration::from_millis(10);
            assert!((HEAD_TIMEOUT..late).contains(&waited), "{waited:?}");
        }
    }

    #[test]
    fn pages_of_other_sites_do_not_see_the_status_page() {
        let verdict = |path: &str, on_loopback, headers: &[(&str, &str)]| {
            let request = Request::get(path);
            let request =
                headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let head = request.body(()).expect("legal").into_parts().0;
            refuse_other_pages(&head, on_loopback).map_or(200, |refusal| refusal.status.as_u16())
        };
        let rebound = [("host", "evil.example:7390")];
        for (path, on_loopback, headers, status) in [
            ("/", true, &[("host", "127.0.0.1:7390")][..], 200),
            ("/", true, &rebound, 421),
            ("/page/events", true, &rebound, 421),
            ("/metrics", true, &rebound, 200),
            ("/", false, &rebound, 200),
            ("/", false, &[("host", "ming:7390"), ("sec-fetch-site", "cross-site")], 200),
            ("/page/events", false, &[("host", "ming:7390"), ("sec-fetch-site", "cross-site")], 403),
            ("/page/events", false, &[("host", "ming:7390"), ("sec-fetch-site", "same-origin")], 200),
            ("/page/events", false, &[("host", "ming:7390")], 200),
        ] {
            assert_eq!(verdict(path, on_loopback, headers), status, "{path} {on_loopback} {headers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_is_not_read_ends_the_connection() {
        let (mut client, node) = duplex(1 << 10);
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("there is room");
        let began = Instant::now();
        serve_page(node, 1 << 20).await;
        let late = SendTime::MAX + Duration::from_millis(10);
        assert!((SendTime::MAX..late).contains(&began.elapsed()), "{:?}", began.elapsed());
    }

    /// Serves events of this size, one a second.
    async fn serve_events(stream: impl AsyncRead + AsyncWrite + Unpin, bytes: usize) {
        let events = move || {
            let looks = tokio::time::interval(Duration::from_secs(1));
            let events = futures_util::stream::unfold(looks, move |mut looks| async move {
                looks.tick().await;
                Some(("x".repeat(bytes), looks))
            });
            AdminResponse::events(Box::pin(events))
        };
        serve(stream, |_| async { events() }).await;
    }

    #[tokio::test(start_paused = true)]
    async fn events_that_are_not_read_end_the_connection_and_others_do_not() {
        let (mut client, node) = duplex(1 << 10);
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("there is room");
        let began = Instant::now();
        serve_events(node, 100 << 10).await;
        let late = SendTime::MAX + Duration::from_millis(10);
        assert!((SendTime::MAX..late).contains(&began.elapsed()), "{:?}", began.elapsed());

        let (mut client, node) = duplex(1 << 10);
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("there is room");
        let serving = tokio::spawn(serve_events(node, 30 << 10));
        let mut received = vec![0; 20 * (30 << 10)];
        client.read_exact(&mut received).await.expect("it goes on");
        drop(client);
        serving.await.expect("no panic");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_is_refused() {
        let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEAD_FIELDS_MAX + 1));
        for request in [long, many] {
            let (response, waited) = response_to(request.as_bytes()).await;
            assert!(response.starts_with("http/1.1 431 "), "{response}");
            assert_eq!(waited, Duration::ZERO);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_response_has_the_fields_that_keep_it_harmless() {
        for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 405), ("DELETE", 405)] {
            let (response, _) =
                response_to(format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await;
            let (head, body) = response.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{method}: {head}");
            for field in ["connection: close", "cache-control: no-store", "x-content-type-options: nosniff"] {
                assert_eq!(head.matches(field).count(), 1, "{method}: {head}");
            }
            assert_eq!(head.contains("\r\nallow: get, head"), status == 405, "{method}: {head}");
            if status == 200 {
                assert!(head.contains("\r\ncontent-length: 3"), "{method}: {head}");
                assert_eq!(body, if method == "GET" { "xxx" } else { "" });
            }
        }
    }
}
