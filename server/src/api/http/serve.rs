//! Serves a connection: HTTP/1.1 or HTTP/2, as client and node have agreed.
//!
//! Guards that a connection ends when its certificate has expired, when its client does not read, and when
//! it is idle for long.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    http::request,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_rustls::server::TlsStream;

use super::{
    body::{HttpBody, UnreadResponses},
    cluster,
    connections::{HttpConnection, HttpLink},
    door::{DoorContext, until_closing},
    error::HttpError,
    exchange::{Exchange, HttpReply},
    openapi,
    query::QueryParameters,
    reads, request_body,
    route::HttpRoute,
    transaction,
    watching::{self, WatchReply},
    writes,
};
use crate::{
    metrics::{ClientLimit, RequestKind},
    service::{Session, clients::COMPLETE_WITHIN},
};

/// The longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How long a connection of HTTP/1.1 may take for a head, the time included in which it is idle.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// How long a connection may be idle.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// The interval in which connections are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The most requests in progress per connection of HTTP/2.
const STREAMS_MAX: u32 = 128;

/// The most bytes of bodies per connection of HTTP/2 that were received, but not taken by a request.
const WINDOW_BYTES: u32 = 256 << 10;

/// The most bytes of a response that are given to a stream of HTTP/2 ahead of the client.
const SEND_BYTES_MAX: usize = 64 << 10;

/// The interval in which a client of HTTP/2 is asked whether it is there, and the time to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// The longest document of a transaction: JSON takes up to 6 bytes for one.
const TRANSACTION_BYTES_MAX: usize = 2 * coffee_common::limits::BATCH_BYTES_MAX;

/// A connection and what its requests share.
struct ServedConnection {
    door: Arc<DoorContext>,
    connection: Arc<HttpConnection>,
    session: Arc<Session>,
    unread: UnreadResponses,
}

/// A request that has no response yet.
struct RequestInProgress<'a> {
    served: &'a ServedConnection,
    is_answered: bool,
}

impl Drop for RequestInProgress<'_> {
    fn drop(&mut self) {
        self.served.connection.in_progress.fetch_sub(1, Ordering::Relaxed);
        if !self.is_answered {
            self.served.connection.note_given_up();
        }
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    door: Arc<DoorContext>,
    stream: TlsStream<TcpStream>,
    connection: Arc<HttpConnection>,
) {
    let link = Box::new(HttpLink(Arc::clone(&connection)));
    let session = Arc::new(Session::new(Arc::clone(&door.service), link, true));
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let served = Arc::new(ServedConnection { door, connection, session, unread: UnreadResponses::default() });
    let handler = Arc::clone(&served);
    let service = service_fn(move |request| {
        let served = Arc::clone(&handler);
        async move { Ok::<_, Infallible>(respond(&served, request).await) }
    });
    let io = TokioIo::new(stream);
    match is_http2 {
        true => drive(http2_builder().serve_connection(io, service), &served).await,
        false => drive(http1_builder().serve_connection(io, service), &served).await,
    }
    // Ends its watches, if it has not ended them itself.
    served.connection.end(String::new());
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_BYTES_MAX);
    builder
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PONG_WITHIN);
    builder
}

/// Drives a connection until it ends or has to.
async fn drive<C: GracefulConnection>(transport: C, served: &ServedConnection) {
    let (connection, door) = (&served.connection, &served.door);
    let mut transport = pin!(transport);
    let mut ending = pin!(connection.ending());
    let mut closing = door.closing.subscribe();
    let credentials = door.credentials();
    let mut expired = pin!(connection.certificate.expired(&credentials));
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut is_closing, mut busy_at) = (false, Instant::now());
    loop {
        tokio::select! {
            _ = transport.as_mut() => return,
            why = &mut ending => {
                tracing::info!(client = %connection.peer().name, why, "HTTP connection closed");
                return;
            }
            () = &mut expired => {
                tracing::info!(client = %connection.peer().name, "HTTP connection closed: certificate expired");
                return;
            }
            () = until_closing(&mut closing), if !is_closing => {
                is_closing = true;
                transport.as_mut().graceful_shutdown();
            }
            _ = look.tick() => {
                if served.unread.longest() > COMPLETE_WITHIN {
                    served.session.note_slow(ClientLimit::ResponseTime);
                    return;
                }
                if served.is_busy() {
                    busy_at = Instant::now();
                } else if busy_at.elapsed() > IDLE_MAX + COMPLETE_WITHIN {
                    // It was asked to end, and does not.
                    return;
                } else if busy_at.elapsed() > IDLE_MAX && !is_closing {
                    is_closing = true;
                    transport.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

impl ServedConnection {
    /// Whether a request is in progress, or its response not sent.
    fn is_busy(&self) -> bool {
        self.connection.in_progress.load(Ordering::Relaxed) > 0 || !self.unread.is_empty()
    }
}

async fn respond(served: &ServedConnection, request: Request<Incoming>) -> Response<HttpBody> {
    let in_progress = RequestInProgress::begin(served);
    let is_head = request.method() == Method::HEAD;
    let reply = carry_out(served, request).await.unwrap_or_else(|error| WatchReply::Once(error.into()));
    in_progress.end();
    let reading = served.unread.begin();
    let (status, mut headers, body) = match reply {
        WatchReply::Once(HttpReply { status, mut headers, body, held }) => {
            if is_head {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            }
            let body = if is_head { Vec::new() } else { body };
            (status, headers, HttpBody::whole(reading, body, held))
        }
        WatchReply::Stream { content_type, parts } => {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            (StatusCode::OK, headers, HttpBody::parts(reading, parts))
        }
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A value is the bytes of whichever client wrote it: no browser may take it for a page.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

async fn carry_out(served: &ServedConnection, request: Request<Incoming>) -> Result<WatchReply, HttpError> {
    let (parts, body) = request.into_parts();
    refuse_other_sites(&parts)?;
    let route = HttpRoute::of(&parts.method, parts.uri.path())?;
    let query = QueryParameters::parse(parts.uri.query())?;
    let session = &served.session;
    let is_head = parts.method == Method::HEAD;
    let ids = Arc::clone(&served.door.ids);
    let exchange = Exchange::new(Arc::clone(session), ids, parts.headers, query, is_head)?;
    let reply = match route {
        HttpRoute::GetKey(key) => reads::get(exchange, key).await,
        HttpRoute::PutKey(key) => {
            // Before its body is received.
            session.authorize_kind((None, None), RequestKind::Write)?;
            let max = coffee_common::limits::VALUE_BYTES_MAX;
            let body = request_body::receive(session, body, max).await?;
            writes::put(exchange, key, body).await
        }
        HttpRoute::DeleteKey(key) => writes::delete(exchange, key).await,
        HttpRoute::ListKeys => reads::list(exchange).await,
        HttpRoute::Transact => {
            session.authorize_kind((None, None), RequestKind::Transact)?;
            let body = request_body::receive(session, body, TRANSACTION_BYTES_MAX).await?;
            transaction::transact(exchange, body).await
        }
        HttpRoute::Increment(key) => writes::increment(exchange, key).await,
        HttpRoute::KeyHistory(key) => reads::history(exchange, key).await,
        HttpRoute::Watch => return watching::watch(exchange).await,
        HttpRoute::Cluster => cluster::cluster(exchange).await,
        HttpRoute::Status => cluster::status(exchange).await,
        HttpRoute::OpenApi => openapi::openapi(exchange),
    };
    reply.map(WatchReply::Once)
}

/// Refuses what a page of another site lets a browser send: it would carry the certificate of the user.
/// Browsers name the site; older ones name only the origin, in requests that change something.
fn refuse_other_sites(request: &request::Parts) -> Result<(), HttpError> {
    let headers = &request.headers;
    let is_own = match (headers.get("sec-fetch-site"), headers.get(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => {
            let host = request.uri.authority().map(|host| host.as_str().as_bytes());
            let host = host.or_else(|| headers.get(header::HOST).map(HeaderValue::as_bytes));
            host.is_some_and(|host| origin.as_bytes().strip_prefix(b"https://") == Some(host))
        }
        (None, None) => true,
    };
    if is_own {
        return Ok(());
    }
    Err(HttpError::new(StatusCode::FORBIDDEN, "a page of another site may not use this node")
        .hint("open the node's own address"))
}

impl<'a> RequestInProgress<'a> {
    fn begin(served: &'a ServedConnection) -> Self {
        served.connection.begun.fetch_add(1, Ordering::Relaxed);
        served.connection.in_progress.fetch_add(1, Ordering::Relaxed);
        Self { served, is_answered: false }
    }

    fn end(mut self) {
        self.is_answered = true;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    async fn unreached(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
        Ok(Response::new("a request".to_owned()))
    }

    /// Sends the beginning of a head, and returns the response and how long the node waited.
    async fn response_to(head: &[u8]) -> (String, Duration) {
        let (mut client, node) = duplex(1 << 20);
        let began = Instant::now();
        let serving = http1_builder().serve_connection(TokioIo::new(node), service_fn(unreached));
        let serving = tokio::spawn(serving);
        client.write_all(head).await.expect("there is room");
        let mut response = Vec::new();
        client.read_to_end(&mut response).await.expect("it is closed");
        drop(serving.await.expect("no panic"));
        (String::from_utf8_lossy(&response).into_owned(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_head_is_not_waited_for() {
        let (response, waited) = response_to(b"GET / HTTP/1.1\r\nHost: x\r\n").await;
        assert!(!response.contains("a request"), "{response}");
        assert!((HEAD_WITHIN..HEAD_WITHIN + LOOK).contains(&waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed() {
        let (response, waited) = response_to(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(response.ends_with("a request"), "{response}");
        assert!((HEAD_WITHIN..HEAD_WITHIN + LOOK).contains(&waited), "{waited:?}");
    }
}
