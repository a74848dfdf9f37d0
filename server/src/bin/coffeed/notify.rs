//! What the daemon tells systemd of itself, by sd_notify(3).
//!
//! A datagram to the socket that `NOTIFY_SOCKET` names; where it names none,
//! nobody is told and nothing is done. The daemon alone does this: a program
//! that embeds the library talks to its own service manager. Guards two
//! promises: READY is said once the node serves and never waits for a quorum
//! (three hosts that start cold would wait for each other), and the watchdog is
//! fed only after the node has shown that it is alive (`watchdog`).

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

use self::socket::Socket;

/// How often the daemon looks whether its status is another one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells systemd. Clones tell the same.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    socket: Option<Arc<Socket>>,
    watchdog: Option<Duration>,
}

/// What goes on for as long as the node runs; ends when it is dropped.
pub(crate) struct Keeping(#[expect(dead_code, reason = "held for its tasks, which end with it")] JoinSet<()>);

impl Notifier {
    /// As systemd has said in the environment, which stays as it is.
    pub(crate) fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = socket.and_then(|name| match Socket::to(&name) {
            Ok(socket) => Some(Arc::new(socket)),
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET is set, but nobody can be told there");
                None
            }
        });
        let watchdog = socket.as_ref().and_then(|_| watchdog::period(|name| std::env::var(name).ok()));
        Self { socket, watchdog }
    }

    /// The node is about to open its data, which takes the longer the more
    /// there is: asks for the time.
    pub(crate) async fn opening(&self, config: &Config) {
        if self.socket.is_some() {
            let bytes = opening::bytes_in(&config.data_dir);
            let allowed = opening::allowed(bytes);
            self.tell(&[
                ("STATUS", &format!("opening {} MB of data", bytes.div_ceil(1 << 20))),
                ("EXTEND_TIMEOUT_USEC", &allowed.as_micros().to_string()),
            ])
            .await;
        }
    }

    /// The node serves: its data is open, and it listens. Also said when a
    /// reload is done.
    pub(crate) async fn ready(&self) {
        self.tell(&[("READY", "1")]).await;
    }

    /// A reload has begun; [`Notifier::ready`] ends it, whatever came of it.
    pub(crate) async fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let now = Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap_or(0));
        self.tell(&[("RELOADING", "1"), ("MONOTONIC_USEC", &now.as_micros().to_string())]).await;
    }

    /// The node is about to stop.
    pub(crate) async fn stopping(&self) {
        self.tell(&[("STOPPING", "1"), ("STATUS", "stopping")]).await;
    }

    /// Says in one line how the node is.
    pub(crate) async fn status(&self, line: &str) {
        self.tell(&[("STATUS", line)]).await;
    }

    /// Keeps the status true, and feeds the watchdog, until the value is dropped.
    pub(crate) fn keep(&self, server: &Arc<Server>) -> Keeping {
        let mut tasks = JoinSet::new();
        if self.socket.is_some() {
            tasks.spawn(keep_status(self.clone(), Arc::clone(server)));
        }
        if let Some(period) = self.watchdog {
            tasks.spawn(watchdog::feed(self.clone(), Arc::clone(server), period));
        }
        Keeping(tasks)
    }

    async fn tell(&self, assignments: &[(&str, &str)]) {
        let Some(socket) = &self.socket else { return };
        // A line is an assignment: no value may bring another one with it.
        let line = |(name, value): &(&str, &str)| format!("{name}={}\n", value.replace(['\n', '\r'], " "));
        let message: String = assignments.iter().map(line).collect();
        if let Err(error) = socket.send(&message).await {
            tracing::warn!(%error, "systemd cannot be told");
        }
    }
}

async fn keep_status(notifier: Notifier, server: Arc<Server>) {
    let mut told = String::new();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let findings = server.readiness().await;
        let quorum = findings.iter().any(|finding| finding.check == ReadinessCheck::Quorum && finding.ok);
        let line = status::line(&server.status(), quorum);
        if line != told {
            notifier.status(&line).await;
            told = line;
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
        let socket = Socket::to(path.as_os_str()).expect("there");
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
