//! The log in memory: its bounds, the vote, and its newest entries.
//!
//! Raft may read an entry as soon as `append` returns, before the writer has it
//! on disk. So the newest entries, including all that are not yet written, are
//! kept here as the *tail*: an index in the tail is read from it, an earlier one
//! from the file. The tail has no gaps and ends with the last entry. Pure: no
//! I/O.

use std::{collections::VecDeque, ops::Range};

use crate::raft_types::{LogEntry, LogId, Payload, Vote};

/// The most written entries that the tail keeps.
const TAIL_ENTRIES_MAX: usize = 8192;

/// The most bytes of commands that the tail keeps.
const TAIL_BYTES_MAX: usize = 32 << 20;

/// The log in memory.
#[derive(Debug, Default)]
pub(super) struct LogView {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    pub(super) purged: Option<LogId>,
    last: Option<LogId>,
    /// The index at which the log begins if nothing was purged: 0, except in
    /// openraft's tests, which begin anywhere.
    first: u64,
    tail: VecDeque<LogEntry>,
    tail_bytes: usize,
    /// All entries below this index are on disk.
    written: u64,
}

impl LogView {
    /// The view of a log that was just opened: all of it is on disk.
    pub(super) fn opened(
        vote: Option<Vote>,
        committed: Option<LogId>,
        purged: Option<LogId>,
        last: Option<LogId>,
    ) -> Self {
        let last = last.or(purged);
        let written = next(last.as_ref());
        Self { vote, committed, purged, last, written, ..Self::default() }
    }

    /// The last entry, which may be purged.
    pub(super) fn last(&self) -> Option<LogId> {
        self.last
    }

    /// The index of the next entry.
    pub(super) fn next_index(&self) -> u64 {
        next(self.last.as_ref())
    }

    /// Appends an entry. Fails with the expected index if it does not follow the
    /// last one.
    pub(super) fn push(&mut self, entry: LogEntry) -> Result<(), u64> {
        if self.last.is_some() && entry.log_id.index != self.next_index() {
            return Err(self.next_index());
        }
        if self.last.is_none() {
            self.first = entry.log_id.index;
        }
        self.last = Some(entry.log_id);
        self.tail_bytes += bytes(&entry);
        self.tail.push_back(entry);
        Ok(())
    }

    /// Removes all entries after `keep`.
    pub(super) fn truncate(&mut self, keep: Option<LogId>) {
        let from = next(keep.as_ref());
        if from >= self.next_index() {
            return;
        }
        while let Some(entry) = self.tail.pop_back_if(|entry| entry.log_id.index >= from) {
            self.tail_bytes -= bytes(&entry);
        }
        self.last = keep.or(self.purged);
        self.written = self.written.min(from);
    }

    /// Removes all entries up to `upto`.
    ///
    /// Compares indexes only: an uncommitted end of the log may be of a later
    /// term than the snapshot that replaces it.
    pub(super) fn purge(&mut self, upto: LogId) {
        while let Some(entry) = self.tail.pop_front_if(|entry| entry.log_id.index <= upto.index) {
            self.tail_bytes -= bytes(&entry);
        }
        if next(self.purged.as_ref()) <= upto.index {
            self.purged = Some(upto);
        }
        if self.next_index() <= upto.index + 1 {
            self.last = Some(upto);
        }
    }

    /// Records that `last` and all entries before it are on disk, and shortens
    /// the tail.
    ///
    /// After a truncation `push` may have added other entries, not yet written,
    /// under the same indexes. So this has no effect unless `last` is still in
    /// the tail.
    pub(super) fn wrote(&mut self, last: LogId) {
        let still_there = match self.tail.front().map(|entry| entry.log_id.index) {
            Some(first) if last.index >= first => {
                self.tail.get((last.index - first) as usize).is_some_and(|entry| entry.log_id == last)
            }
            _ => false,
        };
        if !still_there {
            return;
        }
        self.written = self.written.max(last.index + 1);
        while self.tail.len() > TAIL_ENTRIES_MAX || self.tail_bytes > TAIL_BYTES_MAX {
            let written = self.written;
            match self.tail.pop_front_if(|entry| entry.log_id.index < written) {
                Some(entry) => self.tail_bytes -= bytes(&entry),
                None => break,
            }
        }
    }

    /// Splits the existing part of `range` into the part in the file and the part
    /// in the tail.
    pub(super) fn split(&self, range: Range<u64>) -> (Range<u64>, Range<u64>) {
        let first = next(self.purged.as_ref()).max(self.first);
        let (start, end) = (range.start.max(first), range.end.min(self.next_index()));
        let tail_first = self.tail.front().map_or(self.next_index(), |entry| entry.log_id.index);
        (start..end.min(tail_first), start.max(tail_first)..end)
    }

    /// The entries of a range of the tail, in order: the first one, and those
    /// after it that fit into `bytes_max`.
    pub(super) fn tail(&self, range: Range<u64>, bytes_max: usize) -> Vec<LogEntry> {
        let Some(first) = self.tail.front().map(|entry| entry.log_id.index) else { return Vec::new() };
        let skip = range.start.saturating_sub(first) as usize;
        let mut budget = ReadBudget::new(bytes_max);
        let wanted = self.tail.iter().skip(skip).take_while(|entry| entry.log_id.index < range.end);
        wanted.take_while(|entry| budget.takes(entry)).cloned().collect()
    }
}

/// Limits the bytes of entries that one read returns. The first entry always
/// fits.
pub(super) struct ReadBudget {
    left: usize,
    empty: bool,
}

impl ReadBudget {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { left: bytes_max, empty: true }
    }

    /// Whether the entry fits. If so, it is counted.
    pub(super) fn takes(&mut self, entry: &LogEntry) -> bool {
        let bytes = bytes(entry);
        let fits = self.empty || bytes <= self.left;
        self.left = self.left.saturating_sub(bytes);
        self.empty = false;
        fits
    }
}

fn next(id: Option<&LogId>) -> u64 {
    id.map_or(0, |id| id.index + 1)
}

/// The approximate memory that an entry takes.
pub(super) fn bytes(entry: &LogEntry) -> usize {
    const OVERHEAD: usize = 64;
    OVERHEAD
        + match &entry.payload {
            Payload::Normal(proposal) => proposal.command.bytes(),
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use openraft::entry::RaftEntry;
    use proptest::prelude::*;

    use super::*;
    use crate::storage::record::LogIdRecord;

    fn entry(term: u64, index: u64) -> LogEntry {
        LogEntry::new(id(term, index), Payload::Blank)
    }

    fn id(term: u64, index: u64) -> LogId {
        LogIdRecord { term, index }.into()
    }

    fn indexes(view: &LogView, range: Range<u64>) -> (Range<u64>, Vec<u64>) {
        let (stored, tail) = view.split(range);
        let entries = view.tail(tail, usize::MAX);
        (stored, entries.iter().map(|entry| entry.log_id.index).collect())
    }

    #[test]
    fn what_is_not_written_is_read_from_memory() {
        let mut view = LogView::opened(None, None, Some(id(1, 2)), Some(id(1, 5)));
        assert_eq!(indexes(&view, 0..99), (3..6, vec![]));
        view.push(entry(1, 6)).expect("in place");
        view.push(entry(1, 7)).expect("in place");
        assert_eq!(indexes(&view, 4..99), (4..6, vec![6, 7]));
        assert_eq!(indexes(&view, 7..8).1, vec![7]);
        assert!(view.push(entry(1, 9)).is_err(), "a hole");
    }

    #[test]
    fn entries_that_replaced_others_do_not_count_as_written() {
        let mut view = LogView::opened(None, None, None, Some(id(1, 5)));
        view.push(entry(1, 6)).expect("in place");
        view.truncate(Some(id(1, 5)));
        view.push(entry(2, 6)).expect("in place");
        view.wrote(id(1, 6));
        assert_eq!(view.written, 6);
        view.wrote(id(2, 6));
        assert_eq!(view.written, 7);
    }

    #[test]
    fn a_log_that_is_purged_completely_continues_after_it() {
        let mut view = LogView::opened(None, None, None, None);
        view.purge(id(4, 100));
        assert_eq!((view.last(), view.next_index()), (Some(id(4, 100)), 101));
        assert_eq!(indexes(&view, 0..200), (101..101, vec![]));
        view.push(entry(4, 101)).expect("in place");
        assert_eq!(indexes(&view, 0..200).1, vec![101]);
    }

    /// A leader of term 5 wrote one entry that no other node has, while the
    /// others continued term 4's log under a leader of term 6.
    #[test]
    fn a_snapshot_replaces_an_end_of_a_later_term() {
        let mut view = LogView::opened(None, None, None, Some(id(5, 3)));
        view.purge(id(4, 10));
        assert_eq!((view.last(), view.purged), (Some(id(4, 10)), Some(id(4, 10))));
        view.push(entry(6, 11)).expect("in place");
        view.purge(id(4, 9));
        assert_eq!((view.last(), view.purged), (Some(id(6, 11)), Some(id(4, 10))));
    }

    proptest! {
        #[test]
        fn the_tail_ends_with_the_log_and_has_no_holes(steps in prop::collection::vec((0u8..4, 0u64..6), 0..80)) {
            let mut view = LogView::default();
            for (step, by) in steps {
                match step {
                    0 | 1 => { for _ in 0..by { view.push(entry(1, view.next_index())).expect("in place"); } }
                    2 => {
                        let keep = view.next_index().saturating_sub(by + 1).max(next(view.purged.as_ref()));
                        view.truncate(keep.checked_sub(1).map(|index| id(1, index)).max(view.purged));
                    }
                    _ => if let Some(last) = view.last() {
                        view.wrote(last);
                        view.purge(id(1, last.index.saturating_sub(by)).max(view.purged.unwrap_or(id(1, 0))));
                    }
                }
                let (stored, tail) = indexes(&view, 0..u64::MAX);
                let expected: Vec<u64> = (next(view.purged.as_ref())..view.next_index()).collect();
                prop_assert_eq!(stored.chain(tail).collect::<Vec<_>>(), expected);
            }
        }
    }
}
