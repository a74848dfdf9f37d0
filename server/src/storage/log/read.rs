//! Reading the log: new entries from memory, old ones from the file.
//!
//! Guards that what is read is the log of one moment, without holes: nothing in
//! the file is overwritten while somebody reads, so that a purge or a truncation
//! meanwhile changes nothing. And that damage is never served: it poisons the
//! storage.

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

    /// As much of it as one append request carries. Nothing if it starts with
    /// entries that are purged: those behind them would follow on nothing.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<LogEntry>> {
        let entries = self.read_some(start..end, APPEND_BYTES_MAX)?;
        let in_place = entries.first().is_none_or(|entry| entry.log_id.index == start);
        Ok(if in_place { entries } else { Vec::new() })
    }

    /// What is to be applied: however much it is, only a part of it is in
    /// memory at once. What is not there yet is left out; none of the rest may
    /// be missing, or replicas would differ.
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
    /// All entries of `range` that are there.
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

    /// The first entries of `range`, at least one if there are any, within `bytes_max`.
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

    /// The first entries of `range`, and where the next part starts.
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
            _ => Err(self.damaged(range.start, "it is to be applied, and is not there")),
        }
    }

    fn file(&self) -> io::Result<Arc<LogFile>> {
        self.shared.poison.check()?;
        lock(&self.shared.file).clone().ok_or_else(closed)
    }

    /// Where the entries of a range lie. To be asked while the view is locked,
    /// which says that they are there: what left the view since may be gone.
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
        for (index, place) in (first..).zip(locations) {
            bytes.resize(place.bytes as usize, 0);
            file.read(place.offset, &mut bytes).map_err(|error| self.unreadable(error))?;
            let entry = match records::open(&bytes) {
                Ok((LogRecord::Entry(entry), _)) if entry.log_id.index == index => entry,
                Ok(_) => return Err(self.damaged(index, "something else is in its place")),
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
