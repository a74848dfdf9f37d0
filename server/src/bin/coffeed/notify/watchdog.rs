//! Feeds systemd's watchdog while the node is alive.
//!
//! Never by a timer alone: before each feed, consensus must have answered and
//! the log writer must have returned from the disk ([`Server::pulse`]). If one
//! of them hangs, the watchdog is not fed and systemd ends the process, which is
//! as safe as a power cut.

use std::{sync::Arc, time::Duration};

use coffeed::Server;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Notifier;

/// Feeds per watchdog timeout.
const FEEDS: u32 = 3;

/// The interval of feeds, from the environment; `None` without a watchdog.
pub(super) fn period(variable: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    let whose = variable("WATCHDOG_PID");
    if whose.is_some_and(|pid| pid.parse() != Ok(std::process::id())) {
        return None;
    }
    let timeout_us = variable("WATCHDOG_USEC")?.parse().ok().filter(|usec| *usec > 0)?;
    Some(Duration::from_micros(timeout_us) / FEEDS)
}

/// Feeds the watchdog until the task is aborted.
pub(super) async fn feed(notifier: Notifier, server: Arc<Server>, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match timeout(period, server.pulse()).await {
            Ok(true) => notifier.send(&[("WATCHDOG", "1")]).await,
            // The node has ended or is about to; the end itself is logged elsewhere.
            Ok(false) => tracing::debug!("consensus has stopped; the watchdog is not fed"),
            Err(_) => tracing::warn!(
                waited = ?period,
                "consensus or the log disk does not respond; if this continues, systemd ends the process"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Option<Duration> {
        period(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn it_is_fed_three_times_per_timeout() {
        assert_eq!(of(&[("WATCHDOG_USEC", "30000000")]), Some(Duration::from_secs(10)));
        let own = std::process::id().to_string();
        let ours = [("WATCHDOG_PID", own.as_str()), ("WATCHDOG_USEC", "3000000")];
        assert_eq!(of(&ours), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_watchdog_of_no_or_another_process_is_not_fed() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(of(&[("WATCHDOG_USEC", "soon")]), None);
        assert_eq!(of(&[("WATCHDOG_PID", "1"), ("WATCHDOG_USEC", "3000000")]), None);
    }
}
