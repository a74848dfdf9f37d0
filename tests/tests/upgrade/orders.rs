//! Orders that are written while they are watched: what each watch is told must equal what was written.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use coffee_client::{Client, Error, KeyRange, Revision, WatchEvent, WatchOptions};
use coffee_common::protocol::Role;
use coffee_tests::cluster::Cluster;
use tokio::{task::JoinHandle, time::timeout};

use crate::PATIENCE;

const KEYS: u64 = 20;

/// The key that is written last.
const END: &str = "order/end";

/// A change of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OrderChange {
    key: String,
    /// The value from then on; `None` if it was deleted.
    value: Option<String>,
    /// The revision and the value before; `None` if it did not exist.
    before: Option<(Revision, String)>,
}

/// One change each.
type OrderChanges = BTreeMap<Revision, OrderChange>;

/// Orders that are written by one client, and watched by others at each node alone.
pub(crate) struct Orders {
    stop: Arc<AtomicBool>,
    writing: JoinHandle<OrderChanges>,
    watching: Vec<JoinHandle<(Revision, OrderChanges)>>,
}

impl Orders {
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let writer = cluster.client(Role::Writer).with_timeout(Duration::from_secs(30));
        let stop = Arc::new(AtomicBool::new(false));
        let writing = tokio::spawn(write(writer, Arc::clone(&stop)));
        Self { stop, writing, watching: Vec::new() }
    }

    /// Opens watches at each of the first nodes alone. Each begins as soon as its node allows it.
    pub(crate) fn watch(&mut self, cluster: &Cluster, nodes: usize, at_each: usize) {
        for endpoint in cluster.addresses().into_iter().take(nodes) {
            for number in 0..at_each {
                let client = Client::builder().endpoints([endpoint.clone()]);
                let client = client.credentials(cluster.credentials(Role::Reader)).follow_leader(false);
                let client = client.build().expect("a client");
                // They begin at different moments.
                let pause = Duration::from_millis(3 + 7 * number as u64);
                self.watching.push(tokio::spawn(watch(client, pause)));
            }
        }
    }

    /// Ends the writes, and compares. Returns at which revisions the watches have begun.
    pub(crate) async fn verify(self) -> Vec<Revision> {
        self.stop.store(true, Ordering::Relaxed);
        let written = self.writing.await.expect("all are written");
        let mut began = Vec::new();
        for watching in self.watching {
            let (begin, told) = timeout(PATIENCE, watching).await.expect("in time").expect("all are told");
            let expected: OrderChanges =
                written.range(Revision(begin.0 + 1)..).map(|(at, change)| (*at, change.clone())).collect();
            assert_eq!(told, expected, "a watch that began at {begin}");
            began.push(begin);
        }
        began
    }
}

async fn write(client: Client, stop: Arc<AtomicBool>) -> OrderChanges {
    let mut present: BTreeMap<String, (Revision, String)> = BTreeMap::new();
    let mut written = OrderChanges::new();
    for n in 0.. {
        let ends = stop.load(Ordering::Relaxed);
        let key = if ends { END.to_owned() } else { format!("order/{}", n % KEYS) };
        let value = (ends || n % 3 < 2).then(|| n.to_string());
        let done = match &value {
            Some(value) => client.set(&key, value.clone()).await,
            None => client.delete(&key).await,
        };
        let at = done.expect("is written").revision;
        let before = match &value {
            Some(value) => present.insert(key.clone(), (at, value.clone())),
            None => present.remove(&key),
        };
        // A delete of a key that does not exist changes nothing.
        if value.is_some() || before.is_some() {
            written.insert(at, OrderChange { key, value, before });
        }
        if ends {
            break;
        }
    }
    client.close().await;
    written
}

/// Watches from the moment at which it is allowed until the last change.
async fn watch(client: Client, pause: Duration) -> (Revision, OrderChanges) {
    let options = WatchOptions { with_previous: true, ..WatchOptions::default() };
    let (mut watch, began) = loop {
        let mut watch = client.watch(KeyRange::prefix("order/"), options);
        match watch.next().await {
            Ok(WatchEvent::Beat(revision)) => break (watch, revision),
            // Below the level that brought watches, or of a build that does not know them.
            Err(Error::Refused { .. } | Error::Unsupported(_)) => tokio::time::sleep(pause).await,
            other => panic!("a watch begins with {other:?}"),
        }
    };
    let mut told = OrderChanges::new();
    while told.values().all(|change| change.key != END) {
        let WatchEvent::Changes(changes) = watch.next().await.expect("goes on") else { continue };
        assert_eq!(changes.changes.len(), 1, "one change per revision: {changes:?}");
        for change in changes.changes {
            let text =
                |entry: coffee_client::Entry| String::from_utf8_lossy(entry.value.as_bytes()).into_owned();
            let before = change.previous_entry.map(text);
            assert_eq!(change.previous.is_some(), before.is_some(), "its value was asked for");
            let change = OrderChange {
                key: change.key.to_string(),
                value: change.entry.map(text),
                before: change.previous.zip(before),
            };
            let twice = told.insert(changes.revision, change);
            assert_eq!(twice, None, "{} is told once", changes.revision);
        }
    }
    drop(watch);
    client.close().await;
    (began, told)
}
