//! The wall clock. `clippy.toml` bans reading it anywhere else.
//!
//! The time is shown to people, and the leader stamps it into commands. No rule of the cluster
//! depends on it, since it may jump. Measure spans of time with `tokio::time::Instant`, which
//! simulated time can replace.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the milliseconds since 1970; 0 if the machine's clock is set to an earlier time.
pub fn now_ms() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the wall clock's one home")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_milliseconds_since_1970() {
        // 2025-01-01 to 2100-01-01: a wrong unit would be outside.
        assert!((1_735_689_600_000..4_102_444_800_000).contains(&now_ms()));
    }
}
