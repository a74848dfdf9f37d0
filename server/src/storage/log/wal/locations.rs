//! The locations of entries in the file. Pure.

use std::{collections::VecDeque, ops::Range};

/// The location of an entry's record.
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
    bytes: u64,
}

impl EntryLocations {
    /// The index and location of the first entry, if there is one.
    pub(in crate::storage::log) fn first(&self) -> Option<(u64, EntryLocation)> {
        self.locations.front().map(|location| (self.first, *location))
    }

    /// Adds an entry. It replaces all entries from its index on.
    pub(super) fn add(&mut self, index: u64, location: EntryLocation) {
        self.cut(index);
        if self.locations.is_empty() {
            self.first = index;
        }
        self.bytes += u64::from(location.bytes);
        self.locations.push_back(location);
    }

    /// Removes all entries from this index on.
    pub(super) fn cut(&mut self, from: u64) {
        let keep = from.saturating_sub(self.first) as usize;
        while self.locations.len() > keep {
            self.bytes -= self.locations.pop_back().map_or(0, |location| u64::from(location.bytes));
        }
    }

    /// Removes all entries up to this index.
    pub(super) fn purge(&mut self, upto: u64) {
        while self.locations.front().is_some() && self.first <= upto {
            self.bytes -= self.locations.pop_front().map_or(0, |location| u64::from(location.bytes));
            self.first += 1;
        }
    }

    /// The bytes of all entries.
    pub(in crate::storage::log) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The last entry to purge so that the rest takes at most `keep_bytes`; `None`
    /// if all entries do.
    pub(in crate::storage::log) fn excess(&self, keep_bytes: u64) -> Option<u64> {
        let mut left = keep_bytes;
        let excess = self.locations.iter().rposition(|location| {
            let fits = left.checked_sub(u64::from(location.bytes));
            left = fits.unwrap_or_default();
            fits.is_none()
        });
        excess.map(|position| self.first + position as u64)
    }

    /// The existing entries of a range, and the index of the first.
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

    fn location(offset: u64) -> EntryLocation {
        EntryLocation { offset, bytes: 1 }
    }

    fn offsets(locations: &EntryLocations, range: Range<u64>) -> (u64, Vec<u64>) {
        let (first, locations) = locations.of(range);
        (first, locations.into_iter().map(|location| location.offset).collect())
    }

    #[test]
    fn what_exceeds_a_number_of_bytes_is_the_oldest() {
        let mut locations = EntryLocations::default();
        for index in 5..10 {
            locations.add(index, EntryLocation { offset: index, bytes: 100 });
        }
        assert_eq!((locations.bytes(), locations.excess(500), locations.excess(499)), (500, None, Some(5)));
        assert_eq!((locations.excess(200), locations.excess(0)), (Some(7), Some(9)));
        locations.add(8, EntryLocation { offset: 80, bytes: 1 });
        assert_eq!(locations.bytes(), 301);
        locations.purge(6);
        assert_eq!((locations.bytes(), locations.excess(50)), (101, Some(7)));
        locations.cut(0);
        assert_eq!((locations.bytes(), locations.excess(0)), (0, None));
    }

    #[test]
    fn entries_are_added_cut_and_purged() {
        let mut locations = EntryLocations::default();
        for index in 5..10 {
            locations.add(index, location(index * 10));
        }
        assert_eq!(offsets(&locations, 0..99), (5, vec![50, 60, 70, 80, 90]));
        assert_eq!(offsets(&locations, 6..8), (6, vec![60, 70]));
        locations.add(8, location(800));
        assert_eq!(offsets(&locations, 7..99), (7, vec![70, 800]));
        locations.purge(6);
        assert_eq!(locations.first(), Some((7, location(70))));
        locations.cut(0);
        assert_eq!(locations.first(), None);
        locations.add(3, location(30));
        assert_eq!(offsets(&locations, 0..99), (3, vec![30]));
        locations.purge(99);
        assert_eq!(offsets(&locations, 0..99).1, Vec::<u64>::new());
    }
}
