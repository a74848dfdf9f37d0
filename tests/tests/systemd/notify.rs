//! A daemon's notifications to systemd, received by a socket of the test.

use std::{path::Path, time::Duration};

use coffee_client::cert;
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, Host},
    tracer::{DelayedSyncs, SyncDelay},
};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    net::UnixDatagram,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use crate::support::programs::skipped;

const PATIENCE: Duration = Duration::from_secs(30);

/// Watchdog timeout.
const BITES_AFTER: Duration = Duration::from_millis(1_500);

/// Validity of a renewed certificate, in days.
const RENEWED_FOR: u32 = 100;

/// Plays the role of systemd.
struct Systemd {
    messages: mpsc::UnboundedReceiver<String>,
    /// Messages received but not consumed.
    heard: Vec<String>,
    /// Reads messages at once: the queue of such a socket is short.
    _reading: JoinSet<()>,
}

impl Systemd {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("bound");
        let (sender, messages) = mpsc::unbounded_channel();
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            let mut bytes = [0; 4096];
            while let Ok(length) = socket.recv(&mut bytes).await {
                let message = String::from_utf8(bytes[..length].to_vec()).expect("text");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Self { messages, heard: Vec::new(), _reading: reading }
    }

    /// Command line that runs a node with this socket.
    fn host(path: &Path) -> Host {
        let under = [
            "env".to_owned(),
            format!("NOTIFY_SOCKET={}", path.display()),
            format!("WATCHDOG_USEC={}", BITES_AFTER.as_micros()),
        ];
        Host { under: under.into(), ..Host::default() }
    }

    async fn hear(&mut self) {
        self.heard.push(self.messages.recv().await.expect("it listens"));
    }

    /// Waits for a message that contains `words`, and returns it; discards earlier
    /// messages.
    #[track_caller]
    fn is_told(&mut self, words: &str) -> impl Future<Output = String> {
        let deadline = Instant::now() + PATIENCE;
        let caller = std::panic::Location::caller();
        async move {
            while !self.heard.iter().any(|message| message.contains(words)) {
                let heard = timeout_at(deadline, self.hear()).await;
                assert!(heard.is_ok(), "at {caller}: no message contains {words:?}: {:?}", self.heard);
            }
            let at = self.heard.iter().position(|message| message.contains(words)).expect("just found");
            self.heard.drain(..=at).next_back().expect("just found")
        }
    }

    /// Listens for `span`; returns how many times the watchdog was fed.
    async fn feeds_within(&mut self, span: Duration) -> usize {
        self.heard.clear();
        while self.messages.try_recv().is_ok() {}
        let _ = timeout(span, async {
            loop {
                self.hear().await;
            }
        })
        .await;
        self.heard.iter().filter(|message| message.contains("WATCHDOG=1")).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_ready_before_it_has_a_quorum_and_says_how_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let mut systemd = Systemd::listen(&path);
    let mut cluster = Cluster::of(2).on(vec![Systemd::host(&path)]).start().await;
    systemd.is_told("EXTEND_TIMEOUT_USEC=").await;
    systemd.is_told("READY=1").await;
    systemd.is_told("STATUS=leader in term 1; 2 voters").await;
    systemd.is_told("WATCHDOG=1").await;

    // The remaining node has no quorum, and stays ready.
    cluster.node("hong").kill().await;
    cluster.node("ming").stop().await;
    systemd.is_told("STOPPING=1").await;
    cluster.node("ming").start().await;
    systemd.is_told("READY=1").await;
    systemd.is_told("no leader").await;
    systemd.is_told("WATCHDOG=1").await;
    assert!(cluster.node("ming").stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_disk_hangs_does_not_feed_the_watchdog() {
    if let Some(why) = SyncDelay::missing() {
        return skipped("a disk that hangs", &why);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let mut systemd = Systemd::listen(&path);
    let mut cluster = Cluster::of(1).on(vec![Systemd::host(&path)]).start().await;
    systemd.is_told("WATCHDOG=1").await;
    let fed = systemd.feeds_within(2 * BITES_AFTER).await;
    assert!(fed >= 3, "fed {fed} times in normal operation");

    // From here on each sync takes longer than the watchdog timeout.
    let pid = cluster.node("ming").pid();
    let _hangs = SyncDelay::of(pid, Duration::from_secs(10), DelayedSyncs::All).await;
    // A sync that began before may still return, once.
    let fed = systemd.feeds_within(2 * BITES_AFTER).await;
    assert!(fed <= 1, "fed {fed} times over a disk that hangs");
    assert!(cluster.node("ming").log().says(0, "does not respond", PATIENCE).await);
    cluster.node("ming").kill().await;
}

/// systemd considers a reload done at the READY that follows it, and distinguishes it
/// from an earlier one by the time in RELOADING.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_when_it_begins_and_that_it_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let mut systemd = Systemd::listen(&path);
    let mut cluster = Cluster::of(1).on(vec![Systemd::host(&path)]).start().await;
    systemd.is_told("READY=1").await;

    let certificate = cluster.certs().join("node-ming.crt");
    let renewed = cert::renew(&cluster.certs(), &certificate, RENEWED_FOR).expect("renews");
    let renewed = renewed.info.expect("reads").serial;
    reloads(&mut systemd, &mut cluster, "reloaded").await;
    assert_eq!(serial_shown(&cluster).await, renewed);
}

/// A failed reload changes nothing, and systemd sees it finish.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_fails_is_done_too_and_the_node_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let mut systemd = Systemd::listen(&path);
    let mut cluster = Cluster::of(1).on(vec![Systemd::host(&path)]).start().await;
    systemd.is_told("READY=1").await;
    let (pid, serial) = (cluster.node("ming").pid(), serial_shown(&cluster).await);
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;

    // The new certificate is valid, but a setting is wrong: neither is loaded.
    let certificate = cluster.certs().join("node-ming.crt");
    let renewed = cert::renew(&cluster.certs(), &certificate, RENEWED_FOR).expect("renews");
    let renewed = renewed.info.expect("reads").serial;
    let config = std::fs::read_to_string(cluster.node("ming").config()).expect("reads");
    cluster.node("ming").write_config(&format!("{config}\n[logs]\n"));
    reloads(&mut systemd, &mut cluster, "reload failed").await;
    assert_eq!(serial_shown(&cluster).await, serial, "it shows the certificate that it had");
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await.trim_end(), "latte");
    systemd.is_told("WATCHDOG=1").await;

    cluster.node("ming").write_config(&config);
    reloads(&mut systemd, &mut cluster, "reloaded").await;
    assert_eq!(serial_shown(&cluster).await, renewed);
    assert_eq!(cluster.node("ming").pid(), pid);
}

/// Reloads ming, and asserts this outcome in its log, and a begin and an end in systemd's
/// view.
async fn reloads(systemd: &mut Systemd, cluster: &mut Cluster, outcome: &str) {
    let from = cluster.node("ming").log().len();
    let before = monotonic();
    cluster.node("ming").signal("HUP").await;
    let began = systemd.is_told("RELOADING=1").await;
    let since = began.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    let since = since.and_then(|since| since.parse().ok()).map(Duration::from_micros);
    let since = since.unwrap_or_else(|| panic!("no time in {began:?}"));
    assert!(before.as_micros() <= since.as_micros() && since <= monotonic(), "{before:?}, {since:?}");
    systemd.is_told("READY=1").await;
    cluster.node("ming").says_from(from, outcome).await;
}

fn monotonic() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().expect("it does not run backwards")
}

/// Serial number of the certificate that ming presents.
async fn serial_shown(cluster: &Cluster) -> String {
    cluster.client(Role::Reader).status().await.expect("it answers").certificate.serial
}
