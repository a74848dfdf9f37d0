//! Where in the file each entry lies. Pure.

use std::{collections::VecDeque, ops::Range};

/// Where an entry's record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage::log) struct Place {
    pub(in crate::storage::log) offset: u64,
    pub(in crate::storage::log) bytes: u32,
}

/// The places of consecutive entries.
#[derive(Debug, Default)]
pub(in crate::storage::log) struct Places {
    first: u64,
    places: VecDeque<Place>,
}

impl Places {
    /// The index of the first entry, if there is one.
    pub(in crate::storage::log) fn first(&self) -> Option<(u64, Place)> {
        self.places.front().map(|place| (self.first, *place))
    }

    /// Adds an entry, which takes the place of all from its index on.
    pub(super) fn add(&mut self, index: u64, place: Place) {
        self.cut(index);
        if self.places.is_empty() {
            self.first = index;
        }
        self.places.push_back(place);
    }

    /// Forgets all from this index on.
    pub(super) fn cut(&mut self, from: u64) {
        self.places.truncate(from.saturating_sub(self.first) as usize);
    }

    /// Forgets all up to this index.
    pub(super) fn purge(&mut self, upto: u64) {
        while self.places.front().is_some() && self.first <= upto {
            self.places.pop_front();
            self.first += 1;
        }
    }

    /// Those of a range that are there, with the first one's index.
    pub(in crate::storage::log) fn of(&self, range: Range<u64>) -> (u64, Vec<Place>) {
        let start = range.start.max(self.first);
        let skip = (start - self.first) as usize;
        let count = range.end.saturating_sub(start) as usize;
        (start, self.places.iter().skip(skip).take(count).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Place {
        Place { offset, bytes: 1 }
    }

    fn offsets(places: &Places, range: Range<u64>) -> (u64, Vec<u64>) {
        let (first, places) = places.of(range);
        (first, places.into_iter().map(|place| place.offset).collect())
    }

    #[test]
    fn entries_come_are_given_up_and_go() {
        let mut places = Places::default();
        for index in 5..10 {
            places.add(index, place(index * 10));
        }
        assert_eq!(offsets(&places, 0..99), (5, vec![50, 60, 70, 80, 90]));
        assert_eq!(offsets(&places, 6..8), (6, vec![60, 70]));
        places.add(8, place(800));
        assert_eq!(offsets(&places, 7..99), (7, vec![70, 800]));
        places.purge(6);
        assert_eq!(places.first(), Some((7, place(70))));
        places.cut(0);
        assert_eq!(places.first(), None);
        places.add(3, place(30));
        assert_eq!(offsets(&places, 0..99), (3, vec![30]));
        places.purge(99);
        assert_eq!(offsets(&places, 0..99).1, Vec::<u64>::new());
    }
}
