//! A client's knowledge of its cluster, shared by all its calls.
//!
//! Fed by the pool with channel events and by calls with responses; notifies
//! waiting calls of news. Sends no requests. Guards that nothing that a node of another
//! cluster says is taken for knowledge of this one.

use std::{
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use coffee_common::{
    command::Outcome,
    id::{Address, ClientId, ClusterId, Revision},
    protocol::{Leader, Rejection, Response, ResponseFrame},
    random,
};
use tokio::{sync::watch, time::Instant};

use crate::{
    channel::{Channel, Health},
    pool::ChannelEvent,
    request_ids::RequestIds,
    routing::Routes,
};

/// The state of the cluster as far as the client knows it.
#[derive(Debug)]
pub(crate) struct ClusterCache {
    routes: Mutex<Routes>,
    /// The only cluster that this client uses: the one that it was given, or the first one met.
    cluster: OnceLock<ClusterId>,
    /// Counts events that may change a waiting call's decision: a new leader, a silent
    /// node.
    news: watch::Sender<u64>,
    ids: RequestIds,
    started: Instant,
    seed: u64,
    rolled: AtomicU64,
}

impl ClusterCache {
    pub(crate) fn new(routes: Routes, client: ClientId, cluster: Option<ClusterId>) -> Self {
        Self {
            routes: Mutex::new(routes),
            cluster: cluster.map(OnceLock::from).unwrap_or_default(),
            news: watch::Sender::new(0),
            ids: RequestIds::new(client),
            started: Instant::now(),
            seed: client.0 as u64,
            rolled: AtomicU64::new(0),
        }
    }

    pub(crate) fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the cluster that this client uses; `None` before it has met one.
    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        self.cluster.get().copied()
    }

    /// Returns whether the client follows the leader rather than keeping to its
    /// endpoints.
    pub(crate) fn follows_leader(&self) -> bool {
        self.routes().follows_leader()
    }

    pub(crate) fn ids(&self) -> &RequestIds {
        &self.ids
    }

    /// Returns a receiver that changes with each piece of news.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Returns the time since the client started.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Converts a time since the client started to an instant.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.started + at
    }

    /// Returns a pseudo-random number, the same in each run of a simulation.
    pub(crate) fn roll(&self) -> u64 {
        random::nth(self.seed, self.rolled.fetch_add(1, Ordering::Relaxed))
    }

    /// Records an event of a channel.
    pub(crate) fn changed(&self, address: &Address, event: &ChannelEvent<'_>) {
        match event {
            ChannelEvent::Opened(channel) => {
                self.routes().revived(address);
                self.opened(channel);
            }
            ChannelEvent::Failed => self.routes().failed(address, self.now()),
            ChannelEvent::Now(Health::Well) => self.routes().revived(address),
            ChannelEvent::Now(Health::Silent | Health::Ended) => {
                self.routes().failed(address, self.now());
                self.announce_news();
            }
        }
    }

    fn opened(&self, channel: &Channel) {
        let welcome = channel.welcome();
        if let Some(cluster) = welcome.cluster
            && *self.cluster.get_or_init(|| cluster) != cluster
        {
            return;
        }
        self.ids.reached(welcome.applied);
        if let Some(leader) = &welcome.leader {
            self.heard_of_leader(leader);
        }
    }

    /// Records a response of the node at `address`.
    pub(crate) fn answered(&self, address: &Address, reply: &ResponseFrame) {
        if matches!(reply.result, Err(Rejection::OtherCluster { .. } | Rejection::LeftOut { .. })) {
            return;
        }
        if let Some(revision) = reply.result.as_ref().ok().and_then(reached_by) {
            self.ids.reached(revision);
        }
        if reply.result.is_ok() {
            self.routes().proved(address);
        }
        if let Some(leader) = &reply.leader {
            self.heard_of_leader(leader);
        }
    }

    pub(crate) fn heard_of_leader(&self, leader: &Leader) {
        if self.routes().heard_of_leader(leader) {
            tracing::debug!(leader = %leader.name, "leader changed");
            self.announce_news();
        }
    }

    fn announce_news(&self) {
        self.news.send_modify(|count| *count += 1);
    }
}

/// Returns the revision that the cluster has reached according to a response.
fn reached_by(response: &Response) -> Option<Revision> {
    match response {
        Response::Written(Outcome::Applied { revision, .. }) => Some(*revision),
        Response::Written(Outcome::ConditionFalse { actual, .. }) => *actual,
        Response::Written(Outcome::Forgotten { upto }) => Some(*upto),
        Response::Value { at, .. } | Response::Page { at, .. } => Some(*at),
        Response::ReadIndex(revision) => Some(*revision),
        _ => None,
    }
}
