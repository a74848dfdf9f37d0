//! Spreads the flushes of a cluster's nodes over time.
//!
//! The voters apply the same entries, so their memtables fill at the same rate,
//! and a flush occupies a processor and the disk for a while. If each node
//! flushes at another time, a quorum is never slowed down. Pure.

use std::sync::atomic::{AtomicBool, Ordering};

use coffee_common::id::NodeId;

/// Computes the memtable size at which a node flushes.
#[derive(Debug)]
pub(super) struct FlushSchedule {
    own: Option<NodeId>,
    full: usize,
    /// Whether the last flush began at its threshold. From there on the node
    /// keeps its distance to the others by flushing when its memtable is full.
    staggered: AtomicBool,
}

impl FlushSchedule {
    /// Creates the schedule of the node `own` of a cluster; `full` is the size of
    /// a full memtable in bytes.
    pub(super) fn new(own: Option<NodeId>, full: usize) -> Self {
        Self { own, full, staggered: AtomicBool::new(false) }
    }

    /// The memtable size, in bytes, at which the next flush begins. The first of
    /// `n` voters flushes at an `n`-th of a full memtable, the second at two, and
    /// so on; after that each flushes when it is full.
    pub(super) fn threshold(&self, voters: impl Iterator<Item = NodeId>) -> usize {
        match self.own {
            Some(own) if !self.staggered.load(Ordering::Relaxed) => {
                let (before, all) =
                    voters.fold((0, 0), |(before, all), voter| (before + usize::from(voter < own), all + 1));
                self.full * (before + 1) / all.max(before + 1)
            }
            _ => self.full,
        }
    }

    /// Records that a flush begins: at its threshold (`due`), or earlier.
    pub(super) fn flush_begins(&self, due: bool) {
        self.staggered.store(due, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_begin_one_after_the_other_and_stay_apart() {
        for (own, voters, first) in [
            (2, &[2, 7, 19][..], 100),
            (7, &[2, 7, 19], 200),
            (19, &[2, 7, 19], 300),
            (1, &[1], 300),
            (20, &[2, 7, 19], 300),
            (3, &[], 300),
        ] {
            let voters = || voters.iter().copied().map(NodeId);
            let flush_schedule = FlushSchedule::new(Some(NodeId(own)), 300);
            assert_eq!(flush_schedule.threshold(voters()), first, "{own}");
            flush_schedule.flush_begins(true);
            assert_eq!(flush_schedule.threshold(voters()), 300, "{own}");
            flush_schedule.flush_begins(false);
            assert_eq!(flush_schedule.threshold(voters()), first, "{own}");
        }
        assert_eq!(FlushSchedule::new(None, 300).threshold([NodeId(1)].into_iter()), 300);
    }
}
