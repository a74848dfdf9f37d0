//! How often clients met the bounds of what they may make a node hold or do.

use super::Counter;

/// A bound for one client, or for one of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientLimit {
    /// Requests in flight.
    Requests,
    /// Bytes of incomplete requests.
    RequestBytes,
    /// The time in which a request has to be complete.
    RequestTime,
    /// Bytes of responses that are not received.
    ResponseBytes,
    /// The time in which responses have to be received.
    ResponseTime,
    /// Pages of ranges that are read at once.
    RangeReads,
    /// Backups that are read at once.
    Backups,
    /// Watches that wait.
    Watches,
}

impl ClientLimit {
    /// All limits.
    pub const ALL: [Self; 8] = [
        Self::Requests,
        Self::RequestBytes,
        Self::RequestTime,
        Self::ResponseBytes,
        Self::ResponseTime,
        Self::RangeReads,
        Self::Backups,
        Self::Watches,
    ];

    /// Returns the exposed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::RequestBytes => "request_bytes",
            Self::RequestTime => "request_time",
            Self::ResponseBytes => "response_bytes",
            Self::ResponseTime => "response_time",
            Self::RangeReads => "range_reads",
            Self::Backups => "backups",
            Self::Watches => "watches",
        }
    }
}

/// Counts what was rejected, dropped or closed for a limit.
#[derive(Debug, Default)]
pub struct ClientLimitMetrics([Counter; ClientLimit::ALL.len()]);

impl ClientLimitMetrics {
    /// Returns the count for a limit.
    pub fn of(&self, limit: ClientLimit) -> &Counter {
        &self.0[limit as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_counted_for_itself() {
        let metrics = ClientLimitMetrics::default();
        for (number, limit) in ClientLimit::ALL.into_iter().enumerate() {
            assert_eq!((limit as usize, metrics.of(limit).get()), (number, 0));
            metrics.of(limit).increment();
            assert_eq!(metrics.of(limit).get(), 1, "{limit:?}");
        }
    }
}
