//! What the state was at certain entries: so that replicas, which never stand
//! at the same entry when one asks the other, find one to compare.

use std::collections::VecDeque;

use coffee_common::id::Revision;

use crate::kv::Digest;

/// A mark is set at each index that this divides.
const SPACING: u64 = 64;

/// So many are kept: 262,144 entries back, which a replica can be behind, in 64 KiB.
const KEPT: usize = 4096;

/// The digest of the state right behind an entry.
pub type StateDigest = (Revision, Digest);

/// The latest digests, in order.
#[derive(Debug, Default)]
pub(super) struct DigestHistory(VecDeque<StateDigest>);

impl DigestHistory {
    /// Whether a mark is set at this index.
    pub(super) fn is_due(index: u64) -> bool {
        index.is_multiple_of(SPACING)
    }

    /// Sets digests, each behind those that there are.
    pub(super) fn extend(&mut self, digests: Vec<StateDigest>) {
        self.0.extend(digests);
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }

    /// The last one at or before `upto`, if it is still kept.
    pub(super) fn last(&self, upto: Revision) -> Option<StateDigest> {
        let behind = self.0.partition_point(|(at, _)| *at <= upto);
        behind.checked_sub(1).map(|last| self.0[last])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mark_at_or_before_an_entry_is_found() {
        let mut digests = DigestHistory::default();
        assert_eq!(digests.last(Revision(u64::MAX)), None);
        let mark = |n: u64| (Revision(n * SPACING), Digest(n));
        digests.extend((1..=KEPT as u64 + 2).map(mark).collect());
        assert_eq!(digests.last(Revision(3 * SPACING - 1)), None, "the first two are forgotten");
        assert_eq!(digests.last(Revision(3 * SPACING)), Some(mark(3)));
        assert_eq!(digests.last(Revision(4 * SPACING - 1)), Some(mark(3)));
        assert_eq!(digests.last(Revision(u64::MAX)), Some(mark(KEPT as u64 + 2)));
        assert!(DigestHistory::is_due(SPACING) && !DigestHistory::is_due(SPACING + 1));
    }
}
