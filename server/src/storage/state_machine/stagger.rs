//! When a node folds: not at the moment at which all the others do.
//!
//! The voters of a cluster apply the same entries, so their memories fill at
//! the same rate; and a fold takes a processor and the disk for a while. If
//! each is in it at another time, a quorum goes on undisturbed. Pure.

use std::sync::atomic::{AtomicBool, Ordering};

use coffee_common::id::NodeId;

/// From how many bytes of changes on a node folds.
#[derive(Debug)]
pub(super) struct Stagger {
    own: Option<NodeId>,
    full: usize,
    /// The last fold began when it was due: from there on, full memory is as
    /// far behind the others' as it was.
    in_step: AtomicBool,
}

impl Stagger {
    /// For the node `own`, if it is one of a cluster, whose memory is full at `full` bytes.
    pub(super) fn new(own: Option<NodeId>, full: usize) -> Self {
        Self { own, full, in_step: AtomicBool::new(false) }
    }

    /// From how many bytes on the next fold is due. The first of `n` voters
    /// begins when an `n`-th of its memory is full, the second at two, and so
    /// on; after that each one when all of it is.
    pub(super) fn due(&self, voters: impl Iterator<Item = NodeId>) -> usize {
        match self.own {
            Some(own) if !self.in_step.load(Ordering::Relaxed) => {
                let (before, all) =
                    voters.fold((0, 0), |(before, all), voter| (before + usize::from(voter < own), all + 1));
                self.full * (before + 1) / all.max(before + 1)
            }
            _ => self.full,
        }
    }

    /// Notes that a fold begins, at the moment at which it was due or at another.
    pub(super) fn begins(&self, due: bool) {
        self.in_step.store(due, Ordering::Relaxed);
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
            let stagger = Stagger::new(Some(NodeId(own)), 300);
            assert_eq!(stagger.due(voters()), first, "{own}");
            stagger.begins(true);
            assert_eq!(stagger.due(voters()), 300, "{own}");
            stagger.begins(false);
            assert_eq!(stagger.due(voters()), first, "{own}");
        }
        assert_eq!(Stagger::new(None, 300).due([NodeId(1)].into_iter()), 300);
    }
}
