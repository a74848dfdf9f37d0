//! The UDP socket, and all connections over it.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, TransportConfig, crypto::rustls::QuicServerConfig};
use tokio::sync::{Notify, Semaphore};

use super::{
    Protocol,
    connection::Connection,
    disconnect::CLOSE_DONE,
    error::{ConnectError, EndpointError},
    handshake_limit::HandshakeCounts,
    options::{EndpointOptions, HANDSHAKES_RUNNING_MAX, limit_unauthenticated},
    registry::Registry,
    traffic::Survey,
};
use crate::{
    limits::CONNECTIONS_MAX,
    protocol::{Identity, Role},
    tls::{self, Credentials, TimeProvider},
};

/// How long [`Endpoint::close`] waits at most for the other sides, where others
/// dial this one. Three probe timeouts (RFC 9000, section 10.2) of a connection
/// that works fit in; those of one that never came about would not end.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// The same where nobody does: time for the notice to leave. A command ends
/// with this, and people wait for it.
const DIALER_CLOSE_TIMEOUT: Duration = Duration::from_millis(5);

/// What dials and accepts connections over one UDP socket. Cheap to clone.
///
/// Dropping it does not close its connections; [`Endpoint::close`] does.
#[derive(Debug, Clone)]
pub struct Endpoint(pub(super) Arc<EndpointInner>);

#[derive(Debug)]
pub(super) struct EndpointInner {
    pub(super) quinn: quinn::Endpoint,
    pub(super) transport: Arc<TransportConfig>,
    credentials: Mutex<Credentials>,
    /// Counts how often those were replaced.
    generation: AtomicU64,
    pub(super) registry: Registry,
    pub(super) connections_max: AtomicUsize,
    pub(super) local_address: SocketAddr,
    pub(super) handshake_timeout: Duration,
    close_timeout: Duration,
    /// One permit for each handshake that may be under way.
    pub(super) handshakes: Arc<Semaphore>,
    pub(super) handshakes_max: usize,
    /// One permit for each of them that may be at work; see [`HANDSHAKES_RUNNING_MAX`].
    pub(super) turns: Semaphore,
    /// Where they come from.
    pub(super) handshake_counts: HandshakeCounts,
    pub(super) accepts: AtomicBool,
    pub(super) stopped_accepting: Notify,
}

impl Endpoint {
    /// Listens on `listen`; accepts and dials.
    pub fn serve(
        listen: SocketAddr,
        credentials: &Credentials,
        options: &EndpointOptions,
    ) -> Result<Self, EndpointError> {
        if credentials.identity().role != Role::Node {
            return Err(EndpointError::NotANode(credentials.identity().clone()));
        }
        let socket = bind(listen, options)?;
        Self::over_socket(TokioRuntime.wrap_udp_socket(socket)?, true, credentials, options)
    }

    /// Dials alone, from any port.
    pub fn dial_only(credentials: &Credentials, options: &EndpointOptions) -> Result<Self, EndpointError> {
        // Where there is no IPv6, the first of these fails.
        let socket = bind((Ipv6Addr::UNSPECIFIED, 0).into(), options)
            .or_else(|_| bind((Ipv4Addr::UNSPECIFIED, 0).into(), options))?;
        Self::over_socket(TokioRuntime.wrap_udp_socket(socket)?, false, credentials, options)
    }

    /// The same over any other socket: a simulation brings its own. `accepts`
    /// says whether to answer to others at all.
    pub fn over_socket(
        socket: Arc<dyn AsyncUdpSocket>,
        accepts: bool,
        credentials: &Credentials,
        options: &EndpointOptions,
    ) -> Result<Self, EndpointError> {
        let local_address = socket.local_addr()?;
        let transport = options.transport_config()?;
        let server = accepts.then(|| server_config(credentials, &transport)).transpose()?;
        // Not for those who only dial: two commands may use one key at once,
        // and could then be made to end each other's connections.
        let lasting_secret = accepts.then(|| credentials.lasting_secret());
        let quinn = quinn::Endpoint::new_with_abstract_socket(
            options.endpoint_config(lasting_secret)?,
            server,
            socket,
            Arc::new(TokioRuntime),
        )?;
        Ok(Self(Arc::new(EndpointInner {
            quinn,
            transport,
            credentials: Mutex::new(credentials.clone()),
            generation: AtomicU64::new(0),
            registry: Registry::default(),
            connections_max: AtomicUsize::new(CONNECTIONS_MAX),
            local_address,
            handshake_timeout: options.idle_timeout,
            close_timeout: if accepts { CLOSE_TIMEOUT } else { DIALER_CLOSE_TIMEOUT },
            handshakes: Arc::new(Semaphore::new(options.handshakes_max)),
            handshakes_max: options.handshakes_max,
            turns: Semaphore::new(HANDSHAKES_RUNNING_MAX),
            handshake_counts: HandshakeCounts::default(),
            accepts: AtomicBool::new(accepts),
            stopped_accepting: Notify::new(),
        })))
    }

    /// Shows and believes other credentials from the next connection on. Those
    /// that exist go on, but for those of others who would not be let in any
    /// more, be it that they were revoked or that their CA is trusted no
    /// longer: these end, and are returned. An error has changed nothing.
    pub fn reload(&self, credentials: &Credentials) -> Result<Vec<Identity>, EndpointError> {
        if self.0.accepts.load(Ordering::Acquire) {
            let server = server_config(credentials, &self.0.transport)?;
            self.0.quinn.set_server_config(Some(server));
        }
        *self.0.credentials.lock().unwrap_or_else(PoisonError::into_inner) = credentials.clone();
        // Whoever is entered after this is judged as he enters.
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        let all = self.0.registry.all();
        let ended = all.iter().filter(|live| live.judge_again(credentials).is_err());
        Ok(ended.map(|live| live.peer().clone()).collect())
    }

    /// What is shown and believed at present.
    pub fn credentials(&self) -> Credentials {
        self.0.credentials()
    }

    /// The address of the socket, with the port that it got.
    pub fn local_address(&self) -> SocketAddr {
        self.0.local_address
    }

    /// How many connections there are, dialled and accepted.
    pub fn connections(&self) -> usize {
        self.0.quinn.open_connections()
    }

    /// What goes over its connections, and went over those that have ended.
    pub fn survey(&self) -> Survey {
        self.0.registry.survey()
    }

    /// How many connections it may have.
    pub fn connections_max(&self) -> usize {
        self.0.connections_max.load(Ordering::Relaxed)
    }

    /// Lets so many connections be, [`CONNECTIONS_MAX`] until it is told: where
    /// there are as many, whoever wants in is turned away. Those that exist go on.
    pub fn set_connections_max(&self, connections_max: usize) {
        self.0.connections_max.store(connections_max, Ordering::Relaxed);
    }

    /// Closes every connection, tells the other sides `reason`, and waits
    /// a moment until they have heard. What has not arrived by then is
    /// lost. The socket stays until the last clone is dropped.
    pub async fn close(&self, reason: &str) {
        self.0.quinn.close(CLOSE_DONE, reason.as_bytes());
        if tokio::time::timeout(self.0.close_timeout, self.0.quinn.wait_idle()).await.is_err() {
            tracing::debug!("some connections did not end in time");
        }
    }
}

impl EndpointInner {
    pub(super) fn credentials(&self) -> Credentials {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Taken before a handshake begins, for [`EndpointInner::judge_newcomer`].
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Turns away one who would not be let in with credentials that were
    /// replaced since his handshake `began`.
    pub(super) fn judge_newcomer(
        &self,
        newcomer: &Connection,
        began: u64,
        address: &str,
    ) -> Result<(), ConnectError> {
        if self.generation() == began {
            return Ok(());
        }
        newcomer.live().judge_again(&self.credentials()).map_err(|cause| ConnectError::Identity {
            address: address.to_owned(),
            by_us: true,
            cause,
        })
    }
}

fn bind(address: SocketAddr, options: &EndpointOptions) -> Result<UdpSocket, EndpointError> {
    let socket = UdpSocket::bind(address).map_err(|cause| EndpointError::Bind { address, cause })?;
    if let Err(error) = raise_buffers(&socket, options.socket_buffer_bytes) {
        tracing::debug!(%error, "the socket keeps its small buffers");
    }
    Ok(socket)
}

/// Bursts outrun a default socket buffer of 200 KiB. The kernel silently
/// grants no more than `net.core.rmem_max` and `wmem_max`.
fn raise_buffers(socket: &UdpSocket, bytes: usize) -> std::io::Result<()> {
    let state = quinn::udp::UdpSocketState::new(socket.into())?;
    if state.recv_buffer_size(socket.into())? < bytes {
        state.set_recv_buffer_size(socket.into(), bytes)?;
    }
    if state.send_buffer_size(socket.into())? < bytes {
        state.set_send_buffer_size(socket.into(), bytes)?;
    }
    Ok(())
}

fn server_config(
    credentials: &Credentials,
    transport: &Arc<TransportConfig>,
) -> Result<quinn::ServerConfig, EndpointError> {
    let setup = |error: &dyn std::error::Error| EndpointError::Setup(error.to_string());
    let tls = tls::server_config(credentials, &Protocol::ALL.map(Protocol::alpn)).map_err(|e| setup(&e))?;
    let crypto = QuicServerConfig::try_from(tls).map_err(|e| setup(&e))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::clone(transport));
    config.time_source(Arc::new(Clock(Arc::clone(credentials.clock()))));
    limit_unauthenticated(&mut config);
    Ok(config)
}

/// What judges certificates also judges how old a proof of address is.
struct Clock(Arc<dyn TimeProvider>);

impl quinn::TimeSource for Clock {
    fn now(&self) -> SystemTime {
        // A clock that is not set makes every proof look forged, no worse.
        let since_1970 = self.0.current_time().map_or(0, |time| time.as_secs());
        SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970)
    }
}
