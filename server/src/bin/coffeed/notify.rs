//! Notifies systemd of the daemon's state, by sd_notify(3).
//!
//! Sends datagrams to the socket in `NOTIFY_SOCKET`; without that variable it
//! does nothing. Only the daemon does this: a program that embeds the library
//! talks to its own service manager. Guards two promises: READY is sent once
//! the node serves and never waits for a quorum (three hosts that start cold
//! would wait for each other), and the watchdog is fed only after the node has
//! proved that it is alive (`watchdog`).

mod opening;
mod socket;
mod status;
mod watchdog;

use std::{sync::Arc, time::Duration};

use coffeed::{Config, Server, ops::status::ready::ReadinessCheck};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use self::socket::SystemdSocket;

/// How often the status line is computed.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Sends notifications to systemd. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    socket: Option<Arc<SystemdSocket>>,
    watchdog: Option<Duration>,
}

/// The tasks that notify while the node runs; dropping it ends them.
pub(crate) struct NotifyTasks(
    #[expect(dead_code, reason = "held for its tasks, which end with it")] JoinSet<()>,
);

impl Notifier {
    /// Reads systemd's environment variables, which are left in place.
    pub(crate) fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = socket.and_then(|name| match SystemdSocket::to(&name) {
            Ok(socket) => Some(Arc::new(socket)),
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET is set but unusable");
                None
            }
        });
        let watchdog = socket.as_ref().and_then(|_| watchdog::period(|name| std::env::var(name).ok()));
        Self { socket, watchdog }
    }

    /// Reports that the node opens its data, and extends the start timeout by
    /// how much there is to read.
    pub(crate) async fn opening(&self, config: &Config) {
        if self.socket.is_some() {
            let bytes = opening::bytes_in(&config.data_dir);
            let allowed = opening::allowed(bytes);
            self.send(&[
                ("STATUS", &format!("opening {} MB of data", bytes.div_ceil(1 << 20))),
                ("EXTEND_TIMEOUT_USEC", &allowed.as_micros().to_string()),
            ])
            .await;
        }
    }

    /// Reports that the node serves: its data is open and it listens. Also ends
    /// a reload.
    pub(crate) async fn ready(&self) {
        self.send(&[("READY", "1")]).await;
    }

    /// Reports the start of a reload; [`Notifier::ready`] ends it, also after an error.
    pub(crate) async fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let now = Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap_or(0));
        self.send(&[("RELOADING", "1"), ("MONOTONIC_USEC", &now.as_micros().to_string())]).await;
    }

    /// Reports that the node stops.
    pub(crate) async fn stopping(&self) {
        self.send(&[("STOPPING", "1"), ("STATUS", "stopping")]).await;
    }

    /// Sets the status line.
    pub(crate) async fn status(&self, line: &str) {
        self.send(&[("STATUS", line)]).await;
    }

    /// Updates the status line and feeds the watchdog until the value is dropped.
    pub(crate) fn keep(&self, server: &Arc<Server>) -> NotifyTasks {
        let mut tasks = JoinSet::new();
        if self.socket.is_some() {
            tasks.spawn(keep_status(self.clone(), Arc::clone(server)));
        }
        if let Some(period) = self.watchdog {
            tasks.spawn(watchdog::feed(self.clone(), Arc::clone(server), period));
        }
        NotifyTasks(tasks)
    }

    async fn send(&self, assignments: &[(&str, &str)]) {
        let Some(socket) = &self.socket else { return };
        // One line is one assignment, so a value must not contain a line end.
        let line = |(name, value): &(&str, &str)| format!("{name}={}\n", value.replace(['\n', '\r'], " "));
        let message: String = assignments.iter().map(line).collect();
        if let Err(error) = socket.send(&message).await {
            tracing::warn!(%error, "cannot notify systemd");
        }
    }
}

async fn keep_status(notifier: Notifier, server: Arc<Server>) {
    let mut sent = String::new();
    let mut ticks = interval(STATUS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let findings = server.readiness().await;
        let quorum = findings.iter().any(|finding| finding.check == ReadinessCheck::Quorum && finding.ok);
        let line = status::line(&server.status(), quorum);
        if line != sent {
            notifier.status(&line).await;
            sent = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[tokio::test]
    async fn a_value_is_one_line_and_a_reload_says_when_it_began() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).expect("bound");
        let socket = SystemdSocket::to(path.as_os_str()).expect("there");
        let notifier = Notifier { socket: Some(Arc::new(socket)), watchdog: None };
        let heard = || {
            let mut bytes = [0; 4096];
            let length = systemd.recv(&mut bytes).expect("told");
            String::from_utf8(bytes[..length].to_vec()).expect("text")
        };
        notifier.status("fine\nWATCHDOG=1").await;
        assert_eq!(heard(), "STATUS=fine WATCHDOG=1\n");
        notifier.ready().await;
        assert_eq!(heard(), "READY=1\n");
        notifier.reloading().await;
        let reloading = heard();
        let since = reloading.trim_end().strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("both");
        assert!(since.parse::<u64>().is_ok_and(|since| since > 0), "{reloading}");
    }
}
