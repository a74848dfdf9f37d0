//! Watchers, on a thread of their own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use coffee_client::{Address, Client, Credentials, KeyRange, WatchEvent, WatchOptions, bench::Keys};
use coffee_common::{limits::CONNECTION_WATCHES_MAX, protocol::Role};
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
};

use crate::rig::Rig;

/// Watches to start.
pub(super) struct WatchersPlan {
    /// The nodes that are asked, in turn.
    pub(super) nodes: Vec<Address>,
    pub(super) credentials: Credentials,
    /// The keys, each with the same number of watches.
    pub(super) keys: Keys,
    pub(super) watches: u64,
}

/// Watches that count their events. They run until [`Watchers::end`].
pub(super) struct Watchers {
    events: watch::Receiver<u64>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl WatchersPlan {
    /// Plans one watch per key.
    pub(super) fn of(rig: &Rig, nodes: Vec<Address>, keys: Keys) -> Self {
        let watches = keys.count();
        Self { nodes, credentials: rig.cluster.credentials(Role::Reader), keys, watches }
    }
}

impl Watchers {
    /// Starts the watches. Returns once each of them has begun.
    pub(super) async fn start(plan: WatchersPlan) -> Self {
        let (counter, events) = watch::channel(0);
        let (begun, all_begun) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(run(plan, counter, begun, stopped));
        });
        all_begun.await.expect("the watches begin");
        Self { events, stop, thread }
    }

    /// Returns the number of events so far.
    pub(super) fn events(&self) -> u64 {
        *self.events.borrow()
    }

    /// Waits until there were so many events.
    pub(super) async fn until(&self, events: u64) {
        let mut receiver = self.events.clone();
        receiver.wait_for(|seen| *seen >= events).await.expect("the watchers run");
    }

    /// Ends the watches and their connections.
    pub(super) fn end(self) {
        // Fails only if the thread has ended, which `join` reports.
        let _ = self.stop.send(());
        self.thread.join().expect("the watchers end well");
    }
}

async fn run(
    plan: WatchersPlan,
    counter: watch::Sender<u64>,
    begun: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
) {
    let counter = Arc::new(counter);
    // As many clients as connections need, the same number for each node.
    let per_node = plan.watches.div_ceil(plan.nodes.len() as u64).div_ceil(CONNECTION_WATCHES_MAX as u64);
    let nodes = plan.nodes.iter().cycle().take(plan.nodes.len() * usize::try_from(per_node).expect("a few"));
    let clients: Vec<Client> = nodes.map(|node| client(node, &plan.credentials)).collect();
    let started = Arc::new(AtomicU64::new(0));
    let (all, all_started) = watch::channel(());
    let mut tasks = JoinSet::new();
    for (number, client) in (0..plan.watches).zip(clients.iter().cycle()) {
        let key = plan.keys.key(number % plan.keys.count()).parse().expect("a legal key");
        let mut watch = client.watch(KeyRange::single(&key), WatchOptions::default());
        let (counter, started, all) = (Arc::clone(&counter), Arc::clone(&started), all.clone());
        tasks.spawn(async move {
            // The first event is the present revision.
            watch.next().await.expect("a watch begins");
            started.fetch_add(1, Ordering::Relaxed);
            all.send_replace(());
            loop {
                if let WatchEvent::Changes(_) = watch.next().await.expect("a watch goes on") {
                    counter.send_modify(|events| *events += 1);
                }
            }
        });
    }
    let mut all_started = all_started;
    while started.load(Ordering::Relaxed) < plan.watches {
        all_started.changed().await.expect("the watches begin");
    }
    begun.send(()).expect("it is waited for");
    tokio::select! {
        _ = stopped => {}
        Some(ended) = tasks.join_next() => ended.expect("a watch goes on"),
    }
    tasks.shutdown().await;
    for client in clients {
        client.close().await;
    }
}

/// A client that asks one node alone.
pub(super) fn client(node: &Address, credentials: &Credentials) -> Client {
    let client = Client::builder().endpoints([node.clone()]).credentials(credentials.clone());
    client.follow_leader(false).build().expect("a client")
}
