//! Connections over HTTP: how many are open, and why others were rejected.

use super::{Counter, Gauge};

/// Why a connection was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpRejection {
    /// The node has no descriptor for it.
    Accept,
    /// Too many handshakes are in progress, in all or of its network.
    Handshakes,
    /// The handshake took too long.
    Slow,
    /// The handshake failed, such as with an earlier version of TLS.
    Handshake,
    /// The client has shown no certificate, or one that is not trusted.
    Certificate,
    /// The client has as many connections as one client may have.
    Client,
    /// The node has as many connections as it serves.
    Node,
}

impl HttpRejection {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Accept,
        Self::Handshakes,
        Self::Slow,
        Self::Handshake,
        Self::Certificate,
        Self::Client,
        Self::Node,
    ];

    /// Returns the exposed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Handshakes => "handshakes",
            Self::Slow => "slow",
            Self::Handshake => "handshake",
            Self::Certificate => "certificate",
            Self::Client => "client",
            Self::Node => "node",
        }
    }
}

/// Connections over HTTP.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    /// Connections with a verified client.
    pub connections: Gauge,
    rejections: [Counter; HttpRejection::ALL.len()],
}

impl HttpMetrics {
    /// Returns the count of connections that were rejected for a reason.
    pub fn rejections(&self, reason: HttpRejection) -> &Counter {
        &self.rejections[reason as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_counted_for_itself() {
        let metrics = HttpMetrics::default();
        for (number, reason) in HttpRejection::ALL.into_iter().enumerate() {
            assert_eq!((reason as usize, metrics.rejections(reason).get()), (number, 0));
            metrics.rejections(reason).increment();
            assert_eq!(metrics.rejections(reason).get(), 1, "{reason:?}");
        }
    }
}
