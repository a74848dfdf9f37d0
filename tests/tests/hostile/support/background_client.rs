//! A valid client that works in the background, and measures its latency.

use std::{thread, time::Duration};

use coffee_client::{Client, Error};
use coffee_tests::cluster::Cluster;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use coffee_common::protocol::Role;

/// Prefix of its keys.
pub(crate) const PREFIX: &str = "good/";

/// Number of keys, set in turn.
const KEYS: u64 = 64;

/// Interval between requests: low enough to leave the machine to others.
const PACE: Duration = Duration::from_millis(4);

/// A valid client that works on its own thread.
pub(crate) struct BackgroundClient {
    stop: watch::Sender<bool>,
    thread: thread::JoinHandle<Result<BackgroundWork, Error>>,
}

/// Its operations and their durations.
pub(crate) struct BackgroundWork {
    /// Latency of each write and read, sorted.
    times: Vec<Duration>,
    /// Number of writes.
    pub(crate) writes: u64,
}

impl BackgroundClient {
    pub(crate) fn begin(cluster: &Cluster) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (endpoints, credentials) = (cluster.addresses(), cluster.credentials(Role::Writer));
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let client = Client::builder().endpoints(endpoints).credentials(credentials).build()?;
                let work = work(&client, stopped).await;
                client.close().await;
                work
            })
        });
        Self { stop, thread }
    }

    /// Stops it, and returns its work. Asserts that no request failed.
    pub(crate) async fn end(self) -> BackgroundWork {
        self.stop.send_replace(true);
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await;
        let mut work = ended.expect("joined").expect("it lives").expect("a valid client is served");
        work.times.sort_unstable();
        work
    }
}

impl BackgroundWork {
    /// Latency of the 99th percentile.
    pub(crate) fn p99(&self) -> Duration {
        self.times[(self.times.len() - 1) * 99 / 100]
    }
}

/// Writes and reads until stopped, at least a hundred times each.
async fn work(client: &Client, stopped: watch::Receiver<bool>) -> Result<BackgroundWork, Error> {
    let mut work = BackgroundWork { times: Vec::new(), writes: 0 };
    // The first request opens the connections.
    client.get(PREFIX).await?;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() || work.writes < 100 {
        pace.tick().await;
        let key = format!("{PREFIX}{}", work.writes % KEYS);
        let began = Instant::now();
        client.set(&key, work.writes.to_string()).await?;
        let written = began.elapsed();
        let entry = client.get(&key).await?;
        work.times.extend([written, began.elapsed() - written]);
        let value = entry.map(|entry| entry.value.as_bytes().clone()).unwrap_or_default();
        assert_eq!(value, work.writes.to_string(), "a read returns the latest write");
        work.writes += 1;
    }
    Ok(work)
}
