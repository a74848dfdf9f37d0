//! A connection to an authenticated peer, and its streams.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use quinn::VarInt;

use super::{
    Priority, Protocol,
    disconnect::{CLOSE_DENIED, CLOSE_DONE, CLOSE_STOPPING, Disconnect},
    error::StreamError,
    registry::{Live, Registry, peer_chain},
    stream::{FrameReceiver, FrameSender},
};
use crate::{
    limits::{CONNECTION_STREAMS_MAX, CONNECTION_WINDOW_BYTES, SEND_WINDOW_BYTES},
    protocol::Identity,
    tls::{Credentials, end_of, expiry, serial_of},
};

/// A connection to a peer with a verified certificate. Cheap to clone; closed when the last clone
/// and its last stream are dropped.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Live>);

/// The packet counts of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packets {
    /// Packets sent.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
}

/// The packets that pass a path, as far as path MTU discovery has found out (RFC 8899).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathMtu {
    /// The largest UDP payload that is known to arrive, in bytes.
    pub bytes: u16,
    /// How many probes of larger ones were lost.
    pub probes_lost: u64,
}

impl Connection {
    pub(super) fn new(
        connection: quinn::Connection,
        peer: Identity,
        protocol: Protocol,
        registry: &Registry,
    ) -> Self {
        Self(registry.register(connection, peer, protocol))
    }

    /// Returns the registered connection.
    pub(super) fn live(&self) -> &Live {
        &self.0
    }

    /// Returns the identity in the peer's verified certificate.
    pub fn peer(&self) -> &Identity {
        &self.0.peer
    }

    /// Returns the serial number of the peer's certificate, in hexadecimal.
    pub fn peer_serial(&self) -> String {
        serial_of(&peer_chain(&self.0.connection))
    }

    /// Waits until the peer's certificate has expired by the clock that verifies certificates. A
    /// jump of that clock is noticed within a minute.
    pub async fn peer_expired(&self, credentials: &Credentials) {
        expiry::wait(end_of(&peer_chain(&self.0.connection)), || credentials.now()).await;
    }

    /// Closes the connection because the peer's certificate has expired.
    pub fn close_expired(&self) {
        let Identity { name, role, .. } = self.peer();
        let cause = format!("the certificate of {} {name}: it has expired", role.as_str());
        self.0.connection.close(CLOSE_DENIED, cause.as_bytes());
    }

    /// Returns the protocol of the connection.
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// Returns the peer's address.
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.0.connection.remote_address())
    }

    /// Returns the round-trip time, as QUIC estimates it.
    pub fn rtt(&self) -> Duration {
        self.0.connection.rtt()
    }

    /// Returns the packets that pass the path to the peer so far. The search begins with
    /// [`PACKET_BYTES_MIN`](super::PACKET_BYTES_MIN), and goes on while packets are sent.
    pub fn path_mtu(&self) -> PathMtu {
        let path = self.0.connection.stats().path;
        PathMtu { bytes: path.current_mtu, probes_lost: path.lost_plpmtud_probes }
    }

    /// Returns the packet counts so far. QUIC retransmits unacknowledged packets, so if `sent`
    /// grows and `received` does not, the peer is gone: a sign seconds before the connection ends.
    pub fn packets(&self) -> Packets {
        let stats = self.0.connection.stats();
        Packets { sent: stats.udp_tx.datagrams, received: stats.udp_rx.datagrams }
    }

    /// Gives an accepted connection the windows and streams of a node of the cluster, and keeps places
    /// for its address. Until then it has those of a client: whether a node belongs to the cluster is
    /// not in its certificate. Has no effect if repeated.
    pub fn widen(&self) {
        let Live { connection, protocol, registry, is_wide, .. } = &*self.0;
        if is_wide.load(Ordering::Relaxed) || is_wide.swap(true, Ordering::Relaxed) {
            return;
        }
        connection.set_max_concurrent_bi_streams(VarInt::from_u32(CONNECTION_STREAMS_MAX));
        connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES));
        connection.set_send_window(SEND_WINDOW_BYTES.into());
        if *protocol == Protocol::Peer {
            registry.node_addresses().note(self.remote_address());
        }
    }

    /// Opens a bidirectional stream; waits while the peer allows no more of them. The peer notices
    /// the stream once something is sent.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn open(&self, priority: Priority) -> Result<(FrameSender, FrameReceiver), StreamError> {
        let (send, receive) = self.0.connection.open_bi().await?;
        let mut sender = FrameSender::new(send, Some(Arc::clone(&self.0)));
        sender.set_priority(priority);
        Ok((sender, FrameReceiver::new(receive, Some(Arc::clone(&self.0)))))
    }

    /// Accepts the next bidirectional stream that the peer opened. Responses have
    /// [`Priority::Normal`] unless it is changed.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn accept(&self) -> Result<(FrameSender, FrameReceiver), StreamError> {
        let (send, receive) = self.0.connection.accept_bi().await?;
        Ok((
            FrameSender::new(send, Some(Arc::clone(&self.0))),
            FrameReceiver::new(receive, Some(Arc::clone(&self.0))),
        ))
    }

    /// Opens a unidirectional stream; waits while the peer allows no more of them.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn open_uni(&self, priority: Priority) -> Result<FrameSender, StreamError> {
        let mut sender = FrameSender::new(self.0.connection.open_uni().await?, Some(Arc::clone(&self.0)));
        sender.set_priority(priority);
        Ok(sender)
    }

    /// Accepts the next unidirectional stream that the peer opened.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn accept_uni(&self) -> Result<FrameReceiver, StreamError> {
        Ok(FrameReceiver::new(self.0.connection.accept_uni().await?, Some(Arc::clone(&self.0))))
    }

    /// Closes the connection at once, and sends the peer `reason`. Data in flight is lost (see
    /// [`FrameSender::finish_and_wait`]).
    pub fn close(&self, reason: &str) {
        self.0.connection.close(CLOSE_DONE, reason.as_bytes());
    }

    /// Like [`Connection::close`], because this side stops.
    pub fn stop(&self, reason: &str) {
        self.0.connection.close(CLOSE_STOPPING, reason.as_bytes());
    }

    /// Waits until the connection has ended, and returns why.
    pub async fn closed(&self) -> Disconnect {
        Disconnect::of(&self.0.connection.closed().await)
    }

    /// Returns whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.0.connection.close_reason().is_some()
    }
}

/// Returns an IPv4 address that a dual-stack socket represents as IPv6 in its own form.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
