//! Which requests are remembered: an index in memory over the records on disk.
//!
//! Finds the log index of a request's record, and the row of records that is to
//! be deleted next. A ring holds the last requests in the order of the log, 40
//! bytes each; a hash table holds their places in it. The outcome of a request
//! is in its record only.

use std::{
    collections::{VecDeque, hash_map::RandomState},
    hash::BuildHasher,
};

use coffee_common::id::{ClientId, RequestId, Revision};
use hashbrown::HashTable;

use super::{error::KvError, row::requests::first_index, table::Table};

/// The index of the remembered requests.
#[derive(Debug)]
pub struct RequestMemory {
    /// The most requests that are kept.
    limit: usize,
    /// The index of the last request that was dropped.
    forgotten: Revision,
    /// The digest contribution of forgotten records whose row still exists.
    lingering: u64,
    /// In the order of their indexes.
    ring: VecDeque<RememberedRequest>,
    /// How many requests were ever dropped from the front of `ring`, modulo 2^32.
    dropped: u32,
    /// The places of the requests, counted from the first one ever. Only looked
    /// up, never iterated: the order differs between nodes.
    places: HashTable<u32>,
    hasher: RandomState,
}

/// A remembered request, as far as it is known without its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RememberedRequest {
    /// The client's id in two halves: the alignment of a `u128` would waste 8 bytes.
    client: [u64; 2],
    sequence: u64,
    /// The index that applied it.
    at: Revision,
    /// The contribution of its record to the digest of the state.
    contribution: u64,
}

/// A row of records that are all forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ForgottenRow {
    /// The first index of the row.
    pub(super) first_index: u64,
    /// Its contribution to the digest of the state.
    pub(super) contribution: u64,
}

impl RememberedRequest {
    pub(super) fn new(request: &RequestId, at: Revision, contribution: u64) -> Self {
        let ClientId(client) = request.client;
        Self { client: [(client >> 64) as u64, client as u64], sequence: request.sequence, at, contribution }
    }

    fn key(&self) -> ([u64; 2], u64) {
        (self.client, self.sequence)
    }
}

impl RequestMemory {
    /// An empty memory whose requests up to `forgotten` are forgotten.
    pub(super) fn new(limit: u64, forgotten: Revision) -> Self {
        let (ring, places, hasher) = (VecDeque::new(), HashTable::new(), RandomState::new());
        Self { limit: limit as usize, forgotten, lingering: 0, ring, dropped: 0, places, hasher }
    }

    /// Requests up to this revision are no longer remembered.
    pub fn forgotten(&self) -> Revision {
        self.forgotten
    }

    /// The number of remembered requests.
    pub fn entries(&self) -> usize {
        self.ring.len()
    }

    /// The memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.ring.capacity() * size_of::<RememberedRequest>() + self.places.allocation_size()
    }

    /// The log index that applied a request, if it is remembered.
    pub(super) fn find(&self, request: &RequestId) -> Option<Revision> {
        let key = RememberedRequest::new(request, Revision::default(), 0).key();
        let same = |place: &u32| self.at_place(*place).is_some_and(|request| request.key() == key);
        let place = self.places.find(self.hasher.hash_one(key), same)?;
        self.at_place(*place).map(|request| request.at)
    }

    /// Adds the next record of the tables, which may be forgotten already.
    pub(super) fn load_next(&mut self, request: RememberedRequest) -> Result<(), KvError> {
        if request.at <= self.forgotten {
            self.lingering = self.lingering.wrapping_add(request.contribution);
        } else if self.ring.len() == self.limit {
            return Err(KvError::damaged(Table::Requests, "there are too many records"));
        } else {
            self.push(request);
        }
        Ok(())
    }

    /// Adds a request after all others, and forgets the oldest one beyond the
    /// limit. Returns the row of the forgotten one if the whole row is forgotten.
    pub(super) fn push(&mut self, request: RememberedRequest) -> Option<ForgottenRow> {
        let forgotten = if self.ring.len() < self.limit { None } else { self.forget_oldest(&request) };
        self.grow();
        let place = self.dropped.wrapping_add(self.ring.len() as u32);
        self.ring.push_back(request);
        let Self { ring, dropped, places, hasher, .. } = self;
        let hash = |place: &u32| {
            hasher.hash_one(
                ring.get(place.wrapping_sub(*dropped) as usize)
                    .map(RememberedRequest::key)
                    .unwrap_or_default(),
            )
        };
        places.insert_unique(hasher.hash_one(request.key()), place, hash);
        forgotten
    }

    /// Forgets the oldest request, before `next` is added.
    fn forget_oldest(&mut self, next: &RememberedRequest) -> Option<ForgottenRow> {
        let (oldest, place) = (self.ring.pop_front()?, self.dropped);
        let found = self.places.find_entry(self.hasher.hash_one(oldest.key()), |other| *other == place);
        if let Ok(found) = found {
            found.remove();
        }
        self.dropped = self.dropped.wrapping_add(1);
        self.forgotten = oldest.at;
        self.lingering = self.lingering.wrapping_add(oldest.contribution);
        let row = first_index(oldest.at);
        let done = row != first_index(self.ring.front().unwrap_or(next).at);
        done.then(|| ForgottenRow { first_index: row, contribution: std::mem::take(&mut self.lingering) })
    }

    /// Grows the ring by doubling, but not beyond the limit.
    fn grow(&mut self) {
        if self.ring.len() == self.ring.capacity() {
            let wanted = (self.ring.len() * 2).clamp(16, self.limit.max(16));
            self.ring.reserve_exact(wanted.saturating_sub(self.ring.len()).max(1));
        }
    }

    fn at_place(&self, place: u32) -> Option<&RememberedRequest> {
        self.ring.get(place.wrapping_sub(self.dropped) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(client: u128, sequence: u64) -> RequestId {
        RequestId { client: ClientId(client), sequence, after: Revision(0) }
    }

    /// The index that applied the n-th request: about eight of them share a row.
    fn at(n: u64) -> u64 {
        31 * n
    }

    #[test]
    fn the_latest_are_found_and_the_oldest_are_forgotten() {
        for start in [0, u32::MAX - 7] {
            let mut memory = RequestMemory::new(5, Revision(0));
            memory.dropped = start;
            let request_at = |n: u64| RememberedRequest::new(&request(7 << 64 | 9, n), Revision(at(n)), n);
            let mut sum = 0;
            for n in 1..=40 {
                let row = memory.push(request_at(n));
                let forgotten = n.saturating_sub(5);
                sum += forgotten;
                // The request before the oldest one was the last of its row.
                let done = forgotten > 0 && at(forgotten) % 256 > at(forgotten + 1) % 256;
                let first_index = at(forgotten) / 256 * 256;
                assert_eq!(row, done.then_some(ForgottenRow { first_index, contribution: sum }));
                sum = if done { 0 } else { sum };
                assert_eq!(memory.forgotten().0, if forgotten > 0 { at(forgotten) } else { 0 });
                for other in 1..=40 {
                    let there = other <= n && other + 5 > n;
                    let found = memory.find(&request(7 << 64 | 9, other));
                    assert_eq!(found, there.then_some(Revision(at(other))), "{other} after {n}");
                }
                assert_eq!(memory.find(&request(9, n)), None, "another client's");
            }
            assert!(memory.ring.capacity() <= 16, "{}", memory.ring.capacity());
        }
    }
}
