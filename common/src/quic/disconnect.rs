//! Why a connection ended: QUIC's errors, TLS's alerts and our own codes, told
//! apart by what people can do about them.

use quinn::{ConnectionError, VarInt};

use crate::tls::alert_sentence;

/// An ordinary end.
pub(super) const CLOSE_DONE: VarInt = VarInt::from_u32(0);
/// Whoever it is may not speak this protocol here.
pub(super) const CLOSE_DENIED: VarInt = VarInt::from_u32(1);
/// No room, or about to stop.
pub(super) const CLOSE_BUSY: VarInt = VarInt::from_u32(2);

/// TLS alerts travel as QUIC errors from here on (RFC 9001, section 4.8).
const CRYPTO_ERRORS: std::ops::Range<u64> = 0x100..0x200;
/// QUIC's CONNECTION_REFUSED.
const CONNECTION_REFUSED: u64 = 0x2;
/// TLS's no_application_protocol.
const ALERT_NO_PROTOCOL: u8 = 120;
/// Of what the other side gives as its reason we believe this many characters.
const REASON_CHARACTERS_MAX: usize = 200;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disconnect {
    /// We closed it.
    #[error("closed by this side")]
    ByUs,
    /// The other side closed it, and says why.
    #[error("closed by the other side: {0}")]
    ByPeer(String),
    /// Nothing was heard from the other side for too long.
    #[error("no answer in time")]
    TimedOut,
    /// The other side does not know the connection any more.
    #[error("the other side has restarted")]
    Restarted,
    /// One side does not accept the other one's certificate or role.
    #[error("{}: {cause}", if *.by_us { "refused by this side" } else { "refused by the other side" })]
    Refused {
        /// Whether it was we who refused.
        by_us: bool,
        /// Why.
        cause: String,
    },
    /// The two sides have no protocol in common.
    #[error("no common protocol: {0}")]
    WrongProtocol(String),
    /// The other side has no room, or is about to stop.
    #[error("the other side is busy: {0}")]
    Busy(String),
    /// Anything else.
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
            ConnectionError::CidsExhausted => Self::Broken("no connection ids are left".to_owned()),
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
                    _ => Self::ByPeer(cause),
                }
            }
        }
    }

    fn of_transport(code: u64, by_us: bool, reason: &str) -> Self {
        if code == CONNECTION_REFUSED {
            return Self::Busy("it has no room for another connection, or is about to stop".to_owned());
        }
        let alert = CRYPTO_ERRORS.contains(&code).then_some((code & 0xff) as u8);
        match alert {
            Some(ALERT_NO_PROTOCOL) => Self::WrongProtocol("it offers none of ours".to_owned()),
            Some(alert) => match alert_sentence(alert) {
                Some(cause) => Self::Refused { by_us, cause: cause.to_owned() },
                None => Self::WrongProtocol(format!("TLS alert {alert} {reason}")),
            },
            None => Self::Broken(format!("QUIC error {code:#x} {reason}").trim_end().to_owned()),
        }
    }
}

/// What the other side gives as its reason, made fit for a terminal.
fn printable(reason: &[u8]) -> String {
    String::from_utf8_lossy(reason)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(REASON_CHARACTERS_MAX)
        .collect()
}
