//! State shared by all clones of a client: channels and the cluster cache.
//!
//! While calls wait for a leader, one task asks the nodes in turn who leads: one
//! question at a time, however many calls wait. They learn of a new leader within
//! tens of milliseconds of its election.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use coffee_common::{
    protocol::Request,
    quic::{Endpoint, Expect},
};

use crate::{cluster_cache::ClusterCache, pool::Pool, routing::RouteTarget, timing};

/// State shared by all clones of a client.
#[derive(Debug)]
pub(crate) struct ClientShared {
    pub(crate) endpoint: Endpoint,
    pub(crate) pool: Pool,
    pub(crate) cache: Arc<ClusterCache>,
    /// Number of calls that wait for news of a leader.
    searchers: AtomicUsize,
    searching: AtomicBool,
}

/// Keeps the search for a leader running while it exists.
pub(crate) struct LeaderSearchGuard(Arc<ClientShared>);

impl ClientShared {
    pub(crate) fn new(endpoint: Endpoint, cache: ClusterCache) -> Self {
        let cache = Arc::new(cache);
        let observed = Arc::clone(&cache);
        let observer = Box::new(move |address: &_, event: crate::pool::ChannelEvent<'_>| {
            observed.changed(address, &event);
        });
        Self {
            pool: Pool::observed(endpoint.clone(), observer),
            endpoint,
            cache,
            searchers: AtomicUsize::new(0),
            searching: AtomicBool::new(false),
        }
    }

    /// Starts the search for a leader unless it is running.
    pub(crate) fn search_for_leader(self: &Arc<Self>) -> LeaderSearchGuard {
        self.searchers.fetch_add(1, Ordering::AcqRel);
        if self.cache.follows_leader() && !self.searching.swap(true, Ordering::AcqRel) {
            tokio::spawn(run_leader_search(Arc::downgrade(self)));
        }
        LeaderSearchGuard(Arc::clone(self))
    }
}

impl Drop for LeaderSearchGuard {
    fn drop(&mut self) {
        self.0.searchers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Asks the nodes in turn until no call waits any more.
async fn run_leader_search(shared: Weak<ClientShared>) {
    for n in 0u32.. {
        let Some(shared) = shared.upgrade() else { return };
        if shared.may_stop_searching() {
            return;
        }
        let targets = shared.cache.routes().targets();
        let position = usize::try_from(n).unwrap_or(0) % targets.len().max(1);
        if let Some(target) = targets.get(position) {
            shared.ask_who_leads(target).await;
        }
        let pause = timing::search_pause(n, shared.cache.roll());
        drop(shared);
        tokio::time::sleep(pause).await;
    }
}

impl ClientShared {
    /// Returns whether the search may stop. If a call starts one at the same time,
    /// exactly one of the two notices.
    fn may_stop_searching(&self) -> bool {
        if self.searchers.load(Ordering::Acquire) > 0 {
            return false;
        }
        self.searching.store(false, Ordering::Release);
        self.searchers.load(Ordering::Acquire) == 0 || self.searching.swap(true, Ordering::AcqRel)
    }

    /// Asks a connected node; one that is not connected is dialled for the next round.
    async fn ask_who_leads(&self, target: &RouteTarget) {
        let expect: Expect = target.expect();
        let Some(channel) = self.pool.ready(&target.address, &expect) else {
            self.pool.dial(&target.address, &expect);
            return;
        };
        let envelope = self.cache.cluster().into();
        if let Ok(reply) = channel.ask(&Request::Ping, envelope, timing::SEARCH_TIMEOUT).await
            && reply.result.is_ok()
            && let Some(leader) = &reply.leader
        {
            self.cache.heard_of_leader(leader);
        }
    }
}
