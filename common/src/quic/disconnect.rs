//! Why a connection ended: the errors of QUIC, the alerts of TLS and the own codes, by what people
//! can do about them.

use quinn::{ConnectionError, VarInt};

use crate::{text, tls::alert_sentence};

/// An ordinary end.
pub(super) const CLOSE_DONE: VarInt = VarInt::from_u32(0);
/// The peer may not use this protocol.
pub(super) const CLOSE_DENIED: VarInt = VarInt::from_u32(1);
/// Too many connections, or about to stop.
pub(super) const CLOSE_BUSY: VarInt = VarInt::from_u32(2);

/// This side stops, and may return.
pub(super) const CLOSE_STOPPING: VarInt = VarInt::from_u32(3);

/// The QUIC error codes for TLS alerts (RFC 9001, section 4.8).
const CRYPTO_ERRORS: std::ops::Range<u64> = 0x100..0x200;
/// The code of CONNECTION_REFUSED in QUIC.
const CONNECTION_REFUSED: u64 = 0x2;
/// The code of no_application_protocol in TLS.
const ALERT_NO_PROTOCOL: u8 = 120;
/// The most bytes that are kept of a peer's reason.
const REASON_BYTES_MAX: usize = 200;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disconnect {
    /// This side closed it.
    #[error("closed by this side")]
    ByUs,
    /// The peer closed it, with this reason.
    #[error("closed by the other side: {0}")]
    ByPeer(String),
    /// The peer stops as planned: it was told to, or leaves its cluster.
    #[error("the other side is stopping: {0}")]
    Stopping(String),
    /// Nothing was received from the peer for too long.
    #[error("no answer in time")]
    TimedOut,
    /// The peer does not know the connection any more.
    #[error("the other side has restarted")]
    Restarted,
    /// One side rejected the other's certificate or role.
    #[error("{}: {cause}", if *.by_us { "rejected by this side" } else { "rejected by the other side" })]
    Refused {
        /// Whether this side rejected the peer.
        by_us: bool,
        /// The cause.
        cause: String,
    },
    /// The two sides have no protocol in common.
    #[error("no common protocol: {0}")]
    WrongProtocol(String),
    /// The peer is at its limit of connections, or is stopping.
    #[error("the other side is busy: {0}")]
    Busy(String),
    /// Any other end.
    #[error("{0}")]
    Broken(String),
}

impl Disconnect {
    pub(super) fn of(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::LocallyClosed => Self::ByUs,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::Reset => Self::Restarted,
            ConnectionError::VersionMismatch => Self::WrongProtocol("another version of QUIC".to_owned()),
            ConnectionError::CidsExhausted => Self::Broken("no connection ids left".to_owned()),
            ConnectionError::TransportError(error) => {
                Self::of_transport(error.code.into(), true, &error.reason)
            }
            ConnectionError::ConnectionClosed(close) => {
                Self::of_transport(close.error_code.into(), false, &printable(&close.reason))
            }
            ConnectionError::ApplicationClosed(close) => {
                let cause = printable(&close.reason);
                match close.error_code {
                    CLOSE_DENIED => Self::Refused { by_us: false, cause },
                    CLOSE_BUSY => Self::Busy(cause),
                    CLOSE_STOPPING => Self::Stopping(cause),
                    _ => Self::ByPeer(cause),
                }
            }
        }
    }

    fn of_transport(code: u64, by_us: bool, reason: &str) -> Self {
        if code == CONNECTION_REFUSED {
            return Self::Busy("it is at its limit of connections, or is stopping".to_owned());
        }
        let alert = CRYPTO_ERRORS.contains(&code).then_some((code & 0xff) as u8);
        match alert {
            Some(ALERT_NO_PROTOCOL) => Self::WrongProtocol("none of its protocols is known".to_owned()),
            Some(alert) => match alert_sentence(alert) {
                Some(cause) => Self::Refused { by_us, cause: cause.to_owned() },
                None => Self::WrongProtocol(format!("TLS alert {alert} {reason}")),
            },
            None => Self::Broken(format!("QUIC error {code:#x} {reason}").trim_end().to_owned()),
        }
    }
}

/// Returns the peer's reason, fit for a terminal.
fn printable(reason: &[u8]) -> String {
    text::harmless(&String::from_utf8_lossy(reason), REASON_BYTES_MAX).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_stranger_controls_no_terminal() {
        assert_eq!(printable(b"full"), "full");
        assert_eq!(printable("ok\u{202e}ko\u{1b}[2J\n".as_bytes()), "ok\u{fffd}ko\u{fffd}[2J ");
        assert_eq!(printable(&[b'x'; 1000]).len(), REASON_BYTES_MAX);
    }
}
