//! One connection: who is at its other end, and its streams.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls_pki_types::CertificateDer;

use super::{
    Priority, Protocol,
    disconnect::{CLOSE_DENIED, CLOSE_DONE, Disconnect},
    error::StreamError,
    registry::{Registration, Registry},
    stream::{FrameReceiver, FrameSender},
    traffic::Carried,
};
use crate::{
    id::NodeName,
    protocol::Identity,
    tls::{Credentials, serial_of},
};

/// A connection to one other side, proven by its certificate. Cheap to clone;
/// closed when the last clone and the last stream of it are dropped.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Live>);

/// A connection, while somebody or a stream of it needs it.
#[derive(Debug)]
pub(super) struct Live {
    connection: quinn::Connection,
    peer: Identity,
    protocol: Protocol,
    /// Where it is found while it lives.
    registration: Registration,
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
    pub(super) fn new(
        connection: quinn::Connection,
        peer: Identity,
        protocol: Protocol,
        registry: &Registry,
    ) -> Self {
        Self(registry.enter(protocol, |registration| Live { connection, peer, protocol, registration }))
    }

    /// As long as this lives, so does the connection, and is found.
    pub(super) fn live(&self) -> &Live {
        &self.0
    }

    /// Who the other side is, out of its verified certificate.
    pub fn peer(&self) -> &Identity {
        &self.0.peer
    }

    /// The serial number of its certificate, in hexadecimal.
    pub fn peer_serial(&self) -> String {
        serial_of(&self.0.chain())
    }

    /// What is spoken.
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// Where the other side is.
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.0.connection.remote_address())
    }

    /// How long there and back takes, by QUIC's own estimate.
    pub fn rtt(&self) -> Duration {
        self.0.connection.rtt()
    }

    /// How many packets went each way so far. QUIC sends again what is not
    /// acknowledged, so where the one number grows and the other does not,
    /// nobody is there: a sign seconds earlier than the end of the connection.
    pub fn packets(&self) -> Packets {
        let stats = self.0.connection.stats();
        Packets { sent: stats.udp_tx.datagrams, received: stats.udp_rx.datagrams }
    }

    /// Opens a stream in both directions; waits while the other side allows no
    /// more of them. It notices once something is sent.
    pub async fn open(&self, priority: Priority) -> Result<(FrameSender, FrameReceiver), StreamError> {
        let (send, receive) = self.0.connection.open_bi().await?;
        let mut sender = FrameSender::new(send, Some(Arc::clone(&self.0)));
        sender.set_priority(priority);
        Ok((sender, FrameReceiver::new(receive, Some(Arc::clone(&self.0)))))
    }

    /// The next stream in both directions that the other side opened. Answers
    /// on it have [`Priority::Normal`] until told otherwise.
    pub async fn accept(&self) -> Result<(FrameSender, FrameReceiver), StreamError> {
        let (send, receive) = self.0.connection.accept_bi().await?;
        Ok((
            FrameSender::new(send, Some(Arc::clone(&self.0))),
            FrameReceiver::new(receive, Some(Arc::clone(&self.0))),
        ))
    }

    /// Opens a stream for sending alone; waits while the other side allows no
    /// more of them.
    pub async fn open_uni(&self, priority: Priority) -> Result<FrameSender, StreamError> {
        let mut sender = FrameSender::new(self.0.connection.open_uni().await?, Some(Arc::clone(&self.0)));
        sender.set_priority(priority);
        Ok(sender)
    }

    /// The next stream on which the other side sends alone.
    pub async fn accept_uni(&self) -> Result<FrameReceiver, StreamError> {
        Ok(FrameReceiver::new(self.0.connection.accept_uni().await?, Some(Arc::clone(&self.0))))
    }

    /// Closes the connection at once: what has not arrived is lost (see
    /// [`FrameSender::finish_and_wait`]). The other side is told `reason`.
    pub fn close(&self, reason: &str) {
        self.0.connection.close(CLOSE_DONE, reason.as_bytes());
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> Disconnect {
        Disconnect::of(&self.0.connection.closed().await)
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.0.connection.close_reason().is_some()
    }
}

impl Live {
    /// Ends the connection if the other side would not be let in with what is
    /// believed now. Says why.
    pub(super) fn judge_again(&self, credentials: &Credentials) -> Result<(), String> {
        if self.connection.close_reason().is_some() {
            return Ok(());
        }
        credentials.check_still_trusted(&self.chain()).map_err(|problem| {
            let Identity { name, role } = &self.peer;
            let cause = format!("the certificate of {} {name}: {problem}", role.as_str());
            self.connection.close(CLOSE_DENIED, cause.as_bytes());
            cause
        })
    }

    /// What it has carried so far.
    pub(super) fn carried(&self) -> Carried {
        Carried::of(&self.connection.stats())
    }

    pub(super) fn is_open(&self) -> bool {
        self.connection.close_reason().is_none()
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The node at the other end of a connection of peers, and how long there and back takes.
    pub(super) fn peer_round_trip(&self) -> Option<(&NodeName, Duration)> {
        (self.protocol == Protocol::Peer).then(|| (&self.peer.name, self.connection.rtt()))
    }

    /// Who is at the other end.
    pub(super) fn peer(&self) -> &Identity {
        &self.peer
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        chain(&self.connection)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.registration.leave(&self.carried());
    }
}

/// The certificates that the other side has shown.
pub(super) fn chain(connection: &quinn::Connection) -> Vec<CertificateDer<'static>> {
    let shown =
        connection.peer_identity().and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    shown.map(|chain| *chain).unwrap_or_default()
}

/// An IPv4 address as such, where a socket for both kinds calls it an IPv6 one.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
