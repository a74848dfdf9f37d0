//! What goes wrong with connections, in sentences for people.

use std::{io, net::SocketAddr};

use quinn::ConnectionError;

use super::disconnect::Disconnect;
use crate::{frame::FrameError, protocol::Identity, tls::RefusalReason};

/// An endpoint that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address cannot be listened on.
    #[error("cannot listen on UDP {address}: {cause}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// The socket does not work.
    #[error("the UDP socket does not work: {0}")]
    Socket(#[from] io::Error),
    /// Whom we are does not answer others.
    #[error("the certificate belongs to {} {}, and only a node's can be listened with", .0.role.as_str(), .0.name)]
    NotANode(Identity),
    /// TLS or QUIC does not like its settings.
    #[error("cannot set up QUIC: {0}")]
    Setup(String),
}

impl EndpointError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Bind { cause, .. } => match cause.kind() {
                io::ErrorKind::AddrInUse => "another process listens there: stop it, or choose another port",
                io::ErrorKind::AddrNotAvailable => {
                    "the address is none of this machine's: choose one of `ip address`, or 0.0.0.0"
                }
                io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one",
                _ => "choose another address or port to listen on",
            },
            Self::NotANode(_) => "use the certificate that `coffeectl cert node NAME` made",
            Self::Socket(_) | Self::Setup(_) => "check the network settings in the configuration",
        }
    }
}

/// A connection that did not come about. Nothing was sent on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers there.
    #[error("cannot reach {address}: {cause}")]
    Unreachable {
        /// Whom we tried to reach, or who tried to reach us.
        address: String,
        /// What happened.
        cause: String,
    },
    /// One side does not accept who the other one is.
    #[error("{}", identity_sentence(address, *by_us, cause))]
    Identity {
        /// The other side.
        address: String,
        /// Whether we refused the other side, and not it us.
        by_us: bool,
        /// Why.
        cause: String,
    },
    /// It answers, and speaks another protocol.
    #[error("{address} speaks no protocol that this version of coffeed knows: {cause}")]
    Protocol {
        /// The other side.
        address: String,
        /// What tells us.
        cause: String,
    },
    /// It answers, and has no room or is about to stop.
    #[error("{address} takes no connection now: {cause}")]
    Busy {
        /// The other side.
        address: String,
        /// What it says.
        cause: String,
    },
    /// Our own endpoint is closed.
    #[error("the endpoint is closed")]
    EndpointClosed,
}

fn identity_sentence(address: &str, by_us: bool, cause: &str) -> String {
    if by_us {
        format!("refused the certificate of {address}: {cause}")
    } else {
        format!("{address} refused our certificate: {cause}")
    }
}

impl ConnectError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "check that coffeed runs there, the address, and that UDP passes the firewalls between"
            }
            Self::Identity { .. } => {
                "compare both certificates: one CA, not expired, the right role and name (`coffeectl cert list`), \
                 and both clocks"
            }
            Self::Protocol { .. } => "check that the address is coffeed's, and compare the versions",
            Self::Busy { .. } => "try again, or try another node",
            Self::EndpointClosed => "this process is about to stop",
        }
    }

    /// Why a handshake with `address` failed. `refusal` is what our own
    /// verifier had to say, if it spoke.
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

/// A stream that cannot be used any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Its connection has ended.
    #[error("the connection is lost: {0}")]
    Lost(#[from] Disconnect),
    /// The other side gave up sending on it.
    #[error("the other side broke the stream off")]
    Reset,
    /// The other side does not want what we send on it.
    #[error("the other side stopped reading the stream")]
    Stopped,
    /// It was finished, reset or stopped by this side, or left in the middle of a frame.
    #[error("the stream is closed on this side")]
    Closed,
    /// It ended in the middle of a frame.
    #[error("the stream ended in the middle of a frame")]
    Truncated,
    /// What came is no frame.
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
