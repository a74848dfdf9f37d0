//! Digests of the state as of recent entries.
//!
//! Two replicas never stand at the same entry when one asks the other, so both
//! keep a history, to find an entry to compare.

use std::collections::VecDeque;

use coffee_common::{id::Revision, protocol::ReplicaDigest};

/// A digest is kept of every index that this divides.
const SPACING: u64 = 64;

/// The number of digests kept: 262,144 entries back, which is how far a replica
/// may lag, in 96 KiB.
const KEPT: usize = 4096;

/// The latest digests, in order.
#[derive(Debug, Default)]
pub(super) struct DigestHistory(VecDeque<ReplicaDigest>);

impl DigestHistory {
    /// Whether the digest of this index is kept.
    pub(super) fn is_due(index: u64) -> bool {
        index.is_multiple_of(SPACING)
    }

    /// Adds later digests, and drops the oldest ones.
    pub(super) fn extend(&mut self, digests: Vec<ReplicaDigest>) {
        self.0.extend(digests);
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }

    /// The last digest at or before `upto`, if it is still kept.
    pub(super) fn last(&self, upto: Revision) -> Option<ReplicaDigest> {
        let after = self.0.partition_point(|digest| digest.at <= upto);
        after.checked_sub(1).map(|last| self.0[last])
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::feature_level::LEVEL_MIN;

    use super::*;

    #[test]
    fn the_last_digest_at_or_before_an_entry_is_found() {
        let mut digests = DigestHistory::default();
        assert_eq!(digests.last(Revision(u64::MAX)), None);
        let digest = |n: u64| ReplicaDigest { at: Revision(n * SPACING), sum: n, level: LEVEL_MIN };
        digests.extend((1..=KEPT as u64 + 2).map(digest).collect());
        assert_eq!(digests.last(Revision(3 * SPACING - 1)), None, "the first two are forgotten");
        assert_eq!(digests.last(Revision(3 * SPACING)), Some(digest(3)));
        assert_eq!(digests.last(Revision(4 * SPACING - 1)), Some(digest(3)));
        assert_eq!(digests.last(Revision(u64::MAX)), Some(digest(KEPT as u64 + 2)));
        assert!(DigestHistory::is_due(SPACING) && !DigestHistory::is_due(SPACING + 1));
    }
}
