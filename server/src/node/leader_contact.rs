//! The time of last contact with the current leader and its predecessor.
//!
//! Distinguishes a leader that has just handed over, and is about to answer its
//! pending requests, from one that is down: nothing has come from the latter for
//! a lease.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_common::id::NodeId;
use tokio::time::Instant;

/// The last contact with the leader and with the previous leader. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct LastContact(Arc<Mutex<[Option<Contact>; 2]>>);

#[derive(Debug, Clone, Copy)]
struct Contact {
    leader: NodeId,
    at: Instant,
}

impl LastContact {
    /// Records a message from this leader.
    pub fn note(&self, leader: NodeId) {
        let contact = Some(Contact { leader, at: Instant::now() });
        let [last, before] = &mut *self.contacts();
        let earlier = std::mem::replace(last, contact);
        if earlier.is_some_and(|earlier| earlier.leader != leader) {
            *before = earlier;
        }
    }

    /// Whether there was contact with this leader within the last `span`.
    pub fn within(&self, span: Duration, leader: NodeId) -> bool {
        self.contacts()
            .iter()
            .flatten()
            .any(|contact| contact.leader == leader && contact.at.elapsed() <= span)
    }

    /// Returns the time since the last contact with each of the two leaders, the latest first.
    pub fn silences(&self) -> [Option<(NodeId, Duration)>; 2] {
        self.contacts().map(|contact| contact.map(|contact| (contact.leader, contact.at.elapsed())))
    }

    fn contacts(&self) -> MutexGuard<'_, [Option<Contact>; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_leader_counts_as_heard_for_a_while_though_another_followed() {
        let (contact, lease) = (LastContact::default(), Duration::from_millis(300));
        let [ming, hong, peng] = [1, 2, 3].map(NodeId);
        assert!(!contact.within(lease, ming));
        contact.clone().note(ming);
        tokio::time::advance(Duration::from_millis(200)).await;
        contact.note(hong);
        contact.note(hong);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert!(contact.within(lease, ming) && contact.within(lease, hong) && !contact.within(lease, peng));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!contact.within(lease, ming) && contact.within(lease, hong));
    }
}
