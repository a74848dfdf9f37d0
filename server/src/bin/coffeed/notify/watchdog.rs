//! Feeds systemd's watchdog, as long as the node shows that it is alive.
//!
//! Never by a timer alone: before each feed the node's consensus has answered,
//! and its log writer has come back from the disk ([`Server::pulse`]). Where
//! one of them hangs nothing is said, and systemd ends the process, which is as
//! safe as a power cut.

use std::{sync::Arc, time::Duration};

use coffeed::Server;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Notifier;

/// How often the watchdog is fed before it would bite.
const FEEDS: u32 = 3;

/// How often to feed, by the environment; `None` where nobody watches us.
pub(super) fn period(variable: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    let whose = variable("WATCHDOG_PID");
    if whose.is_some_and(|pid| pid.parse() != Ok(std::process::id())) {
        return None;
    }
    let bites_after = variable("WATCHDOG_USEC")?.parse().ok().filter(|usec| *usec > 0)?;
    Some(Duration::from_micros(bites_after) / FEEDS)
}

/// Feeds for ever, or until the node has ended.
pub(super) async fn feed(notifier: Notifier, server: Arc<Server>, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match timeout(period, server.pulse()).await {
            Ok(true) => notifier.tell(&[("WATCHDOG", "1")]).await,
            // It has ended or is about to, which others say.
            Ok(false) => tracing::debug!("consensus has stopped: the watchdog is not fed"),
            Err(_) => tracing::warn!(
                waited = ?period,
                "consensus or the disk of the log does not answer; if that goes on, systemd ends this process"
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
    fn it_is_fed_three_times_as_often_as_it_bites() {
        assert_eq!(of(&[("WATCHDOG_USEC", "30000000")]), Some(Duration::from_secs(10)));
        let own = std::process::id().to_string();
        let ours = [("WATCHDOG_PID", own.as_str()), ("WATCHDOG_USEC", "3000000")];
        assert_eq!(of(&ours), Some(Duration::from_secs(1)));
    }

    #[test]
    fn one_that_watches_nobody_or_somebody_else_is_not_fed() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(of(&[("WATCHDOG_USEC", "soon")]), None);
        assert_eq!(of(&[("WATCHDOG_PID", "1"), ("WATCHDOG_USEC", "3000000")]), None);
    }
}
