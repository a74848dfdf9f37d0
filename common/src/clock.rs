//! The wall clock: its one home, which every other module is kept away from
//! by `clippy.toml`.
//!
//! What is read here is shown to people and stamped into commands by the
//! leader; no rule of the cluster depends on it, since it may jump. For spans
//! of time there is `tokio::time::Instant`, which simulated time can replace.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; 0 if the machine's clock stands before that.
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
        // 2025-01-01 and 2100-01-01: a slip of a unit lands outside.
        assert!((1_735_689_600_000..4_102_444_800_000).contains(&now_ms()));
    }
}
