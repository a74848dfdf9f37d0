//! The log index up to which the state database is durable: the link between log
//! and state.
//!
//! Guards that `purged <= durably applied`: entries are applied in memory and
//! written to the database by flushes. After a crash the entries since the last
//! flush are replayed from the log, so the log must keep them. The state machine
//! advances this index after a flush has returned from its fsync; the log refuses
//! to purge beyond it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The log index up to which the state database is durable. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct DurableIndex {
    /// The first index that is not durable.
    next: Arc<AtomicU64>,
}

impl DurableIndex {
    /// Creates an index as of which nothing is durable.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the entry at `index`, and all before it, would survive a crash in
    /// the state database.
    pub fn covers(&self, index: u64) -> bool {
        index < self.next.load(Ordering::Acquire)
    }

    /// The last durable index.
    pub fn last(&self) -> Option<u64> {
        self.next.load(Ordering::Acquire).checked_sub(1)
    }

    /// Records that everything up to `index` is durable. Never goes back.
    pub fn advance_to(&self, index: u64) {
        self.next.fetch_max(index.saturating_add(1), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_covers_up_to_the_last_checkpoint_and_never_goes_back() {
        let durable_index = DurableIndex::new();
        assert_eq!((durable_index.last(), durable_index.covers(0)), (None, false));
        durable_index.advance_to(0);
        assert!(durable_index.covers(0) && !durable_index.covers(1));
        durable_index.advance_to(7);
        durable_index.clone().advance_to(3);
        assert_eq!(durable_index.last(), Some(7));
    }
}
