//! Slots for requests in flight: of a connection, and of its client.
//!
//! Guards that neither exceeds its bound. Costs an atomic addition each per request.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use coffee_common::limits::REQUESTS_IN_FLIGHT_MAX;

/// The number of slots that are taken.
#[derive(Debug, Default)]
pub(super) struct SlotCount(AtomicUsize);

/// The slots of a connection.
pub(super) struct ConnectionSlots {
    own: SlotCount,
    client: Arc<SlotCount>,
}

/// Slots of requests in flight, until this is dropped.
pub(super) struct RequestSlots {
    slots: Arc<ConnectionSlots>,
    count: usize,
}

impl SlotCount {
    /// Takes one of `max` slots. Returns whether one was left.
    fn take(&self, max: usize) -> bool {
        let taken = self.0.fetch_add(1, Ordering::Relaxed);
        if taken >= max {
            self.give_back(1);
        }
        taken < max
    }

    fn give_back(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }
}

impl ConnectionSlots {
    pub(super) fn new(client: Arc<SlotCount>) -> Arc<Self> {
        Arc::new(Self { own: SlotCount::default(), client })
    }

    /// Takes the slot of a request. Returns `None` if the connection has none left, or its client none
    /// of `client_max`.
    pub(super) fn take(self: &Arc<Self>, client_max: usize) -> Option<RequestSlots> {
        if !self.own.take(REQUESTS_IN_FLIGHT_MAX) {
            return None;
        }
        if !self.client.take(client_max) {
            self.own.give_back(1);
            return None;
        }
        Some(RequestSlots { slots: Arc::clone(self), count: 1 })
    }
}

impl RequestSlots {
    /// Merges with other slots of the same connection.
    pub(super) fn merge(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.slots, &other.slots), "slots of one connection");
        self.count += std::mem::take(&mut other.count);
    }
}

impl Drop for RequestSlots {
    fn drop(&mut self) {
        self.slots.own.give_back(self.count);
        self.slots.client.give_back(self.count);
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::limits::CLIENT_REQUESTS_IN_FLIGHT_MAX as MAX;

    use super::*;

    #[test]
    fn a_client_gains_no_slots_with_more_connections() {
        let client = Arc::new(SlotCount::default());
        let connections: Vec<_> = (0..3).map(|_| ConnectionSlots::new(Arc::clone(&client))).collect();
        let mut taken = Vec::new();
        for connection in &connections {
            while let Some(slot) = connection.take(MAX) {
                taken.push(slot);
            }
            assert!(taken.len() <= MAX);
        }
        assert_eq!(taken.len(), MAX);
        let mut first = taken.remove(0);
        first.merge(taken.remove(0));
        assert!(connections[2].take(MAX).is_none());
        drop(first);
        let again: Vec<_> = std::iter::from_fn(|| connections[2].take(MAX)).collect();
        assert_eq!(again.len(), 2);
        drop((taken, again));
        assert!(connections[0].take(MAX).is_some());
    }
}
