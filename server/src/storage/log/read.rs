//! Reads the log: new entries from memory, old ones from the file.
//!
//! Guards that a read returns the log of one moment, without gaps: nothing in the
//! file is overwritten during a read, so a concurrent purge or truncation does
//! not affect it. And that damage is never served: it poisons the storage.

use std::{
    fmt::Debug,
    io,
    ops::{Bound, Range, RangeBounds},
    sync::Arc,
};

use coffee_common::limits::APPEND_BYTES_MAX;
use futures_util::{Stream, TryStreamExt, stream};
use openraft::{OptionalSend, storage::RaftLogReader};

use super::{
    LogError, LogStore, closed, lock,
    records::{self, LogRecord},
    view::ReadBudget,
    wal::{EntryLocation, LogFile},
};
use crate::raft_types::{LogEntry, TypeConfig, Vote};

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<LogEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.read_all(to_range(&range))
    }

    /// Returns as many entries as fit into one append request. Returns none if
    /// the first ones are purged: the others would not follow anything.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<LogEntry>> {
        let entries = self.read_some(start..end, APPEND_BYTES_MAX)?;
        let follows = entries.first().is_none_or(|entry| entry.log_id.index == start);
        Ok(if follows { entries } else { Vec::new() })
    }

    /// Streams entries to be applied. Only a part of them is in memory at once.
    /// Entries that do not exist yet are left out; a missing one among the rest
    /// is an error, otherwise replicas would diverge.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<LogEntry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (log, Range { start, end }) = (self.clone(), to_range(&range));
        let end = end.min(self.view().next_index());
        let parts = stream::try_unfold(start, move |start| {
            let part = if start < end { log.read_part(start..end).map(Some) } else { Ok(None) };
            async { part }
        });
        parts.try_flatten()
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.view().vote)
    }
}

impl LogStore {
    /// All existing entries of `range`.
    fn read_all(&self, range: Range<u64>) -> io::Result<Vec<LogEntry>> {
        let file = self.file()?;
        let _pinned = file.reading();
        let (stored, tail) = {
            let view = self.view();
            let (stored, tail) = view.split(range);
            (self.locations(stored), view.tail(tail, usize::MAX))
        };
        let mut entries = self.read_stored(&file, stored?, usize::MAX)?;
        entries.extend(tail);
        Ok(entries)
    }

    /// The first entries of `range`, at least one if there are any, within
    /// `bytes_max`.
    fn read_some(&self, range: Range<u64>, bytes_max: usize) -> io::Result<Vec<LogEntry>> {
        let file = self.file()?;
        let _pinned = file.reading();
        let stored = {
            let view = self.view();
            let (stored, tail) = view.split(range);
            if stored.is_empty() {
                return Ok(view.tail(tail, bytes_max));
            }
            self.locations(stored)?
        };
        self.read_stored(&file, stored, bytes_max)
    }

    /// The first entries of `range`, and the start of the next part.
    fn read_part(
        &self,
        range: Range<u64>,
    ) -> io::Result<(impl Stream<Item = io::Result<LogEntry>> + use<>, u64)> {
        let entries = self.read_some(range.clone(), APPEND_BYTES_MAX)?;
        match (entries.first(), entries.last()) {
            (Some(first), Some(last)) if first.log_id.index == range.start => {
                let next = last.log_id.index + 1;
                Ok((stream::iter(entries.into_iter().map(Ok)), next))
            }
            _ => Err(self.damaged(range.start, "it must be applied, but is missing")),
        }
    }

    fn file(&self) -> io::Result<Arc<LogFile>> {
        self.shared.poison.check()?;
        lock(&self.shared.file).clone().ok_or_else(closed)
    }

    /// The locations of a range of entries. Call it while the view is locked,
    /// which says that they exist: entries that left the view may be gone.
    fn locations(&self, range: Range<u64>) -> io::Result<(u64, Vec<EntryLocation>)> {
        let (first, locations) = lock(&self.shared.locations).of(range.clone());
        let missing = match locations.len() as u64 {
            _ if range.is_empty() => return Ok((range.start, Vec::new())),
            _ if first > range.start => range.start,
            count if first + count < range.end => first + count,
            _ => return Ok((first, locations)),
        };
        Err(self.damaged(missing, "it is missing"))
    }

    fn read_stored(
        &self,
        file: &LogFile,
        (first, locations): (u64, Vec<EntryLocation>),
        bytes_max: usize,
    ) -> io::Result<Vec<LogEntry>> {
        let mut budget = ReadBudget::new(bytes_max);
        let mut entries = Vec::new();
        let mut bytes = Vec::new();
        for (index, location) in (first..).zip(locations) {
            bytes.resize(location.bytes as usize, 0);
            file.read(location.offset, &mut bytes).map_err(|error| self.unreadable(error))?;
            let entry = match records::open(&bytes) {
                Ok((LogRecord::Entry(entry), _)) if entry.log_id.index == index => entry,
                Ok(_) => return Err(self.damaged(index, "another record is in its place")),
                Err(error) => return Err(self.damaged(index, error)),
            };
            if !budget.takes(&entry) {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn damaged(&self, index: u64, what: impl std::fmt::Display) -> io::Error {
        self.fail(&LogError::damaged(&self.shared.name, index, what))
    }

    fn unreadable(&self, error: io::Error) -> io::Error {
        self.fail(&LogError::fault(&self.shared.name, error))
    }

    fn fail(&self, error: &LogError) -> io::Error {
        self.shared.poison.set(format!("{error}; {}", error.hint()))
    }
}

fn to_range(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(&index) => index,
        Bound::Excluded(&index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&index) => index.saturating_add(1),
        Bound::Excluded(&index) => index,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}
