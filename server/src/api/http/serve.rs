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

use coffee_http::{Backend, HttpBody, UnreadResponses};
use futures_util::future::BoxFuture;
use hyper::{
    Request, Response,
    body::Incoming,
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
    backend::SessionBackend,
    connections::{HttpConnection, HttpLink},
    door::{DoorContext, until_closing},
};
use crate::{
    metrics::ClientLimit,
    service::{Session, clients::COMPLETE_WITHIN},
};

/// The longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How long a connection may take for its first head, and one of HTTP/1.1 for each: the time included in which
/// it is idle.
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
    let backend: Arc<dyn Backend> = Arc::new(SessionBackend::new(&session, &door.ids));
    let served = Arc::new(ServedConnection { door, connection, session, unread: UnreadResponses::default() });
    let handler = Arc::clone(&served);
    let service = service_fn(move |request| {
        let (served, backend) = (Arc::clone(&handler), Arc::clone(&backend));
        let response: BoxFuture<'static, _> =
            Box::pin(async move { Ok::<_, Infallible>(respond(&served, backend, request).await) });
        response
    });
    let io = TokioIo::new(stream);
    let driving: BoxFuture<'_, ()> = match is_http2 {
        true => Box::pin(drive(http2_builder().serve_connection(io, service), &served)),
        false => Box::pin(drive(http1_builder().serve_connection(io, service), &served)),
    };
    driving.await;
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
                } else if !served.has_begun() && busy_at.elapsed() > HEAD_WITHIN {
                    // It may not even have begun with HTTP/2, and would not hear that it has to end.
                    return;
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
    /// Whether there was a request.
    fn has_begun(&self) -> bool {
        self.connection.begun.load(Ordering::Relaxed) > 0
    }

    /// Whether a request is in progress, or its response not sent.
    fn is_busy(&self) -> bool {
        self.connection.in_progress.load(Ordering::Relaxed) > 0 || !self.unread.is_empty()
    }
}

async fn respond(
    served: &ServedConnection,
    backend: Arc<dyn Backend>,
    request: Request<Incoming>,
) -> Response<HttpBody> {
    let in_progress = RequestInProgress::begin(served);
    let response = coffee_http::respond(backend, request, &served.unread).await;
    in_progress.end();
    response
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
