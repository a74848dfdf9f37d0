//! The time of `--since`: some time ago, a time of the last 24 hours, or a moment.

use time::{Date, Month};

const DAY_MS: u64 = 86_400_000;

/// A time in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// This many milliseconds ago.
    Ago(u64),
    /// The last time that it was this many milliseconds after midnight, UTC.
    TimeOfDay(u64),
    /// In milliseconds since 1970.
    At(u64),
}

impl Since {
    /// Returns the time in milliseconds since 1970.
    pub(super) fn at_ms(self, now_ms: u64) -> u64 {
        match self {
            Self::Ago(ms) => now_ms.saturating_sub(ms),
            Self::TimeOfDay(ms) => {
                let today = now_ms - now_ms % DAY_MS + ms;
                if today <= now_ms { today } else { today.saturating_sub(DAY_MS) }
            }
            Self::At(at_ms) => at_ms,
        }
    }
}

/// Parses a time.
pub(super) fn parse(text: &str) -> Result<Since, String> {
    let since = match text.split_once('T') {
        Some((date, time)) => moment(date, time.strip_suffix('Z').unwrap_or(time)).map(Since::At),
        None if text.contains(':') => time_of_day(text).map(Since::TimeOfDay),
        None => ago(text).map(Since::Ago),
    };
    since
        .ok_or_else(|| "use 90s, 15m, 3h or 2d ago, 03:00, or 2026-12-01T03:00:00Z; times are UTC".to_owned())
}

fn ago(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

/// Parses `HH:MM` or `HH:MM:SS`, perhaps with a fraction of a second, which does not count.
fn time_of_day(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let mut part = |below: u64, default: Option<&'static str>| {
        let number: u64 = parts.next().or(default)?.parse().ok()?;
        (number < below).then_some(number)
    };
    let (hours, minutes) = (part(24, None)?, part(60, None)?);
    let seconds = part(60, Some("0"))?;
    parts.next().is_none().then_some(((hours * 60 + minutes) * 60 + seconds) * 1000)
}

fn moment(date: &str, time: &str) -> Option<u64> {
    let parts: Vec<u16> = date.split('-').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [year, month, day] = parts[..] else { return None };
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year.into(), month, u8::try_from(day).ok()?).ok()?;
    let midnight = u64::try_from(date.midnight().assume_utc().unix_timestamp()).ok()?;
    Some(midnight * 1000 + time_of_day(time)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-12-01T02:30:00Z
    const NOW_MS: u64 = 1_796_092_200_000;

    #[test]
    fn each_way_to_say_a_time() {
        for (text, expected) in [
            ("90s", "2026-12-01T02:28:30Z"),
            ("15m", "2026-12-01T02:15:00Z"),
            ("3h", "2026-11-30T23:30:00Z"),
            ("2d", "2026-11-29T02:30:00Z"),
            ("02:30", "2026-12-01T02:30:00Z"),
            ("02:30:01", "2026-11-30T02:30:01Z"),
            ("03:00", "2026-11-30T03:00:00Z"),
            ("2026-11-23T02:04:13Z", "2026-11-23T02:04:13Z"),
            ("2026-11-23T02:04", "2026-11-23T02:04:00Z"),
            ("999999d", "1970-01-01T00:00:00Z"),
        ] {
            let at_ms = parse(text).unwrap().at_ms(NOW_MS);
            assert_eq!(crate::dates::utc(i64::try_from(at_ms / 1000).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "3",
            "3 h",
            "-3h",
            "3h30m",
            "24:00",
            "03:60",
            "3:0:0:0",
            "03:",
            "2026-13-01T00:00Z",
            "2026-02-30T00:00Z",
            "2026-12-01",
            "1969-12-31T00:00Z",
            "99999999999999999999d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
