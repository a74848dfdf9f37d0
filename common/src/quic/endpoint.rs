//! An endpoint: the UDP socket and all connections over it.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use quinn::{
    AsyncUdpSocket, Runtime, TokioRuntime, TransportConfig, VarInt, crypto::rustls::QuicServerConfig,
};
use tokio::sync::Notify;

use super::{
    Protocol,
    connection::Connection,
    disconnect::{CLOSE_DONE, CLOSE_STOPPING},
    error::{ConnectError, EndpointError},
    handshake_limit::{HandshakeCounts, HandshakePermits},
    options::{EndpointOptions, NODE_HANDSHAKES_MAX, limit_unauthenticated},
    places::{Places, RefusedConnections},
    registry::Registry,
    resolve::AnsweredAddresses,
    traffic::Survey,
};
use crate::{
    id::NodeName,
    protocol::{Identity, Role},
    tls::{self, Credentials, TimeProvider},
};

/// How long [`Endpoint::close`] waits for peers if the endpoint accepts connections. It covers
/// three probe timeouts (RFC 9000, section 10.2) of a working connection; those of a connection
/// that was never established would take longer.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// The same for an endpoint that only dials: time to send the notice. A command ends with this, and
/// its user waits for it.
const DIALER_CLOSE_TIMEOUT: Duration = Duration::from_millis(5);

/// Dials and accepts connections over one UDP socket. Cheap to clone.
///
/// Dropping it does not close its connections; [`Endpoint::close`] does.
#[derive(Debug, Clone)]
pub struct Endpoint(pub(super) Arc<EndpointInner>);

#[derive(Debug)]
pub(super) struct EndpointInner {
    pub(super) quinn: quinn::Endpoint,
    /// For connections that this endpoint dials.
    pub(super) transport: Arc<TransportConfig>,
    /// For connections that it accepts.
    accept_transport: Arc<TransportConfig>,
    credentials: Mutex<Credentials>,
    /// How often the credentials were replaced.
    generation: AtomicU64,
    pub(super) registry: Registry,
    pub(super) places: Places,
    pub(super) local_address: SocketAddr,
    pub(super) answered: AnsweredAddresses,
    pub(super) handshake_timeout: Duration,
    close_timeout: Duration,
    /// Incoming connections that wait for a handshake slot.
    pub(super) waiting: Mutex<VecDeque<quinn::Incoming>>,
    /// The handshakes of clients, and of unknown addresses.
    pub(super) handshakes: HandshakePermits,
    /// The handshakes of nodes, from addresses where they were before.
    pub(super) node_handshakes: HandshakePermits,
    /// The handshakes in progress per site.
    pub(super) handshake_counts: HandshakeCounts,
    pub(super) accepts: AtomicBool,
    pub(super) stopped_accepting: Notify,
}

impl Endpoint {
    /// Listens on an address; accepts and dials connections.
    ///
    /// # Errors
    /// The credentials are not a node's, the address cannot be bound, or the options are not valid.
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

    /// Creates an endpoint that only dials, from any port.
    ///
    /// # Errors
    /// No socket can be bound, or the options are not valid.
    pub fn dial_only(credentials: &Credentials, options: &EndpointOptions) -> Result<Self, EndpointError> {
        // Fails on a machine without IPv6.
        let socket = bind((Ipv6Addr::UNSPECIFIED, 0).into(), options)
            .or_else(|_| bind((Ipv4Addr::UNSPECIFIED, 0).into(), options))?;
        Self::over_socket(TokioRuntime.wrap_udp_socket(socket)?, false, credentials, options)
    }

    /// Creates an endpoint over another socket, such as a simulated one. `accepts` says whether it
    /// accepts connections.
    ///
    /// # Errors
    /// The socket does not work, or the options are not valid.
    pub fn over_socket(
        socket: Arc<dyn AsyncUdpSocket>,
        accepts: bool,
        credentials: &Credentials,
        options: &EndpointOptions,
    ) -> Result<Self, EndpointError> {
        let local_address = socket.local_addr()?;
        let (transport, accept_transport) =
            (options.transport_config(false)?, options.transport_config(true)?);
        let server = accepts.then(|| server_config(credentials, &accept_transport)).transpose()?;
        // Not for endpoints that only dial: two commands may use the same key at once, and an
        // attacker could make them reset each other's connections.
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
            accept_transport,
            credentials: Mutex::new(credentials.clone()),
            generation: AtomicU64::new(0),
            registry: Registry::default(),
            places: Places::default(),
            local_address,
            answered: AnsweredAddresses::default(),
            handshake_timeout: options.idle_timeout,
            close_timeout: if accepts { CLOSE_TIMEOUT } else { DIALER_CLOSE_TIMEOUT },
            waiting: Mutex::default(),
            handshakes: HandshakePermits::new(options.handshakes_max),
            node_handshakes: HandshakePermits::new(NODE_HANDSHAKES_MAX),
            handshake_counts: HandshakeCounts::default(),
            accepts: AtomicBool::new(accepts),
            stopped_accepting: Notify::new(),
        })))
    }

    /// Replaces the credentials for future connections. Existing connections continue, unless the
    /// new credentials do not accept the peer: it was revoked, or its CA is no longer trusted.
    /// Those connections are closed, and their peers returned.
    ///
    /// # Errors
    /// The credentials cannot be used; nothing has changed.
    pub fn reload(&self, credentials: &Credentials) -> Result<Vec<Identity>, EndpointError> {
        if self.0.accepts.load(Ordering::Acquire) {
            let server = server_config(credentials, &self.0.accept_transport)?;
            self.0.quinn.set_server_config(Some(server));
        }
        *self.0.credentials.lock().unwrap_or_else(PoisonError::into_inner) = credentials.clone();
        // A connection that is registered after this checks the generation itself.
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        let all = self.0.registry.all();
        let ended = all.iter().filter(|live| live.recheck(credentials).is_err());
        Ok(ended.map(|live| live.peer.clone()).collect())
    }

    /// Returns the connected peers that these credentials would not accept any more.
    pub fn rejected_by(&self, credentials: &Credentials) -> Vec<Identity> {
        let all = self.0.registry.all();
        let rejected = all.iter().filter(|live| live.check(credentials).is_err());
        rejected.map(|live| live.peer.clone()).collect()
    }

    /// Returns the present credentials.
    pub fn credentials(&self) -> Credentials {
        self.0.credentials()
    }

    /// Returns the address of the socket, with its actual port.
    pub fn local_address(&self) -> SocketAddr {
        self.0.local_address
    }

    /// Returns the number of connections, dialled and accepted.
    pub fn connections(&self) -> usize {
        self.0.quinn.open_connections()
    }

    /// Returns the traffic of all connections, including past ones.
    pub fn survey(&self) -> Survey {
        self.0.registry.survey()
    }

    /// Returns the estimated round trips to the connected peers.
    pub fn peer_round_trips(&self) -> BTreeMap<NodeName, Duration> {
        self.0.registry.peer_round_trips()
    }

    /// Returns the maximum number of connections.
    pub fn connections_max(&self) -> usize {
        self.0.places.max()
    }

    /// Sets the maximum number of connections, initially
    /// [`CONNECTIONS_MAX`](crate::limits::CONNECTIONS_MAX). Attempts beyond it
    /// are refused; existing connections continue.
    pub fn set_connections_max(&self, connections_max: usize) {
        self.0.places.set_max(connections_max);
    }

    /// Returns the maximum number of connections per client.
    pub fn connections_per_client_max(&self) -> usize {
        self.0.places.per_client_max()
    }

    /// Sets the maximum number of connections per client, initially
    /// [`CONNECTIONS_PER_CLIENT_MAX`](crate::limits::CONNECTIONS_PER_CLIENT_MAX). Existing connections continue. A client is a role and a
    /// name; nodes have a limit of their own.
    pub fn set_connections_per_client_max(&self, max: usize) {
        self.0.places.set_per_client_max(max);
    }

    /// Returns the number of connections that were refused.
    pub fn refused_connections(&self) -> RefusedConnections {
        self.0.places.refused()
    }

    /// Closes every connection, sends the peers `reason`, and waits briefly until they have
    /// received it. Data in flight is lost. The socket stays until the last clone is dropped.
    pub async fn close(&self, reason: &str) {
        self.close_as(CLOSE_DONE, reason).await;
    }

    /// Like [`Endpoint::close`], and tells the peers that this side stops as planned.
    pub async fn stop(&self, reason: &str) {
        self.close_as(CLOSE_STOPPING, reason).await;
    }

    async fn close_as(&self, code: VarInt, reason: &str) {
        self.0.quinn.close(code, reason.as_bytes());
        if tokio::time::timeout(self.0.close_timeout, self.0.quinn.wait_idle()).await.is_err() {
            tracing::debug!("connections did not close in time");
        }
    }
}

impl EndpointInner {
    pub(super) fn credentials(&self) -> Credentials {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, VecDeque<quinn::Incoming>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the generation of the credentials, for [`EndpointInner::check_newcomer`]. Read it
    /// before the handshake starts.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Rejects a peer that the present credentials do not accept, if they were replaced since
    /// generation `began`.
    pub(super) fn check_newcomer(
        &self,
        newcomer: &Connection,
        began: u64,
        address: &str,
    ) -> Result<(), ConnectError> {
        if self.generation() == began {
            return Ok(());
        }
        newcomer.live().recheck(&self.credentials()).map_err(|cause| ConnectError::Identity {
            address: address.to_owned(),
            by_us: true,
            cause,
        })
    }
}

fn bind(address: SocketAddr, options: &EndpointOptions) -> Result<UdpSocket, EndpointError> {
    let socket = UdpSocket::bind(address).map_err(|cause| EndpointError::Bind { address, cause })?;
    if let Err(error) = raise_buffers(&socket, options.socket_buffer_bytes) {
        tracing::debug!(%error, "socket buffers not enlarged");
    }
    Ok(socket)
}

/// Bursts overrun a default socket buffer of 200 KiB. The kernel silently grants no more than
/// `net.core.rmem_max` and `wmem_max`.
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

/// The clock that verifies certificates also bounds the age of address tokens.
struct Clock(Arc<dyn TimeProvider>);

impl quinn::TimeSource for Clock {
    fn now(&self) -> SystemTime {
        // A clock that is not set only makes address tokens invalid.
        let since_1970 = self.0.current_time().map_or(0, |time| time.as_secs());
        SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970)
    }
}
