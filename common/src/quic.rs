//! Connections between nodes, and from clients to nodes: QUIC (RFC 9000) with
//! certificates on both sides, over one UDP socket, carrying frames.
//!
//! An [`Endpoint`] has the socket; it dials and accepts [`Connection`]s, and
//! each of these opens and accepts streams, whose two ends are a
//! [`FrameSender`] and a [`FrameReceiver`]. Which protocol is spoken on a
//! connection ([`Protocol`]) is negotiated in its handshake.
//!
//! A connection that [`Endpoint::connect`] returns was let in by the other
//! side: the acceptor's first word, an empty frame on a stream of its own,
//! says so. TLS 1.3 alone would leave the dialler believing in a connection
//! that the acceptor is about to refuse, since the acceptor judges last. So an
//! error of `connect` always means that nothing of ours has been taken.
//!
//! ```no_run
//! use coffee_common::{
//!     frame,
//!     quic::{Endpoint, EndpointOptions, Expect, Priority, Protocol},
//!     tls::{CredentialFiles, Credentials},
//! };
//!
//! # async fn example(files: CredentialFiles) -> Result<(), Box<dyn std::error::Error>> {
//! let credentials = Credentials::load(&files)?;
//! let endpoint = Endpoint::dial_only(&credentials, &EndpointOptions::default())?;
//! let hong = Expect::Node("hong".parse()?);
//! let connection = endpoint.connect(&"shop-2.example.net:7400".parse()?, &hong, Protocol::Client).await?;
//! let (mut sender, mut receiver) = connection.open(Priority::Normal).await?;
//! sender.send(frame::encode(&"a message")?).await?;
//! while let Some(message) = receiver.receive().await? {
//!     let answer: String = frame::decode(&message)?;
//! }
//! endpoint.close("done").await;
//! # Ok(())
//! # }
//! ```
//!
//! The only module that names quinn. Knows no message: whoever uses a stream
//! encodes and decodes. Guards: nobody without a certificate of our CA costs
//! more than a bounded handshake; no stream makes us hold more than one frame
//! of [`FRAME_BYTES_MAX`](crate::limits::FRAME_BYTES_MAX); only nodes speak
//! the peer protocol; and who was revoked keeps no connection.

mod accept;
mod connection;
mod dial;
mod disconnect;
mod endpoint;
mod error;
mod handshake_limit;
mod liveness;
mod options;
mod registry;
mod stream;
mod traffic;

pub use accept::Handshake;
pub use connection::{Connection, Packets};
pub use disconnect::Disconnect;
pub use endpoint::Endpoint;
pub use error::{ConnectError, EndpointError, StreamError};
pub use liveness::Liveness;
pub use options::EndpointOptions;
/// What a simulated network puts in place of a UDP socket.
pub use quinn::{AsyncUdpSocket, UdpPoller, udp};
pub use stream::{FrameReceiver, FrameSender};
pub use traffic::{Carried, Survey, Traffic};

use std::fmt;

use crate::{
    id::NodeName,
    protocol::{ALPN_CLIENT, ALPN_PEER, Role},
};

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A client asks, a node answers: `coffee/1`.
    Client,
    /// The members of a cluster among themselves: `coffee-peer/1`.
    Peer,
}

impl Protocol {
    const ALL: [Self; 2] = [Self::Client, Self::Peer];

    fn alpn(self) -> &'static [u8] {
        match self {
            Self::Client => ALPN_CLIENT,
            Self::Peer => ALPN_PEER,
        }
    }

    fn of_alpn(alpn: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.alpn() == alpn)
    }

    /// Whether one of this role may speak it at all.
    fn is_open_to(self, role: Role) -> bool {
        match self {
            Self::Client => true,
            Self::Peer => role == Role::Node,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client protocol",
            Self::Peer => "peer protocol",
        })
    }
}

/// Whom a dialled address has to belong to. It is always a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expect {
    /// This one, and no other.
    Node(NodeName),
    /// Any of the cluster.
    AnyNode,
}

impl Expect {
    fn name(&self) -> Option<&NodeName> {
        match self {
            Self::Node(name) => Some(name),
            Self::AnyNode => None,
        }
    }
}

/// Which streams of a connection go first, when not all of them can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// What may take as long as it likes: snapshots.
    Background,
    /// Large frames.
    Bulk,
    /// The rest.
    #[default]
    Normal,
    /// What an election hangs on: votes and heartbeats.
    Urgent,
}

impl Priority {
    fn level(self) -> i32 {
        match self {
            Self::Background => -2,
            Self::Bulk => -1,
            Self::Normal => 0,
            Self::Urgent => 1,
        }
    }
}

#[cfg(test)]
mod tests;
