//! How many bytes of writes a node has in flight.
//!
//! Two numbers and no lock: a share is one compare-and-swap to take, and one
//! subtraction to give back. Guards that no more is taken than there is room
//! for when it is taken; where the room shrinks, what was taken stays taken.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use coffee_common::{command::Batch, limits::PROPOSAL_BYTES_IN_FLIGHT_MAX};

/// What every proposal costs besides its bytes: an entry of the log, a task, an answer.
const PROPOSAL_BYTES: usize = 2 << 10;

/// What may be in flight, and what is. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    taken: AtomicUsize,
    max: AtomicUsize,
}

/// A share of it, until this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Inner>,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        let (taken, max) = (AtomicUsize::new(0), AtomicUsize::new(PROPOSAL_BYTES_IN_FLIGHT_MAX));
        Self(Arc::new(Inner { taken, max }))
    }
}

impl Budget {
    /// Takes a batch's share; `None` where there is no room for it.
    pub(super) fn take(&self, batch: &Batch) -> Option<Share> {
        let bytes = PROPOSAL_BYTES + batch.bytes();
        let max = self.0.max.load(Ordering::Relaxed);
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= max);
        self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Share { budget: Arc::clone(&self.0), bytes })
    }

    /// Has room for so many bytes from now on.
    pub(super) fn set_max(&self, max: usize) {
        self.0.max.store(max, Ordering::Relaxed);
    }
}

impl Share {
    /// Makes one of two, of the same budget.
    pub(super) fn merge(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.budget, &other.budget), "shares of one budget");
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        command::Operation,
        key::{Key, Value},
    };

    use super::*;

    fn of(bytes: usize) -> Batch {
        let key = Key::new("k").expect("legal");
        let value = Value::new(vec![0; bytes - PROPOSAL_BYTES - 1]).expect("legal");
        Batch { conditions: Vec::new(), operations: vec![Operation::Set(key, value)] }
    }

    #[test]
    fn it_gives_what_there_is_and_takes_it_back() {
        let budget = Budget::default();
        budget.set_max(10_000);
        let mut first = budget.take(&of(4_000)).expect("room");
        let second = budget.take(&of(6_000)).expect("to the last byte");
        assert!(budget.take(&of(2_100)).is_none());
        first.merge(second);
        assert!(budget.take(&of(2_100)).is_none(), "merged, they take as much");
        drop(first);
        assert!(budget.take(&of(10_000)).is_some());
        assert!(budget.take(&of(10_001)).is_none());
    }

    #[test]
    fn room_that_shrinks_and_grows_counts_from_the_next_on() {
        let budget = Budget::default();
        budget.set_max(10_000);
        let held = budget.take(&of(8_000)).expect("room");
        budget.set_max(5_000);
        assert!(budget.take(&of(2_100)).is_none(), "more is taken than there is room for");
        budget.set_max(20_000);
        let more = budget.take(&of(12_000)).expect("room");
        drop((held, more));
        budget.set_max(5_000);
        assert!(budget.take(&of(5_000)).is_some());
    }
}
