//! Slots for requests in flight, and for watches that wait: of a connection, and of its client.
//!
//! Guards that neither exceeds its bound. Costs an atomic addition each per request.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use coffee_common::limits::{
    CLIENT_RANGE_WATCHES_MAX, CLIENT_WATCHES_MAX, CONNECTION_WATCHES_MAX, RANGE_WATCHES_MAX,
    REQUESTS_IN_FLIGHT_MAX, WATCHES_MAX,
};

/// The number of slots that are taken.
#[derive(Debug, Default)]
pub(crate) struct SlotCount(AtomicUsize);

/// The slots of a connection.
pub(crate) struct ConnectionSlots {
    own: SlotCount,
    client: Arc<SlotCount>,
}

/// Slots of requests in flight, until this is dropped.
pub(crate) struct RequestSlots {
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
    pub(crate) fn new(client: Arc<SlotCount>) -> Arc<Self> {
        Arc::new(Self { own: SlotCount::default(), client })
    }

    /// Takes the slot of a request. Returns `None` if the connection has none left, or its client none
    /// of `client_max`.
    pub(crate) fn take(self: &Arc<Self>, client_max: usize) -> Option<RequestSlots> {
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

/// The watches of a connection, of a client or of the node that are not answered.
#[derive(Debug, Default)]
pub(crate) struct WatchCounts {
    all: SlotCount,
    /// Those of ranges that are neither of a single key nor of a prefix.
    general: SlotCount,
}

/// The slots of a watch, until this is dropped.
pub(crate) struct WatchSlots {
    own: Arc<WatchCounts>,
    client: Arc<WatchCounts>,
    node: Arc<WatchCounts>,
    is_general: bool,
}

impl WatchSlots {
    /// Takes the slots of a watch. Returns `None` if there is none left.
    pub(crate) fn take(
        own: &Arc<WatchCounts>,
        client: &Arc<WatchCounts>,
        node: &Arc<WatchCounts>,
        is_general: bool,
    ) -> Option<Self> {
        let mut counts = vec![
            (&own.all, CONNECTION_WATCHES_MAX),
            (&client.all, CLIENT_WATCHES_MAX),
            (&node.all, WATCHES_MAX),
        ];
        if is_general {
            counts.extend([(&client.general, CLIENT_RANGE_WATCHES_MAX), (&node.general, RANGE_WATCHES_MAX)]);
        }
        for (place, (count, max)) in counts.iter().enumerate() {
            if !count.take(*max) {
                counts[..place].iter().for_each(|(taken, _)| taken.give_back(1));
                return None;
            }
        }
        let [own, client, node] = [own, client, node].map(Arc::clone);
        Some(Self { own, client, node, is_general })
    }
}

impl Drop for WatchSlots {
    fn drop(&mut self) {
        [&self.own, &self.client, &self.node].into_iter().for_each(|counts| counts.all.give_back(1));
        if self.is_general {
            [&self.client, &self.node].into_iter().for_each(|counts| counts.general.give_back(1));
        }
    }
}

impl RequestSlots {
    /// Merges with other slots of the same connection.
    pub(crate) fn merge(&mut self, mut other: Self) {
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
    fn a_watch_that_finds_no_slot_takes_none() {
        let [own, client, node] = [(); 3].map(|()| Arc::<WatchCounts>::default());
        let take = |own, general| WatchSlots::take(own, &client, &node, general);
        let ranges: Vec<_> = std::iter::from_fn(|| take(&own, true)).collect();
        assert_eq!(ranges.len(), CLIENT_RANGE_WATCHES_MAX);
        let watches: Vec<_> = std::iter::from_fn(|| take(&own, false)).collect();
        assert_eq!(watches.len(), CONNECTION_WATCHES_MAX - ranges.len());
        let another = Arc::default();
        let more: Vec<_> = std::iter::from_fn(|| take(&another, false)).collect();
        assert_eq!(more.len(), CONNECTION_WATCHES_MAX, "another connection has its own");
        drop((ranges, watches, more));
        let count = |count: &SlotCount| count.0.load(Ordering::Relaxed);
        for counts in [own, client, node] {
            assert_eq!((count(&counts.all), count(&counts.general)), (0, 0));
        }
    }

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
