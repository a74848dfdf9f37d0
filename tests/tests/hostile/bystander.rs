//! A good client that goes on with its work, and notices how long it takes.

use std::{thread, time::Duration};

use coffee_client::{Client, Error};
use coffee_tests::cluster::Cluster;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use coffee_common::protocol::Role;

/// What all its keys start with.
pub(crate) const PREFIX: &str = "good/";

/// It sets so many keys, in turn.
const KEYS: u64 = 64;

/// It asks this often: seldom enough to leave the machine to others.
const PACE: Duration = Duration::from_millis(4);

/// A good client at work, on a thread of its own.
pub(crate) struct Bystander {
    stop: watch::Sender<bool>,
    thread: thread::JoinHandle<Result<Work, Error>>,
}

/// What it has done.
pub(crate) struct Work {
    /// How long each write and each read took, sorted.
    times: Vec<Duration>,
    /// How many of these were writes.
    pub(crate) writes: u64,
}

impl Bystander {
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

    /// Stops it, and returns what it has done. It must not have failed at anything.
    pub(crate) async fn end(self) -> Work {
        self.stop.send_replace(true);
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await;
        let mut work = ended.expect("joined").expect("it lives").expect("a good client is served");
        work.times.sort_unstable();
        work
    }
}

impl Work {
    /// 99 of 100 requests took no longer.
    pub(crate) fn p99(&self) -> Duration {
        self.times[(self.times.len() - 1) * 99 / 100]
    }
}

/// Writes and reads until told to stop, at least a hundred times each.
async fn work(client: &Client, stopped: watch::Receiver<bool>) -> Result<Work, Error> {
    let mut work = Work { times: Vec::new(), writes: 0 };
    // The first one opens the connections.
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
        assert_eq!(value, work.writes.to_string(), "a read sees what was written before");
        work.writes += 1;
    }
    Ok(work)
}
