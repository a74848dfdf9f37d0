//! Sizes, durations and dates, as the page shows them.

use std::time::Duration;

pub(super) use coffee_common::units::{size, span};
use time::OffsetDateTime;

/// Returns a short duration in milliseconds.
pub(super) fn milliseconds(duration: Duration) -> String {
    match duration.as_micros() {
        us @ 0..10_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        us => format!("{} ms", us / 1000),
    }
}

/// Returns a time in milliseconds since 1970, to the second.
pub(super) fn utc(at_ms: u64) -> String {
    let Some(at) = moment(at_ms) else { return "-".to_owned() };
    format!("{} {:02}:{:02}:{:02} UTC", at.date(), at.hour(), at.minute(), at.second())
}

/// Returns the day of a time in milliseconds since 1970.
pub(super) fn day(at_ms: u64) -> String {
    moment(at_ms).map_or_else(|| "-".to_owned(), |at| at.date().to_string())
}

fn moment(at_ms: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(at_ms / 1000).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_keep_numbers_short() {
        assert_eq!([0, 5 << 20, 20 << 30].map(size), ["0 bytes", "5 MiB", "20 GiB"]);
        assert_eq!([12, 61_000, 600_000, 864_000_000].map(span), ["12 ms", "61 s", "10 min", "10 days"]);
        assert_eq!([960, 310_999].map(|us| milliseconds(Duration::from_micros(us))), ["0.9 ms", "310 ms"]);
        let at = 1_795_399_453_999;
        assert_eq!((utc(at), day(at)), ("2026-11-23 02:04:13 UTC".to_owned(), "2026-11-23".to_owned()));
        assert_eq!(utc(u64::MAX), "-");
    }
}
