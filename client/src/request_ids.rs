//! Draws request ids.
//!
//! Guards the contract of [`RequestId`]: a sequence number is drawn once, and
//! `after` is a revision that the cluster had reached before: the highest one that
//! any node has reported to this client.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use coffee_common::id::{ClientId, RequestId, Revision};

/// The request ids of one client.
#[derive(Debug)]
pub(crate) struct RequestIds {
    client: ClientId,
    next_sequence: AtomicU64,
    reached: AtomicU64,
    heard: AtomicBool,
}

impl RequestIds {
    pub(crate) fn new(client: ClientId) -> Self {
        Self {
            client,
            next_sequence: AtomicU64::new(1),
            reached: AtomicU64::new(0),
            heard: AtomicBool::new(false),
        }
    }

    /// Records that the cluster has reached a revision.
    pub(crate) fn reached(&self, revision: Revision) {
        self.reached.fetch_max(revision.0, Ordering::AcqRel);
        self.heard.store(true, Ordering::Release);
    }

    /// Returns whether any node has reported a revision. Before that, the cluster may
    /// reject an id as older than what it remembers.
    pub(crate) fn have_heard(&self) -> bool {
        self.heard.load(Ordering::Acquire)
    }

    /// Draws a new request id.
    pub(crate) fn draw(&self) -> RequestId {
        RequestId {
            client: self.client,
            sequence: self.next_sequence.fetch_add(1, Ordering::AcqRel),
            after: Revision(self.reached.load(Ordering::Acquire)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_new_and_based_on_the_highest_revision_heard() {
        let ids = RequestIds::new(ClientId(7));
        assert!(!ids.have_heard());
        let drawn: Vec<_> = [5, 3, 9]
            .map(|revision| {
                ids.reached(Revision(revision));
                let id = ids.draw();
                (id.sequence, id.after.0)
            })
            .into();
        assert_eq!(drawn, [(1, 5), (2, 5), (3, 9)]);
        assert!(ids.have_heard());
    }
}
