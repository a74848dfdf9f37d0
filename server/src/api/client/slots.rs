//! Slots for requests in flight: of a connection, and of its client.
//!
//! Guards that neither exceeds its bound. Costs an atomic addition each per request.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use coffee_common::limits::REQUESTS_IN_FLIGHT_MAX;

/// A number of slots, some of which are taken.
#[derive(Debug)]
pub(super) struct SlotCount {
    taken: AtomicUsize,
    max: usize,
}

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
    pub(super) fn new(max: usize) -> Self {
        Self { taken: AtomicUsize::new(0), max }
    }

    fn take(&self) -> bool {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        if taken >= self.max {
            self.give_back(1);
        }
        taken < self.max
    }

    fn give_back(&self, count: usize) {
        self.taken.fetch_sub(count, Ordering::Relaxed);
    }
}

impl ConnectionSlots {
    pub(super) fn new(client: Arc<SlotCount>) -> Arc<Self> {
        Arc::new(Self { own: SlotCount::new(REQUESTS_IN_FLIGHT_MAX), client })
    }

    /// Takes the slot of a request. Returns `None` if the connection or its client has none left.
    pub(super) fn take(self: &Arc<Self>) -> Option<RequestSlots> {
        if !self.own.take() {
            return None;
        }
        if !self.client.take() {
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
    use coffee_common::limits::CLIENT_REQUESTS_IN_FLIGHT_MAX;

    use super::*;

    #[test]
    fn a_client_gains_no_slots_with_more_connections() {
        let client = Arc::new(SlotCount::new(CLIENT_REQUESTS_IN_FLIGHT_MAX));
        let connections: Vec<_> = (0..3).map(|_| ConnectionSlots::new(Arc::clone(&client))).collect();
        let mut taken = Vec::new();
        for connection in &connections {
            while let Some(slot) = connection.take() {
                taken.push(slot);
            }
            assert!(taken.len() <= CLIENT_REQUESTS_IN_FLIGHT_MAX);
        }
        assert_eq!(taken.len(), CLIENT_REQUESTS_IN_FLIGHT_MAX);
        let mut first = taken.remove(0);
        first.merge(taken.remove(0));
        assert!(connections[2].take().is_none());
        drop(first);
        let again: Vec<_> = std::iter::from_fn(|| connections[2].take()).collect();
        assert_eq!(again.len(), 2);
        drop((taken, again));
        assert!(connections[0].take().is_some());
    }
}
