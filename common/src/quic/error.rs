//! Errors of endpoints, connections and streams, as sentences with hints.

use std::{io, net::SocketAddr};

use quinn::ConnectionError;

use super::disconnect::Disconnect;
use crate::{frame::FrameError, protocol::Identity, tls::RefusalReason};

/// Why an endpoint cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address cannot be bound.
    #[error("cannot listen on UDP {address}: {cause}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        cause: io::Error,
    },
    /// The socket does not work.
    #[error("the UDP socket does not work: {0}")]
    Socket(#[from] io::Error),
    /// The certificate is not a node's, so it cannot accept connections.
    #[error("the certificate belongs to {} {}; only a node's certificate can accept connections", .0.role.as_str(), .0.name)]
    NotANode(Identity),
    /// TLS or QUIC rejects the settings.
    #[error("cannot set up QUIC: {0}")]
    Setup(String),
}

impl EndpointError {
    /// Returns what the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Bind { cause, .. } => match cause.kind() {
                io::ErrorKind::AddrInUse => "another process uses the port: stop it, or choose another port",
                io::ErrorKind::AddrNotAvailable => {
                    "this machine does not have the address: choose one that `ip address` lists, or 0.0.0.0"
                }
                io::ErrorKind::PermissionDenied => "ports below 1024 need privileges: choose a higher one",
                _ => "choose another address or port to listen on",
            },
            Self::NotANode(_) => "use the certificate that `coffeectl cert node NAME` created",
            Self::Socket(_) | Self::Setup(_) => "check the network settings in the configuration",
        }
    }
}

/// Why a connection was not established. Nothing was sent on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The peer does not answer.
    #[error("cannot reach {address}: {cause}")]
    Unreachable {
        /// The address of the peer.
        address: String,
        /// The cause.
        cause: String,
    },
    /// One side rejected the identity of the other.
    #[error("{}", identity_sentence(address, *by_us, cause))]
    Identity {
        /// The address of the peer.
        address: String,
        /// Whether this side rejected the peer, not the other way round.
        by_us: bool,
        /// The cause.
        cause: String,
    },
    /// The peer speaks another protocol.
    #[error("{address} speaks no protocol known to this version of coffeed: {cause}")]
    Protocol {
        /// The address of the peer.
        address: String,
        /// The cause.
        cause: String,
    },
    /// The peer is at its limit of connections, or is stopping.
    #[error("{address} accepts no connection now: {cause}")]
    Busy {
        /// The address of the peer.
        address: String,
        /// The cause, as the peer states it.
        cause: String,
    },
    /// The own endpoint is closed.
    #[error("the endpoint is closed")]
    EndpointClosed,
}

fn identity_sentence(address: &str, by_us: bool, cause: &str) -> String {
    if by_us {
        format!("rejected the certificate of {address}: {cause}")
    } else {
        format!("{address} rejected our certificate: {cause}")
    }
}

impl ConnectError {
    /// Returns what the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "check the address, that coffeed runs there, and that firewalls in between let UDP pass"
            }
            Self::Identity { .. } => {
                "compare both certificates: one CA, not expired, the right role and name (`coffeectl cert list`), \
                 and both clocks"
            }
            Self::Protocol { .. } => "check that the address is coffeed's, and compare the versions",
            Self::Busy { .. } => "try again, or try another node",
            Self::EndpointClosed => "this process is stopping",
        }
    }

    /// Returns why a handshake with `address` failed. `refusal` is the reason from this side's own
    /// verifier, if it rejected the peer.
    pub(super) fn of(error: &ConnectionError, address: &str, refusal: Option<&RefusalReason>) -> Self {
        let address = address.to_owned();
        match Disconnect::of(error) {
            Disconnect::Refused { by_us: true, cause } => {
                let cause = refusal.and_then(|told| told.get().cloned()).unwrap_or(cause);
                Self::Identity { address, by_us: true, cause }
            }
            Disconnect::Refused { by_us: false, cause } => Self::Identity { address, by_us: false, cause },
            Disconnect::Busy(cause) => Self::Busy { address, cause },
            Disconnect::WrongProtocol(cause) => Self::Protocol { address, cause },
            Disconnect::ByUs => Self::EndpointClosed,
            Disconnect::Stopping(cause) => Self::Busy { address, cause },
            Disconnect::ByPeer(cause) => {
                let cause = format!("it closed the connection at once {cause}").trim_end().to_owned();
                Self::Busy { address, cause }
            }
            gone @ (Disconnect::TimedOut | Disconnect::Restarted | Disconnect::Broken(_)) => {
                Self::Unreachable { address, cause: gone.to_string() }
            }
        }
    }
}

/// Why a stream cannot be used any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Its connection has ended.
    #[error("the connection is lost: {0}")]
    Lost(#[from] Disconnect),
    /// The peer aborted sending on it.
    #[error("the other side reset the stream")]
    Reset,
    /// The peer stopped reading it.
    #[error("the other side stopped reading the stream")]
    Stopped,
    /// This side finished, reset or stopped it, or cancelled a send in the middle of a frame.
    #[error("the stream is closed on this side")]
    Closed,
    /// It ended in the middle of a frame.
    #[error("the stream ended in the middle of a frame")]
    Truncated,
    /// A frame was not complete in time.
    #[error("a frame was not complete in time")]
    Late,
    /// The bytes received are not a valid frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl From<ConnectionError> for StreamError {
    fn from(error: ConnectionError) -> Self {
        Self::Lost(Disconnect::of(&error))
    }
}

impl From<quinn::WriteError> for StreamError {
    fn from(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::Stopped(_) => Self::Stopped,
            quinn::WriteError::ConnectionLost(lost) => lost.into(),
            quinn::WriteError::ClosedStream | quinn::WriteError::ZeroRttRejected => Self::Closed,
        }
    }
}

impl From<quinn::ReadError> for StreamError {
    fn from(error: quinn::ReadError) -> Self {
        match error {
            quinn::ReadError::Reset(_) => Self::Reset,
            quinn::ReadError::ConnectionLost(lost) => lost.into(),
            quinn::ReadError::ClosedStream
            | quinn::ReadError::IllegalOrderedRead
            | quinn::ReadError::ZeroRttRejected => Self::Closed,
        }
    }
}
