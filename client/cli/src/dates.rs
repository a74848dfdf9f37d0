//! Formats points in time for people and scripts.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Formats seconds since 1970 as RFC 3339, to the second. A moment that RFC
/// 3339 cannot express stays a number.
pub fn utc(seconds: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok();
    moment.and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_else(|| seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(1_795_399_453), "2026-11-23T02:04:13Z");
        assert_eq!(utc(i64::MAX), i64::MAX.to_string());
    }
}
