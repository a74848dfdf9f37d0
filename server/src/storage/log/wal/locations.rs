//! Where in the file each entry lies. Pure.

use std::{collections::VecDeque, ops::Range};

/// Where an entry's record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage::log) struct EntryLocation {
    pub(in crate::storage::log) offset: u64,
    pub(in crate::storage::log) bytes: u32,
}

/// The locations of consecutive entries.
#[derive(Debug, Default)]
pub(in crate::storage::log) struct EntryLocations {
    first: u64,
    locations: VecDeque<EntryLocation>,
}

impl EntryLocations {
    /// The index of the first entry, if there is one.
    pub(in crate::storage::log) fn first(&self) -> Option<(u64, EntryLocation)> {
        self.locations.front().map(|place| (self.first, *place))
    }

    /// Adds an entry, which takes the place of all from its index on.
    pub(super) fn add(&mut self, index: u64, place: EntryLocation) {
        self.cut(index);
        if self.locations.is_empty() {
            self.first = index;
        }
        self.locations.push_back(place);
    }

    /// Forgets all from this index on.
    pub(super) fn cut(&mut self, from: u64) {
        self.locations.truncate(from.saturating_sub(self.first) as usize);
    }

    /// Forgets all up to this index.
    pub(super) fn purge(&mut self, upto: u64) {
        while self.locations.front().is_some() && self.first <= upto {
            self.locations.pop_front();
            self.first += 1;
        }
    }

    /// Those of a range that are there, with the first one's index.
    pub(in crate::storage::log) fn of(&self, range: Range<u64>) -> (u64, Vec<EntryLocation>) {
        let start = range.start.max(self.first);
        let skip = (start - self.first) as usize;
        let count = range.end.saturating_sub(start) as usize;
        (start, self.locations.iter().skip(skip).take(count).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> EntryLocation {
        EntryLocation { offset, bytes: 1 }
    }

    fn offsets(locations: &EntryLocations, range: Range<u64>) -> (u64, Vec<u64>) {
        let (first, locations) = locations.of(range);
        (first, locations.into_iter().map(|place| place.offset).collect())
    }

    #[test]
    fn entries_come_are_given_up_and_go() {
        let mut locations = EntryLocations::default();
        for index in 5..10 {
            locations.add(index, place(index * 10));
        }
        assert_eq!(offsets(&locations, 0..99), (5, vec![50, 60, 70, 80, 90]));
        assert_eq!(offsets(&locations, 6..8), (6, vec![60, 70]));
        locations.add(8, place(800));
        assert_eq!(offsets(&locations, 7..99), (7, vec![70, 800]));
        locations.purge(6);
        assert_eq!(locations.first(), Some((7, place(70))));
        locations.cut(0);
        assert_eq!(locations.first(), None);
        locations.add(3, place(30));
        assert_eq!(offsets(&locations, 0..99), (3, vec![30]));
        locations.purge(99);
        assert_eq!(offsets(&locations, 0..99).1, Vec::<u64>::new());
    }
}
