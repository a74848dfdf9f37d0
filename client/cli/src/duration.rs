//! Durations in flags and in the contexts file: a number and its unit.

use std::time::Duration;

use coffee_common::limits;

/// Parses a duration with its unit, within the bounds of a request's timeout.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "" => return Err("the unit is missing: ms, s or m".into()),
        _ => return Err("use a whole number and ms, s or m, such as 5s".into()),
    };
    let ms = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_ms));
    let bounds = limits::REQUEST_TIMEOUT_MS;
    match ms.and_then(|ms| u32::try_from(ms).ok()).filter(|ms| bounds.contains(ms)) {
        Some(ms) => Ok(Duration::from_millis(ms.into())),
        None => Err(format!("use a duration from {}ms to {}s", bounds.start(), bounds.end() / 1000)),
    }
}

/// Formats a duration for [`parse`].
pub(crate) fn render(time: Duration) -> String {
    match time.as_millis() {
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}
