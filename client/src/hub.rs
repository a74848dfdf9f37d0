//! What all clones of a client share: channels, and what was learned.
//!
//! While calls are in trouble it asks the nodes, in turn, who leads: one
//! question at a time however many calls wait, so that they hear of a new
//! leader within tens of milliseconds of its election.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use coffee_common::{
    protocol::Request,
    quic::{Endpoint, Expect},
};

use crate::{knowledge::Knowledge, pace, pool::Pool, routing::Target};

/// What all clones of a client share.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) endpoint: Endpoint,
    pub(crate) pool: Pool,
    pub(crate) knowledge: Arc<Knowledge>,
    /// How many calls are in trouble.
    troubled: AtomicUsize,
    seeking: AtomicBool,
}

/// A call is in trouble for as long as this lives.
pub(crate) struct Trouble(Arc<Hub>);

impl Hub {
    pub(crate) fn new(endpoint: Endpoint, knowledge: Knowledge) -> Self {
        let knowledge = Arc::new(knowledge);
        let told = Arc::clone(&knowledge);
        let observer = Box::new(move |address: &_, change: crate::pool::Change<'_>| {
            told.changed(address, &change);
        });
        Self {
            pool: Pool::observed(endpoint.clone(), observer),
            endpoint,
            knowledge,
            troubled: AtomicUsize::new(0),
            seeking: AtomicBool::new(false),
        }
    }

    /// A call is in trouble: starts the search for a leader, unless it is under way.
    pub(crate) fn trouble(self: &Arc<Self>) -> Trouble {
        self.troubled.fetch_add(1, Ordering::AcqRel);
        if self.knowledge.follows_leader() && !self.seeking.swap(true, Ordering::AcqRel) {
            tokio::spawn(seek(Arc::downgrade(self)));
        }
        Trouble(Arc::clone(self))
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        self.0.troubled.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Asks the nodes in turn until no call is in trouble any more.
async fn seek(hub: Weak<Hub>) {
    for n in 0u32.. {
        let Some(hub) = hub.upgrade() else { return };
        if hub.is_at_ease() {
            return;
        }
        let targets = hub.knowledge.routes().targets();
        let position = usize::try_from(n).unwrap_or(0) % targets.len().max(1);
        if let Some(target) = targets.get(position) {
            hub.ask_who_leads(target).await;
        }
        let pause = pace::seek(n, hub.knowledge.roll());
        drop(hub);
        tokio::time::sleep(pause).await;
    }
}

impl Hub {
    /// Whether the search may end. If a call gets into trouble meanwhile,
    /// either it or this notices.
    fn is_at_ease(&self) -> bool {
        if self.troubled.load(Ordering::Acquire) > 0 {
            return false;
        }
        self.seeking.store(false, Ordering::Release);
        self.troubled.load(Ordering::Acquire) == 0 || self.seeking.swap(true, Ordering::AcqRel)
    }

    /// Asks a connected node; one that is not gets dialled for the next round.
    async fn ask_who_leads(&self, target: &Target) {
        let expect: Expect = target.expect();
        let Some(channel) = self.pool.ready(&target.address, &expect) else {
            self.pool.dial(&target.address, &expect);
            return;
        };
        if let Ok(reply) = channel.ask(&Request::Ping, None, pace::SEEK_TIMEOUT).await
            && let Some(leader) = &reply.leader
        {
            self.knowledge.heard_of_leader(leader);
        }
    }
}
