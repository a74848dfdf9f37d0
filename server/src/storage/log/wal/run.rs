//! The locations of consecutive entries. Pure.

use std::collections::VecDeque;

/// The location of the record that completes an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage::log) struct EntryLocation {
    pub(in crate::storage::log) offset: u64,
    pub(in crate::storage::log) bytes: u32,
    /// The bytes of the record of its first part in the chunk before; 0 if the entry is not
    /// divided.
    pub(in crate::storage::log) first_part_bytes: u32,
}

impl EntryLocation {
    /// The bytes of the entry.
    pub(super) fn all_bytes(&self) -> u64 {
        u64::from(self.bytes) + u64::from(self.first_part_bytes)
    }
}

/// The locations of consecutive entries.
#[derive(Debug, Default)]
pub(in crate::storage::log) struct Run {
    first: u64,
    locations: VecDeque<EntryLocation>,
    bytes: u64,
}

impl Run {
    /// The index and location of the first entry, if there is one.
    pub(super) fn first(&self) -> Option<(u64, EntryLocation)> {
        self.locations.front().map(|location| (self.first, *location))
    }

    /// The number of entries.
    pub(super) fn len(&self) -> u64 {
        self.locations.len() as u64
    }

    /// Adds an entry. It replaces all entries from its index on.
    pub(super) fn add(&mut self, index: u64, location: EntryLocation) {
        self.cut(index);
        if self.locations.is_empty() {
            self.first = index;
        }
        self.bytes += location.all_bytes();
        self.locations.push_back(location);
    }

    /// Removes all entries from this index on.
    pub(super) fn cut(&mut self, from: u64) {
        let keep = from.saturating_sub(self.first) as usize;
        while self.locations.len() > keep {
            self.bytes -= self.locations.pop_back().map_or(0, |location| location.all_bytes());
        }
    }

    /// Removes all entries up to this index.
    pub(super) fn purge(&mut self, upto: u64) {
        while self.locations.front().is_some() && self.first <= upto {
            self.bytes -= self.locations.pop_front().map_or(0, |location| location.all_bytes());
            self.first += 1;
        }
    }

    /// The bytes of all entries.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The last entry to purge so that the rest takes at most `keep_bytes`; `None`
    /// if all entries do.
    pub(super) fn excess(&self, keep_bytes: u64) -> Option<u64> {
        let mut left = keep_bytes;
        let excess = self.locations.iter().rposition(|location| {
            let fits = left.checked_sub(location.all_bytes());
            left = fits.unwrap_or_default();
            fits.is_none()
        });
        excess.map(|position| self.first + position as u64)
    }

    /// The existing entries from `start` on, with their indexes.
    pub(super) fn from(&self, start: u64) -> impl Iterator<Item = (u64, EntryLocation)> + use<'_> {
        let skip = start.saturating_sub(self.first) as usize;
        (self.first..).zip(self.locations.iter().copied()).skip(skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(offset: u64) -> EntryLocation {
        EntryLocation { offset, bytes: 1, first_part_bytes: 0 }
    }

    fn offsets(run: &Run, start: u64) -> Vec<(u64, u64)> {
        run.from(start).map(|(index, location)| (index, location.offset)).collect()
    }

    #[test]
    fn what_exceeds_a_number_of_bytes_is_the_oldest() {
        let mut run = Run::default();
        for index in 5..10 {
            run.add(index, EntryLocation { offset: index, bytes: 80, first_part_bytes: 20 });
        }
        assert_eq!((run.bytes(), run.excess(500), run.excess(499)), (500, None, Some(5)));
        assert_eq!((run.excess(200), run.excess(0)), (Some(7), Some(9)));
        run.add(8, location(80));
        assert_eq!(run.bytes(), 301);
        run.purge(6);
        assert_eq!((run.bytes(), run.excess(50)), (101, Some(7)));
        run.cut(0);
        assert_eq!((run.bytes(), run.excess(0)), (0, None));
    }

    #[test]
    fn entries_are_added_cut_and_purged() {
        let mut run = Run::default();
        for index in 5..8 {
            run.add(index, location(index * 10));
        }
        assert_eq!(offsets(&run, 0), [(5, 50), (6, 60), (7, 70)]);
        assert_eq!(offsets(&run, 7), [(7, 70)]);
        run.add(7, location(700));
        assert_eq!(offsets(&run, 6), [(6, 60), (7, 700)]);
        run.purge(5);
        assert_eq!(run.first(), Some((6, location(60))));
        run.cut(0);
        assert_eq!(run.first(), None);
        run.add(3, location(30));
        assert_eq!(offsets(&run, 0), [(3, 30)]);
        run.purge(99);
        assert_eq!((offsets(&run, 0), run.len()), (vec![], 0));
    }
}
