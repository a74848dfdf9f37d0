//! The locations of all entries in the file. Pure.
//!
//! Chunks whose entries are durably applied may be *unread*: only the indexes of
//! their entries are known, from the beginnings of the chunks. Such a chunk is
//! read once one of its entries is.

use std::{collections::VecDeque, ops::Range};

use super::{
    Chunk,
    run::{EntryLocation, Run},
};
use crate::storage::record::LogIdRecord;

/// The locations of the entries, which are consecutive.
#[derive(Debug, Default)]
pub(in crate::storage::log) struct EntryLocations {
    /// Oldest first.
    old: VecDeque<OldChunk>,
    /// The entries after those.
    recent: Run,
}

/// A chunk that was not read at open.
#[derive(Debug)]
pub(super) struct OldChunk {
    pub(super) unread: UnreadChunk,
    /// Its offset in the file.
    pub(super) offset: u64,
    /// Its size.
    pub(super) bytes: u64,
    /// The indexes of its entries that still exist.
    pub(super) entries: Range<u64>,
    /// The last entry before the next chunk.
    pub(super) last: Option<LogIdRecord>,
    /// Its entries, once it was read.
    pub(super) run: Option<Run>,
}

/// A chunk to be read, and the one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage::log) struct UnreadChunk {
    pub(super) chunk: Chunk,
    pub(super) next: Chunk,
}

/// The result of a search.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::storage::log) enum Lookup {
    /// The first existing entries, and whether all of them were found: the others
    /// exceed the number of bytes.
    Found(Vec<(u64, EntryLocation)>, bool),
    /// This chunk must be read first.
    Unread(UnreadChunk),
}

impl OldChunk {
    fn bytes(&self) -> u64 {
        self.run.as_ref().map_or(self.bytes, Run::bytes)
    }
}

impl EntryLocations {
    /// The index of the first entry.
    pub(super) fn first(&self) -> Option<u64> {
        let old = self.old.front().map(|old| old.entries.start);
        old.or_else(|| self.recent.first().map(|(index, _)| index))
    }

    /// An offset in the chunk that completes the first entry, and whether this
    /// entry may have begun in the chunk before.
    pub(super) fn first_place(&self) -> Option<(u64, bool)> {
        let run = match self.old.front() {
            Some(OldChunk { run: None, offset, .. }) => return Some((*offset, true)),
            Some(OldChunk { run: Some(run), .. }) => run,
            None => &self.recent,
        };
        run.first().map(|(_, location)| (location.offset, location.first_part_bytes > 0))
    }

    /// Adds a chunk that is not read, after all others.
    pub(super) fn add_old(&mut self, chunk: OldChunk) {
        self.cut(chunk.entries.start);
        if !chunk.entries.is_empty() {
            self.old.push_back(chunk);
        }
    }

    /// Adds an entry. It replaces all entries from its index on.
    pub(super) fn add(&mut self, index: u64, location: EntryLocation) {
        self.cut(index);
        self.recent.add(index, location);
    }

    /// Removes all entries from this index on.
    pub(super) fn cut(&mut self, from: u64) {
        self.recent.cut(from);
        while self.old.pop_back_if(|old| old.entries.start >= from).is_some() {}
        if let Some(old) = self.old.back_mut().filter(|old| old.entries.end > from) {
            old.entries.end = from;
            old.run.iter_mut().for_each(|run| run.cut(from));
        }
    }

    /// Removes all entries up to this index.
    pub(super) fn purge(&mut self, upto: u64) {
        self.recent.purge(upto);
        while self.old.pop_front_if(|old| old.entries.end <= upto.saturating_add(1)).is_some() {}
        if let Some(old) = self.old.front_mut().filter(|old| old.entries.start <= upto) {
            old.entries.start = upto + 1;
            old.run.iter_mut().for_each(|run| run.purge(upto));
        }
    }

    /// The bytes of all entries; those of unread ones are estimated.
    pub(in crate::storage::log) fn bytes(&self) -> u64 {
        self.old.iter().map(OldChunk::bytes).sum::<u64>() + self.recent.bytes()
    }

    /// The last entry to purge so that the rest takes at most `keep_bytes`; `None`
    /// if all entries do.
    pub(in crate::storage::log) fn excess(&self, keep_bytes: u64) -> Option<u64> {
        let Some(mut left) = keep_bytes.checked_sub(self.recent.bytes()) else {
            return self.recent.excess(keep_bytes);
        };
        for old in self.old.iter().rev() {
            left = match (left.checked_sub(old.bytes()), &old.run) {
                (Some(left), _) => left,
                (None, Some(run)) => return run.excess(left),
                (None, None) => return old.entries.end.checked_sub(1),
            };
        }
        None
    }

    /// The existing entries of a range: the first one, and those after it until
    /// they have `bytes_max` bytes.
    pub(in crate::storage::log) fn of(&self, range: Range<u64>, bytes_max: usize) -> Lookup {
        let mut left = bytes_max as u64;
        let mut found = Vec::new();
        let overlaps = |old: &&OldChunk| old.entries.end > range.start && old.entries.start < range.end;
        let old = self.old.iter().filter(overlaps).map(|old| old.run.as_ref().ok_or(old.unread));
        for run in old.chain([Ok(&self.recent)]) {
            let run = match run {
                Ok(run) => run,
                Err(unread) => return Lookup::Unread(unread),
            };
            for (index, location) in run.from(range.start).take_while(|(index, _)| *index < range.end) {
                if !found.is_empty() && left == 0 {
                    return Lookup::Found(found, false);
                }
                left = left.saturating_sub(location.all_bytes());
                found.push((index, location));
            }
            if left == 0 {
                let complete = found.last().is_some_and(|(index, _)| index + 1 >= range.end);
                return Lookup::Found(found, complete);
            }
        }
        Lookup::Found(found, true)
    }

    /// Adds the entries of a chunk that was read now. Returns `false` if some of
    /// them are missing.
    pub(in crate::storage::log) fn learn(&mut self, unread: UnreadChunk, mut run: Run) -> bool {
        let Some(old) = self.old.iter_mut().find(|old| old.unread == unread) else { return true };
        run.cut(old.entries.end);
        if let Some(before) = old.entries.start.checked_sub(1) {
            run.purge(before);
        }
        let whole = run.first().map(|(first, _)| first) == Some(old.entries.start)
            && run.len() == old.entries.end - old.entries.start;
        if whole {
            old.run = Some(run);
        }
        whole
    }

    /// The entries after those of unread chunks.
    pub(super) fn into_recent(self) -> Run {
        self.recent
    }

    /// The last entries of unread chunks, as far as they are in the range.
    pub(in crate::storage::log) fn borders(&self, range: Range<u64>) -> Vec<LogIdRecord> {
        let last = self.old.iter().filter_map(|old| {
            let last = old.last?;
            (last.index + 1 == old.entries.end && range.contains(&last.index)).then_some(last)
        });
        last.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: u64 = 1000;

    fn old(number: u64, entries: Range<u64>) -> OldChunk {
        let chunk = |number: u64| Chunk { slot: number as usize, sequence: number };
        OldChunk {
            unread: UnreadChunk { chunk: chunk(number), next: chunk(number + 1) },
            offset: number * CHUNK,
            bytes: CHUNK,
            last: entries.end.checked_sub(1).map(|index| LogIdRecord { term: number, index }),
            entries,
            run: None,
        }
    }

    /// Entries 0..30 in three old chunks, and 30..40.
    fn locations() -> EntryLocations {
        let mut locations = EntryLocations::default();
        for number in 0..3 {
            locations.add_old(old(number, number * 10..number * 10 + 10));
        }
        (30..40).for_each(|index| locations.add(index, location(index)));
        locations
    }

    fn location(index: u64) -> EntryLocation {
        EntryLocation { offset: index * CHUNK / 10, bytes: 30, first_part_bytes: 20 }
    }

    fn run(entries: Range<u64>) -> Run {
        let mut run = Run::default();
        entries.for_each(|index| run.add(index, location(index)));
        run
    }

    fn unread(number: u64) -> UnreadChunk {
        old(number, 0..0).unread
    }

    fn indexes(lookup: Lookup) -> (Vec<u64>, bool) {
        match lookup {
            Lookup::Found(found, all) => (found.into_iter().map(|(index, _)| index).collect(), all),
            Lookup::Unread(unread) => panic!("{unread:?}"),
        }
    }

    #[test]
    fn an_old_chunk_is_read_when_one_of_its_entries_is() {
        let mut locations = locations();
        assert_eq!((locations.first(), locations.first_place()), (Some(0), Some((0, true))));
        assert_eq!(indexes(locations.of(32..35, usize::MAX)), (vec![32, 33, 34], true));
        assert_eq!(locations.of(18..35, usize::MAX), Lookup::Unread(unread(1)));
        assert!(locations.learn(unread(1), run(8..20)));
        assert_eq!(indexes(locations.of(18..99, 60)), (vec![18, 19], false), "the next chunk is not needed");
        assert_eq!(indexes(locations.of(18..20, 100)), (vec![18, 19], true));
        assert_eq!(locations.of(18..35, usize::MAX), Lookup::Unread(unread(2)));
        assert!(!locations.learn(unread(2), run(21..30)) && !locations.learn(unread(2), run(20..29)));
        assert!(locations.learn(unread(2), run(20..30)));
        assert_eq!(indexes(locations.of(18..35, usize::MAX)), ((18..35).collect(), true));
    }

    #[test]
    fn unread_chunks_are_cut_and_purged() {
        let mut locations = locations();
        locations.purge(14);
        assert_eq!((locations.first(), locations.first_place()), (Some(15), Some((1000, true))));
        assert_eq!(
            locations.borders(0..99),
            [LogIdRecord { term: 1, index: 19 }, LogIdRecord { term: 2, index: 29 }]
        );
        locations.cut(25);
        assert_eq!(locations.borders(0..99), [LogIdRecord { term: 1, index: 19 }]);
        locations.add(25, location(99));
        assert!(locations.learn(unread(2), run(20..30)));
        assert_eq!(indexes(locations.of(20..99, usize::MAX)), ((20..26).collect(), true));
        locations.cut(0);
        assert_eq!((locations.first(), locations.bytes()), (None, 0));
    }

    #[test]
    fn the_bytes_of_an_unread_chunk_are_its_size() {
        let mut locations = locations();
        assert_eq!(locations.bytes(), 3 * CHUNK + 500);
        assert_eq!(
            (locations.excess(3500), locations.excess(3499), locations.excess(499)),
            (None, Some(9), Some(30))
        );
        assert_eq!(locations.excess(1500), Some(19));
        assert!(locations.learn(unread(1), run(10..20)));
        assert_eq!((locations.bytes(), locations.excess(1600)), (2 * CHUNK + 1000, Some(17)));
    }
}
