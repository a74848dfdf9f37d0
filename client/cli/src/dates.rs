//! Moments, as people and scripts read them.

/// A moment as RFC 3339 has it, to the second: of seconds since 1970.
pub fn utc(seconds: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(seconds).map_or_else(
        |_| seconds.to_string(),
        |t| {
            let (year, month, day) = (t.year(), u8::from(t.month()), t.day());
            let (hour, minute, second) = (t.hour(), t.minute(), t.second());
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
        },
    )
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
