//! The connections to the other members.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use coffee_common::{id::NodeId, quic::Endpoint};

use super::link::PeerLink;
use crate::{node::event_log::EventLog, raft_types::Member};

/// The links to all members by node id.
#[derive(Debug, Default)]
pub(super) struct PeerLinks {
    links: Mutex<HashMap<NodeId, Arc<PeerLink>>>,
    /// Gets which members are lost, and back.
    events: EventLog,
}

impl PeerLinks {
    /// Returns no links yet. Which members they lose is among these events.
    pub(super) fn new(events: EventLog) -> Self {
        Self { links: Mutex::default(), events }
    }

    /// Returns the link to a member, which from now on leads to the given address: openraft keeps
    /// its clients, and their links, when a member moves.
    pub(super) fn to(&self, endpoint: &Endpoint, id: NodeId, member: &Member) -> Arc<PeerLink> {
        let mut links = self.lock();
        match links.get(&id) {
            Some(link) if *link.name() == member.name => {
                link.lead_to(&member.address);
                Arc::clone(link)
            }
            _ => {
                let link = Arc::new(PeerLink::new(endpoint.clone(), member.clone(), self.events.clone()));
                links.insert(id, Arc::clone(&link));
                link
            }
        }
    }

    /// Forgets the links to all nodes but these.
    pub(super) fn keep(&self, keep: impl Fn(NodeId) -> bool) {
        // One that is in use stays: openraft may learn of a member before the metrics show it.
        self.lock().retain(|id, link| keep(*id) || Arc::strong_count(link) > 1);
    }

    /// Recovers from poisoning: nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, Arc<PeerLink>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
