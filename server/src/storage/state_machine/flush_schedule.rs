//! When a node folds: not at the moment at which all the others do.
//!
//! The voters of a cluster apply the same entries, so their memories fill at
//! the same rate; and a fold takes a processor and the disk for a while. If
//! each is in it at another time, a quorum goes on undisturbed. Pure.

use std::sync::atomic::{AtomicBool, Ordering};

use coffee_common::id::NodeId;

/// From how many bytes of changes on a node folds.
#[derive(Debug)]
pub(super) struct FlushSchedule {
    own: Option<NodeId>,
    full: usize,
    /// The last fold began when it was due: from there on, full memory is as
    /// far behind the others' as it was.
    staggered: AtomicBool,
}

impl FlushSchedule {
    /// For the node `own`, if it is one of a cluster, whose memory is full at `full` bytes.
    pub(super) fn new(own: Option<NodeId>, full: usize) -> Self {
        Self { own, full, staggered: AtomicBool::new(false) }
    }

    /// From how many bytes on the next fold is due. The first of `n` voters
    /// begins when an `n`-th of its memory is full, the second at two, and so
    /// on; after that each one when all of it is.
    pub(super) fn threshold(&self, voters: impl Iterator<Item = NodeId>) -> usize {
        match self.own {
            Some(own) if !self.staggered.load(Ordering::Relaxed) => {
                let (before, all) =
                    voters.flush((0, 0), |(before, all), voter| (before + usize::from(voter < own), all + 1));
                self.full * (before + 1) / all.max(before + 1)
            }
            _ => self.full,
        }
    }

    /// Notes that a fold begins, at the moment at which it was due or at another.
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
