//! A valid client of the HTTP door that reads in the background, and measures its latency.

use std::{net::SocketAddr, path::Path, thread, time::Duration};

use coffee_common::protocol::Role;
use tokio::{
    io::AsyncWriteExt,
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use crate::support::door_caller::{self, DoorCaller, PATIENCE};

/// Interval between requests.
const PACE: Duration = Duration::from_millis(8);

/// A valid client that reads on its own thread, over one connection.
pub(crate) struct DoorBystander {
    stop: watch::Sender<bool>,
    thread: thread::JoinHandle<Vec<Duration>>,
}

impl DoorBystander {
    pub(crate) fn begin(certs: &Path, address: SocketAddr) -> Self {
        let shown = door_caller::attacker(certs, Role::Reader, "bystander");
        let caller = DoorCaller::new(Some(&shown), b"http/1.1", address);
        let (stop, stopped) = watch::channel(false);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(read(caller, stopped))
        });
        Self { stop, thread }
    }

    /// Stops it, and returns the 99th percentile. Asserts that no request failed.
    pub(crate) async fn end(self) -> Duration {
        self.stop.send_replace(true);
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await;
        let mut times = ended.expect("joined").expect("a valid client is served over HTTP");
        times.sort_unstable();
        times[(times.len() - 1) * 99 / 100]
    }
}

/// Reads until stopped, at least fifty times.
async fn read(caller: DoorCaller, stopped: watch::Receiver<bool>) -> Vec<Duration> {
    let mut stream = caller.connect_at_last().await;
    let (mut times, mut buffer) = (Vec::new(), Vec::new());
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() || times.len() < 50 {
        pace.tick().await;
        let began = Instant::now();
        let request = b"GET /v1/kv?prefix=good/&limit=1 HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).await.expect("is sent");
        let response = timeout(PATIENCE, door_caller::receive(&mut stream, true, &mut buffer)).await;
        assert_eq!(response.expect("in time").map(|response| response.status), Some(200));
        times.push(began.elapsed());
    }
    times
}
