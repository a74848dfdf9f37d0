//! QUIC connections (RFC 9000) between nodes, and from clients to nodes: certificates on both
//! sides, one UDP socket, and streams of frames.
//!
//! An [`Endpoint`] owns the socket, and dials and accepts [`Connection`]s. Each of these opens and
//! accepts streams, whose two ends are a [`FrameSender`] and a [`FrameReceiver`]. The [`Protocol`]
//! of a connection is negotiated in its handshake.
//!
//! A connection returned by [`Endpoint::connect`] was accepted by the peer: the acceptor first
//! sends an empty frame on its own stream. TLS 1.3 alone would let the dialler use a connection
//! that the acceptor is about to reject, since the acceptor verifies last. An error of `connect`
//! therefore always means that the peer processed nothing.
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
//! The only module that names quinn. Knows no messages: its users encode and decode them. Guards
//! that a peer without a certificate of a trusted CA costs at most a bounded handshake; that a
//! stream buffers at most one frame of [`FRAME_BYTES_MAX`](crate::limits::FRAME_BYTES_MAX); that
//! only nodes use the peer protocol; and that a peer loses its connections when it is revoked.

mod accept;
mod connection;
mod dial;
mod disconnect;
mod endpoint;
mod error;
mod handshake_limit;
mod liveness;
mod node_addresses;
mod options;
mod places;
mod registry;
mod resolve;
mod stream;
mod traffic;

pub use accept::Handshake;
pub use connection::{Connection, Packets, PathMtu};
pub use disconnect::Disconnect;
pub use endpoint::Endpoint;
pub use error::{ConnectError, EndpointError, StreamError};
pub use liveness::Liveness;
pub use options::{ETHERNET_PAYLOAD, EndpointOptions, PACKET_BYTES_MIN};
pub use places::RefusedConnections;
/// The parts of a socket that a simulated network implements.
pub use quinn::{AsyncUdpSocket, UdpPoller, udp};
pub use stream::{CutReason, FrameReceiver, FrameSender};
pub use traffic::{Carried, Survey, Traffic};

use std::fmt;

use crate::{
    id::NodeName,
    protocol::{ALPN_CLIENT, ALPN_PEER, Role},
};

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Between a client and a node: `coffee/1`.
    Client,
    /// Between the members of a cluster: `coffee-peer/1`.
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

    /// Returns whether a role may use the protocol at all.
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

/// The node that is expected at a dialled address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expect {
    /// Only this node.
    Node(NodeName),
    /// Any node with a certificate of a trusted CA.
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

/// The priority of a stream among those of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// Not urgent: snapshots.
    Background,
    /// Large frames.
    Bulk,
    /// Everything else.
    #[default]
    Normal,
    /// Votes and heartbeats, on which elections depend.
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
