//! One connection: who is at its other end, and its streams.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{
    Priority, Protocol,
    disconnect::{CLOSE_DONE, Disconnect},
    error::StreamError,
    stream::{FrameReceiver, FrameSender},
};
use crate::protocol::Identity;

/// A connection to one other side, proven by its certificate. Cheap to clone;
/// closed when the last clone and the last stream of it are dropped.
#[derive(Debug, Clone)]
pub struct Connection {
    connection: quinn::Connection,
    peer: Arc<Identity>,
    protocol: Protocol,
}

/// How many packets went over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packets {
    /// To the other side.
    pub sent: u64,
    /// From the other side.
    pub received: u64,
}

impl Connection {
    pub(super) fn new(connection: quinn::Connection, peer: Identity, protocol: Protocol) -> Self {
        Self { connection, peer: Arc::new(peer), protocol }
    }

    /// Who the other side is, out of its verified certificate.
    pub fn peer(&self) -> &Identity {
        &self.peer
    }

    /// What is spoken.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Where the other side is.
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.connection.remote_address())
    }

    /// How long there and back takes, by QUIC's own estimate.
    pub fn rtt(&self) -> Duration {
        self.connection.rtt()
    }

    /// How many packets went each way so far. QUIC sends again what is not
    /// acknowledged, so where the one number grows and the other does not,
    /// nobody is there: a sign seconds earlier than the end of the connection.
    pub fn packets(&self) -> Packets {
        let stats = self.connection.stats();
        Packets { sent: stats.udp_tx.datagrams, received: stats.udp_rx.datagrams }
    }

    /// Opens a stream in both directions; waits while the other side allows no
    /// more of them. It notices once something is sent.
    pub async fn open(&self, priority: Priority) -> Result<(FrameSender, FrameReceiver), StreamError> {
        let (send, receive) = self.connection.open_bi().await?;
        let mut sender = FrameSender::new(send);
        sender.set_priority(priority);
        Ok((sender, FrameReceiver::new(receive)))
    }

    /// The next stream in both directions that the other side opened. Answers
    /// on it have [`Priority::Normal`] until told otherwise.
    pub async fn accept(&self) -> Result<(FrameSender, FrameReceiver), StreamError> {
        let (send, receive) = self.connection.accept_bi().await?;
        Ok((FrameSender::new(send), FrameReceiver::new(receive)))
    }

    /// Opens a stream for sending alone; waits while the other side allows no
    /// more of them.
    pub async fn open_uni(&self, priority: Priority) -> Result<FrameSender, StreamError> {
        let mut sender = FrameSender::new(self.connection.open_uni().await?);
        sender.set_priority(priority);
        Ok(sender)
    }

    /// The next stream on which the other side sends alone.
    pub async fn accept_uni(&self) -> Result<FrameReceiver, StreamError> {
        Ok(FrameReceiver::new(self.connection.accept_uni().await?))
    }

    /// Closes the connection at once: what has not arrived is lost (see
    /// [`FrameSender::finish_and_wait`]). The other side is told `reason`.
    pub fn close(&self, reason: &str) {
        self.connection.close(CLOSE_DONE, reason.as_bytes());
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> Disconnect {
        Disconnect::of(&self.connection.closed().await)
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.connection.close_reason().is_some()
    }
}

/// An IPv4 address as such, where a socket for both kinds calls it an IPv6 one.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
