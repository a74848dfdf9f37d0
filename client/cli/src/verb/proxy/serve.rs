//! The connections of the proxy.
//!
//! Guards that programs of this machine cost it a bounded amount: connections, heads, and responses that
//! are not read.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use coffee_common::limits::REQUEST_COMPLETE_WITHIN_S;
use coffee_http::{Backend, HttpBody, UnreadResponses, respond};
use futures_util::future::BoxFuture;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::backend::ProxyBackends;

/// The most connections over TCP, and over the socket: any user of this machine may take those over TCP.
const CONNECTIONS_MAX: usize = 256;

/// The longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How long a connection may take for a head, the time included in which it is idle.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a response may wait for its reader.
const READ_WITHIN: Duration = Duration::from_secs(REQUEST_COMPLETE_WITHIN_S);

/// The interval in which connections are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The pause after a connection could not be accepted, for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the last responses may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Where programs connect.
pub(super) struct ProxyListeners {
    pub(super) tcp: Option<TcpListener>,
    pub(super) unix: Option<UnixListener>,
}

trait ProxyStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ProxyStream for S {}

/// Serves until `end`, then gives the requests in progress a moment. `note` tells people of connections that
/// were turned away.
pub(super) async fn serve(
    listeners: ProxyListeners,
    backends: &ProxyBackends,
    end: impl Future<Output = ()>,
    note: &mut dyn FnMut(&str),
) {
    let closing = watch::Sender::new(false);
    let [tcp_places, unix_places] = [(); 2].map(|()| Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    let mut connections = JoinSet::new();
    let mut turned_away: u64 = 0;
    let mut end = pin!(end);
    loop {
        let (accepted, places) = tokio::select! {
            () = &mut end => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept_tcp(listeners.tcp.as_ref()) => {
                (accepted.map(|stream| (stream, &backends.tcp)), &tcp_places)
            }
            accepted = accept_unix(listeners.unix.as_ref()) => {
                (accepted.map(|stream| (stream, &backends.unix)), &unix_places)
            }
        };
        let (accepted, place) = match (accepted, Arc::clone(places).try_acquire_owned()) {
            (Ok(accepted), Ok(place)) => (accepted, place),
            (accepted, _) => {
                turned_away += 1;
                let failed = accepted.err();
                if turned_away.is_power_of_two() {
                    let why = match &failed {
                        Some(error) => error.to_string(),
                        None => format!("{CONNECTIONS_MAX} are open"),
                    };
                    note(&format!("connection rejected: {why} ({turned_away} in all)"));
                }
                if failed.is_some() {
                    sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        let (stream, backend) = accepted;
        let connection: BoxFuture<'static, ()> =
            Box::pin(serve_stream(stream, Arc::clone(backend), closing.subscribe(), place));
        connections.spawn(connection);
    }
    drop(listeners);
    closing.send_replace(true);
    // The others are cut off.
    let _ = timeout(CLOSE_WITHIN, async { while connections.join_next().await.is_some() {} }).await;
}

async fn accept_tcp(listener: Option<&TcpListener>) -> io::Result<Box<dyn ProxyStream>> {
    let Some(listener) = listener else { return std::future::pending().await };
    let (stream, _) = listener.accept().await?;
    // Responses are written as a whole.
    let _ = stream.set_nodelay(true);
    Ok(Box::new(stream))
}

async fn accept_unix(listener: Option<&UnixListener>) -> io::Result<Box<dyn ProxyStream>> {
    let Some(listener) = listener else { return std::future::pending().await };
    let (stream, _) = listener.accept().await?;
    Ok(Box::new(stream))
}

/// Serves a connection until it ends or has to.
async fn serve_stream(
    stream: Box<dyn ProxyStream>,
    backend: Arc<dyn Backend>,
    mut closing: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let unread = Arc::new(UnreadResponses::default());
    let handler = Arc::clone(&unread);
    let service = service_fn(move |request| answer(Arc::clone(&backend), request, Arc::clone(&handler)));
    let mut transport = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_closing = false;
    loop {
        tokio::select! {
            // An error is the end of the connection alone.
            _ = transport.as_mut() => return,
            _ = closing.wait_for(|closing| *closing), if !is_closing => {
                is_closing = true;
                transport.as_mut().graceful_shutdown();
            }
            _ = look.tick() => if unread.longest() > READ_WITHIN {
                return;
            },
        }
    }
}

fn answer(
    backend: Arc<dyn Backend>,
    request: Request<Incoming>,
    unread: Arc<UnreadResponses>,
) -> BoxFuture<'static, Result<Response<HttpBody>, Infallible>> {
    Box::pin(async move { Ok(respond(backend, request, &unread).await) })
}
