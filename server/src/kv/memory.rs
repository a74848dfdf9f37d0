//! Which requests are remembered, in memory: where to find a request's record,
//! and which row of records goes next.
//!
//! A ring of the last requests in the order of the log, 40 bytes for each, and
//! a table of places in it. What came of a request stands in its record alone.

use std::{
    collections::{VecDeque, hash_map::RandomState},
    hash::BuildHasher,
};

use coffee_common::id::{ClientId, RequestId, Revision};
use hashbrown::HashTable;

use super::{layout::KvError, requests::chunk_of, tables::Table};

/// Finds the records of remembered requests.
#[derive(Debug)]
pub struct RequestMemory {
    /// How many are kept.
    limit: usize,
    /// The highest index that was dropped.
    forgotten: Revision,
    /// What the records add to the digest that are forgotten, and whose row is
    /// still there.
    lingering: u64,
    /// In the order of their indexes.
    slots: VecDeque<Slot>,
    /// How many were ever taken off the front of `slots`, the highest bits left out.
    dropped: u32,
    /// The places of the slots, counted from the first there ever was. Only
    /// looked up, never walked: their order is not the same on all nodes.
    places: HashTable<u32>,
    hasher: RandomState,
}

/// What is known of a remembered request without its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// The client's id in two halves: a number of 128 bits would waste 8 bytes.
    client: [u64; 2],
    sequence: u64,
    /// The index that applied it.
    at: Revision,
    /// What its record adds to the digest of the state.
    number: u64,
}

/// A row of records, all of which are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    /// The first index of the row.
    pub(super) chunk: u64,
    /// What it adds to the digest of the state.
    pub(super) number: u64,
}

impl Slot {
    pub(super) fn new(request: &RequestId, at: Revision, number: u64) -> Self {
        let ClientId(client) = request.client;
        Self { client: [(client >> 64) as u64, client as u64], sequence: request.sequence, at, number }
    }

    fn names(&self) -> ([u64; 2], u64) {
        (self.client, self.sequence)
    }
}

impl RequestMemory {
    /// Remembers nothing, since requests up to `forgotten` are not to be remembered.
    pub(super) fn new(limit: u64, forgotten: Revision) -> Self {
        let (slots, places, hasher) = (VecDeque::new(), HashTable::new(), RandomState::new());
        Self { limit: limit as usize, forgotten, lingering: 0, slots, dropped: 0, places, hasher }
    }

    /// Requests up to this revision are no longer remembered.
    pub fn forgotten(&self) -> Revision {
        self.forgotten
    }

    /// How many requests are remembered.
    pub fn entries(&self) -> usize {
        self.slots.len()
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.places.allocation_size()
    }

    /// The index that applied a request, if it is remembered.
    pub(super) fn find(&self, request: &RequestId) -> Option<Revision> {
        let names = Slot::new(request, Revision::default(), 0).names();
        let same = |place: &u32| self.slot(*place).is_some_and(|slot| slot.names() == names);
        let place = self.places.find(self.hasher.hash_one(names), same)?;
        self.slot(*place).map(|slot| slot.at)
    }

    /// Takes over the next record of the tables, which may be forgotten already.
    pub(super) fn load_next(&mut self, slot: Slot) -> Result<(), KvError> {
        if slot.at <= self.forgotten {
            self.lingering = self.lingering.wrapping_add(slot.number);
        } else if self.slots.len() == self.limit {
            return Err(KvError::damaged(Table::Requests, "there is one too many"));
        } else {
            self.push(slot);
        }
        Ok(())
    }

    /// Remembers one more, behind all others, and forgets the oldest beyond the
    /// limit. Gives the row that nothing is remembered of any more.
    pub(super) fn push(&mut self, slot: Slot) -> Option<Gone> {
        let gone = if self.slots.len() < self.limit { None } else { self.forget_oldest(&slot) };
        self.make_room();
        let place = self.dropped.wrapping_add(self.slots.len() as u32);
        self.slots.push_back(slot);
        let Self { slots, dropped, places, hasher, .. } = self;
        let hash = |place: &u32| {
            hasher.hash_one(
                slots.get(place.wrapping_sub(*dropped) as usize).map(Slot::names).unwrap_or_default(),
            )
        };
        places.insert_unique(hasher.hash_one(slot.names()), place, hash);
        gone
    }

    /// Forgets the oldest, before `next` is added.
    fn forget_oldest(&mut self, next: &Slot) -> Option<Gone> {
        let (oldest, place) = (self.slots.pop_front()?, self.dropped);
        let found = self.places.find_entry(self.hasher.hash_one(oldest.names()), |other| *other == place);
        if let Ok(found) = found {
            found.remove();
        }
        self.dropped = self.dropped.wrapping_add(1);
        self.forgotten = oldest.at;
        self.lingering = self.lingering.wrapping_add(oldest.number);
        let chunk = chunk_of(oldest.at);
        let done = chunk != chunk_of(self.slots.front().unwrap_or(next).at);
        done.then(|| Gone { chunk, number: std::mem::take(&mut self.lingering) })
    }

    /// Grows by doubling, but never beyond what is needed.
    fn make_room(&mut self) {
        if self.slots.len() == self.slots.capacity() {
            let wanted = (self.slots.len() * 2).clamp(16, self.limit.max(16));
            self.slots.reserve_exact(wanted.saturating_sub(self.slots.len()).max(1));
        }
    }

    fn slot(&self, place: u32) -> Option<&Slot> {
        self.slots.get(place.wrapping_sub(self.dropped) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(client: u128, sequence: u64) -> RequestId {
        RequestId { client: ClientId(client), sequence, after: Revision(0) }
    }

    /// The index that applied the n-th request: some eight of them share a row.
    fn at(n: u64) -> u64 {
        31 * n
    }

    #[test]
    fn the_latest_are_found_and_the_oldest_make_room() {
        for start in [0, u32::MAX - 7] {
            let mut memory = RequestMemory::new(5, Revision(0));
            memory.dropped = start;
            let slot = |n: u64| Slot::new(&request(7 << 64 | 9, n), Revision(at(n)), n);
            let mut sum = 0;
            for n in 1..=40 {
                let gone = memory.push(slot(n));
                let forgotten = n.saturating_sub(5);
                sum += forgotten;
                // The request before the oldest one was the last of its row.
                let done = forgotten > 0 && at(forgotten) % 256 > at(forgotten + 1) % 256;
                assert_eq!(gone, done.then(|| Gone { chunk: at(forgotten) / 256 * 256, number: sum }));
                sum = if done { 0 } else { sum };
                assert_eq!(memory.forgotten().0, if forgotten > 0 { at(forgotten) } else { 0 });
                for other in 1..=40 {
                    let there = other <= n && other + 5 > n;
                    let found = memory.find(&request(7 << 64 | 9, other));
                    assert_eq!(found, there.then_some(Revision(at(other))), "{other} after {n}");
                }
                assert_eq!(memory.find(&request(9, n)), None, "another client's");
            }
            assert!(memory.slots.capacity() <= 16, "{}", memory.slots.capacity());
        }
    }
}
