//! Dials: from an address to a connection that the peer accepted.

use std::{net::SocketAddr, sync::Arc};

use quinn::crypto::rustls::QuicClientConfig;
use tokio::task::JoinSet;

use super::{
    Expect, Protocol,
    accept::identify,
    connection::Connection,
    disconnect::{CLOSE_DENIED, Disconnect},
    endpoint::{Endpoint, EndpointInner},
    error::{ConnectError, StreamError},
    stream::FrameReceiver,
};
use crate::{
    id::Address,
    tls::{self, RefusalReason},
};

/// The most addresses of a host name that are tried.
const ADDRESSES_MAX: usize = 4;

/// The head start of an address before the next one is tried too (RFC 8305, section 5).
const STAGGER: std::time::Duration = std::time::Duration::from_millis(250);

/// TLS requires a server name, which is not used here: see [`tls::client_config`].
const SERVER_NAME: &str = "coffeed.invalid";

impl Endpoint {
    /// Dials `address`, and returns once the node there has accepted the connection.
    ///
    /// # Errors
    /// The node is unreachable, is not the expected one, or rejects the connection. Takes at most
    /// the handshake timeout.
    pub async fn connect(
        &self,
        address: &Address,
        expect: &Expect,
        protocol: Protocol,
    ) -> Result<Connection, ConnectError> {
        let unreachable =
            |cause: &str| ConnectError::Unreachable { address: address.to_string(), cause: cause.to_owned() };
        let dial = async {
            let candidates = self.resolve(address).await.map_err(|error| unreachable(&error.to_string()))?;
            let connection = match candidates.as_slice() {
                [] => Err(unreachable("the name resolves to no address that this socket can reach")),
                [only] => dial(&self.0, *only, address.as_str(), expect, protocol).await,
                several => self.dial_first(several, address, expect, protocol).await,
            }?;
            if literal(address).is_none() {
                self.0.answered.note(address, connection.remote_address());
            }
            Ok(connection)
        };
        match tokio::time::timeout(self.0.handshake_timeout, dial).await {
            Ok(result) => result,
            Err(_) => Err(unreachable(&Disconnect::TimedOut.to_string())),
        }
    }

    /// Resolves an address. A literal one needs no resolver, hence no thread.
    async fn resolve(&self, address: &Address) -> std::io::Result<Vec<SocketAddr>> {
        let local = self.0.local_address;
        // A socket that is bound to one IPv6 address sends nothing over IPv4.
        let dual = local.ip().is_unspecified() && local.is_ipv6();
        let reachable = |candidate: &SocketAddr| dual || candidate.is_ipv4() == local.is_ipv4();
        if let Some(literal) = literal(address) {
            return Ok([literal].into_iter().filter(reachable).collect());
        }
        let lookup = async {
            let found = tokio::net::lookup_host(address.as_str()).await?;
            Ok(found.filter(reachable).take(ADDRESSES_MAX).collect())
        };
        self.0.answered.resolve(address, lookup).await
    }

    /// Dials several addresses, each a little after the previous one, and returns the first
    /// connection. Of the errors, a rejection says more than silence.
    async fn dial_first(
        &self,
        candidates: &[SocketAddr],
        address: &Address,
        expect: &Expect,
        protocol: Protocol,
    ) -> Result<Connection, ConnectError> {
        let mut tries = JoinSet::new();
        for (position, candidate) in (0u32..).zip(candidates.iter().copied()) {
            let (inner, address, expect) = (Arc::clone(&self.0), address.clone(), expect.clone());
            tries.spawn(async move {
                tokio::time::sleep(STAGGER * position).await;
                dial(&inner, candidate, address.as_str(), &expect, protocol).await
            });
        }
        let mut worst = None;
        while let Some(result) = tries.join_next().await {
            match result {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(silence @ ConnectError::Unreachable { .. })) => worst = worst.or(Some(silence)),
                Ok(Err(refusal)) => worst = Some(refusal),
                Err(_) => {}
            }
        }
        Err(worst.unwrap_or(ConnectError::EndpointClosed))
    }
}

/// Returns the socket address that an address is, unless it is a name.
fn literal(address: &Address) -> Option<SocketAddr> {
    address.as_str().parse().ok()
}

async fn dial(
    inner: &EndpointInner,
    candidate: SocketAddr,
    address: &str,
    expect: &Expect,
    protocol: Protocol,
) -> Result<Connection, ConnectError> {
    let refusal = RefusalReason::default();
    let generation = inner.generation();
    let failed = |error: &quinn::ConnectionError| ConnectError::of(error, address, Some(&refusal));
    let config = client_config(inner, expect, protocol, &refusal)
        .map_err(|cause| ConnectError::Unreachable { address: address.to_owned(), cause })?;
    let connecting =
        inner.quinn.connect_with(config, candidate, SERVER_NAME).map_err(|error| match error {
            quinn::ConnectError::EndpointStopping => ConnectError::EndpointClosed,
            other => ConnectError::Unreachable { address: address.to_owned(), cause: other.to_string() },
        })?;
    let connection = connecting.await.map_err(|error| failed(&error))?;
    let (peer, agreed) = identify(&connection, address).inspect_err(|error| {
        connection.close(CLOSE_DENIED, error.to_string().as_bytes());
    })?;
    let stream = connection.accept_uni().await.map_err(|error| failed(&error))?;
    await_welcome(stream).await.map_err(|error| {
        let lost = connection.close_reason();
        lost.map_or_else(
            || ConnectError::Protocol { address: address.to_owned(), cause: error.to_string() },
            |lost| failed(&lost),
        )
    })?;
    let connection = Connection::new(connection, peer, agreed, &inner.registry);
    if protocol == Protocol::Peer {
        inner.registry.node_addresses().note(connection.remote_address());
    }
    inner.check_newcomer(&connection, generation, address)?;
    Ok(connection)
}

fn client_config(
    inner: &EndpointInner,
    expect: &Expect,
    protocol: Protocol,
    refusal: &RefusalReason,
) -> Result<quinn::ClientConfig, String> {
    let expected = expect.name().cloned();
    let tls = tls::client_config(&inner.credentials(), expected, protocol.alpn(), Arc::clone(refusal))
        .map_err(|error| error.to_string())?;
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| error.to_string())?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::clone(&inner.transport));
    Ok(config)
}

/// Waits for the acceptor's empty first frame.
async fn await_welcome(stream: quinn::RecvStream) -> Result<(), StreamError> {
    let mut receiver = FrameReceiver::new(stream, None);
    match receiver.receive_first().await? {
        Some(message) => Ok(crate::frame::decode::<()>(&message)?),
        None => Err(StreamError::Truncated),
    }
}
