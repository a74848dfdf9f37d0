//! Reads the log: new entries from memory, old ones from the file.
//!
//! Guards that a read returns the log of one moment, without gaps: nothing in the
//! file is overwritten during a read, so a concurrent purge or truncation does
//! not affect it. And that damage is never served: it poisons the storage. That
//! holds for damage in old chunks, too, which are checked at their first read.

use std::{
    fmt::Debug,
    io,
    ops::{Bound, Range, RangeBounds, RangeInclusive},
    sync::Arc,
};

use coffee_common::limits::APPEND_BYTES_MAX;
use futures_util::{Stream, TryStreamExt, stream};
use openraft::{OptionalSend, storage::RaftLogReader};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task,
};

use super::{
    LogError, LogStore, closed, lock,
    records::{self, LogRecord, RecordFault},
    view::{LogView, ReadBudget},
    wal::{self, EntryLocation, LogFile, Lookup, UnreadChunk},
};
use crate::{
    raft_types::{LogEntry, LogId, TypeConfig, Vote},
    storage::poison::FailureKind,
};

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

    /// The last entry of each leader. The beginnings of chunks tell most of it, so
    /// hardly an old chunk is read for it.
    async fn get_key_log_ids(&mut self, range: RangeInclusive<LogId>) -> io::Result<Vec<LogId>> {
        let (first, last) = range.into_inner();
        let borders = lock(&self.shared.locations).borders(first.index + 1..last.index);
        let mut found = Vec::new();
        let mut before = first;
        for next in borders.into_iter().map(LogId::from).chain([last]) {
            self.last_of_leaders(before, next, &mut found)?;
            before = next;
        }
        found.push(last);
        Ok(found)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.view().vote)
    }
}

impl LogStore {
    /// All existing entries of `range`.
    fn read_all(&self, range: Range<u64>) -> io::Result<Vec<LogEntry>> {
        let (file, mut tail) = (self.file()?, Vec::new());
        let _pinned = file.reading();
        let stored = self.locate(&file, usize::MAX, |view| {
            let (stored, in_tail) = view.split(range.clone());
            tail = view.tail(in_tail, usize::MAX);
            stored
        })?;
        let mut entries = self.read_stored(&file, stored, usize::MAX)?;
        entries.extend(tail);
        Ok(entries)
    }

    /// The first entries of `range`, at least one if there are any, within
    /// `bytes_max`.
    fn read_some(&self, range: Range<u64>, bytes_max: usize) -> io::Result<Vec<LogEntry>> {
        let (file, mut tail) = (self.file()?, Vec::new());
        let _pinned = file.reading();
        let stored = self.locate(&file, bytes_max, |view| {
            let (stored, in_tail) = view.split(range.clone());
            if stored.is_empty() {
                tail = view.tail(in_tail, bytes_max);
            }
            stored
        })?;
        match stored.is_empty() {
            true => Ok(tail),
            false => self.read_stored(&file, stored, bytes_max),
        }
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

    /// The locations of the range of entries that `stored` selects, as far as they
    /// have `bytes_max` bytes. Reads the chunks of these entries that were not read
    /// yet.
    ///
    /// The range is selected and looked up while the view is locked, which says
    /// that its entries exist: entries that left the view may be gone.
    fn locate(
        &self,
        file: &LogFile,
        bytes_max: usize,
        mut stored: impl FnMut(&LogView) -> Range<u64>,
    ) -> io::Result<Vec<(u64, EntryLocation)>> {
        loop {
            let (range, found) = {
                let view = self.view();
                let range = stored(&view);
                if range.is_empty() {
                    return Ok(Vec::new());
                }
                (range.clone(), lock(&self.shared.locations).of(range, bytes_max))
            };
            match found {
                Lookup::Unread(unread) => self.read_chunk(file, unread, range.start)?,
                Lookup::Found(found, all) => {
                    let first = found.first().map_or(range.end, |(index, _)| *index);
                    let end = found.last().map_or(range.start, |(index, _)| index + 1);
                    return match () {
                        _ if first > range.start => Err(self.damaged(range.start, "it is missing")),
                        _ if all && end < range.end => Err(self.damaged(end, "it is missing")),
                        _ => Ok(found),
                    };
                }
            }
        }
    }

    /// Reads a chunk that was not read at open, with all its checks.
    fn read_chunk(&self, file: &LogFile, unread: UnreadChunk, index: u64) -> io::Result<()> {
        let run = blocking(|| wal::read_old(file, unread))
            .map_err(|fault| self.fail(&LogError::fault(&self.shared.name, fault)))?;
        match lock(&self.shared.locations).learn(unread, run) {
            true => Ok(()),
            false => Err(self.damaged(index, "it is missing")),
        }
    }

    fn read_stored(
        &self,
        file: &LogFile,
        locations: Vec<(u64, EntryLocation)>,
        bytes_max: usize,
    ) -> io::Result<Vec<LogEntry>> {
        let mut budget = ReadBudget::new(bytes_max);
        let mut entries = Vec::new();
        let (mut bytes, mut first) = (Vec::new(), Vec::new());
        for (index, location) in locations {
            let read = |offset, len: u32, bytes: &mut Vec<u8>| {
                bytes.resize(len as usize, 0);
                file.read(offset, bytes).map_err(|error| self.unreadable(error))
            };
            read(location.offset, location.bytes, &mut bytes)?;
            if location.first_part_bytes > 0 {
                let part = records::first_part(&bytes).map_err(|fault| self.unread(index, &fault))?;
                read(part.offset, location.first_part_bytes, &mut first)?;
                bytes = records::join(&first, &bytes).map_err(|fault| self.unread(index, &fault))?;
            }
            let entry = match records::open(&bytes) {
                Ok((LogRecord::Entry(entry), _)) if entry.log_id.index == index => entry,
                Ok(_) => return Err(self.damaged(index, "another record is in its place")),
                Err(fault) => return Err(self.unread(index, &fault)),
            };
            if !budget.takes(&entry) {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// The last entries of each leader between two entries, without the second one.
    fn last_of_leaders(&self, first: LogId, last: LogId, found: &mut Vec<LogId>) -> io::Result<()> {
        if first.leader_id == last.leader_id {
            return Ok(());
        }
        if first.index + 1 >= last.index {
            found.push(first);
            return Ok(());
        }
        let middle = first.index + (last.index - first.index) / 2;
        let entry = self.read_all(middle..middle + 1)?;
        let middle = entry.first().ok_or_else(|| self.damaged(middle, "it is missing"))?.log_id;
        self.last_of_leaders(first, middle, found)?;
        self.last_of_leaders(middle, last, found)
    }

    fn damaged(&self, index: u64, what: impl std::fmt::Display) -> io::Error {
        self.fail(&LogError::damaged(&self.shared.name, index, what))
    }

    fn unread(&self, index: u64, fault: &RecordFault) -> io::Error {
        self.fail(&LogError::record(&self.shared.name, index, fault))
    }

    fn unreadable(&self, error: io::Error) -> io::Error {
        self.fail(&LogError::fault(&self.shared.name, error))
    }

    fn fail(&self, error: &LogError) -> io::Error {
        match error {
            LogError::Damaged { .. } => self.shared.poison.set_damage(error),
            LogError::Newer { .. } => self.shared.poison.set_as(FailureKind::Newer, error),
            LogError::Io { .. } | LogError::Thread(_) => {
                self.shared.poison.set(format!("{error}; {}", error.hint()))
            }
        }
    }
}

/// Runs work that waits for the disk. The other tasks of the thread continue on
/// another one, if the runtime has several.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => task::block_in_place(work),
        _ => work(),
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
