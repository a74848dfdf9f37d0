//! Replays a log when it is opened: all of it once, before any of it is served.
//!
//! A frame that was being written when the power went is dropped: it was never
//! reported durable. It can only be the last one, because a frame is synced
//! before the next one of its chunk is written. Anything else that is incomplete
//! is damage: a bad frame before a complete one, a missing chunk, an entry out of
//! order.

use std::{collections::VecDeque, io};

use super::{
    Chunk, FileFault, LogFile,
    frame::{self, Frame},
    locations::{EntryLocation, EntryLocations},
};
use crate::storage::{
    log::records::{self, LogRecord, LogSummary, RecordHead},
    record::LogIdRecord,
};

/// Why a log cannot be used.
#[derive(Debug)]
pub(in crate::storage::log) enum LogFault {
    /// It does not hold what was written.
    Damage(String),
    /// It cannot be read or written.
    Io(io::Error),
}

impl From<io::Error> for LogFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FileFault> for LogFault {
    fn from(fault: FileFault) -> Self {
        match fault {
            FileFault::Io(error) => Self::Io(error),
            other => Self::Damage(other.to_string()),
        }
    }
}

/// The content of a log.
pub(super) struct ReplayedLog {
    pub(super) summary: LogSummary,
    pub(super) locations: EntryLocations,
    pub(super) chunks: VecDeque<Chunk>,
    /// The offset of the next frame in the last chunk.
    pub(super) at: usize,
    /// The offset of the last frame.
    pub(super) last_frame: usize,
    /// The number of the next frame.
    pub(super) number: u64,
}

/// The first frame of a chunk.
struct ChunkStart {
    chunk: Chunk,
    number: u64,
    summary: LogSummary,
}

pub(super) fn replay(file: &LogFile) -> Result<ReplayedLog, LogFault> {
    let mut bytes = vec![0; file.chunk_bytes()];
    let starts = starts(file)?;
    let mut replay = Replay { found: None };
    for (n, start) in starts.iter().enumerate() {
        file.read(file.offset_of(start.chunk.slot), &mut bytes)?;
        replay.chunk(file, start, &bytes, starts.get(n + 1))?;
    }
    let found = replay.found.ok_or_else(|| damage("it has no beginning"))?;
    check(&found)?;
    Ok(found)
}

fn damage(what: impl Into<String>) -> LogFault {
    LogFault::Damage(what.into())
}

/// The chunks of the log, oldest first: those with consecutive sequences up to
/// the highest, without those that hold purged entries only.
fn starts(file: &LogFile) -> Result<Vec<ChunkStart>, LogFault> {
    let mut bytes = vec![0; file.chunk_bytes().min(super::BEGIN_BYTES_MAX)];
    let mut starts = Vec::new();
    for slot in 0..file.chunks()? {
        file.read(file.offset_of(slot), &mut bytes)?;
        starts.extend(start(&bytes, slot, file.offset_of(slot)));
    }
    starts.sort_by_key(|start| start.chunk.sequence);
    let follows = |pair: &[ChunkStart]| pair[0].chunk.sequence + 1 == pair[1].chunk.sequence;
    let first = starts.windows(2).rposition(|pair| !follows(pair)).map_or(0, |gap| gap + 1);
    let purged = starts.last().and_then(|last| last.summary.purged);
    let index = |id: Option<LogIdRecord>| id.map_or(0, |id| id.index + 1);
    let done_with = |start: &ChunkStart| index(start.summary.last) <= index(purged);
    let needed = starts.iter().rposition(done_with).unwrap_or(0);
    Ok(starts.split_off(first.max(needed)))
}

fn start(bytes: &[u8], slot: usize, place: u64) -> Option<ChunkStart> {
    let frame = frame::open(bytes, 0, place)?;
    match records::open(&bytes[frame.records.clone()]).ok()? {
        (LogRecord::Begin(head), length) if length == frame.records.len() => Some(ChunkStart {
            chunk: Chunk { slot, sequence: frame.sequence },
            number: frame.number,
            summary: head,
        }),
        _ => None,
    }
}

struct Replay {
    found: Option<ReplayedLog>,
}

impl Replay {
    fn chunk(
        &mut self,
        file: &LogFile,
        start: &ChunkStart,
        bytes: &[u8],
        next: Option<&ChunkStart>,
    ) -> Result<(), LogFault> {
        let place = file.offset_of(start.chunk.slot);
        let found = self.found.get_or_insert_with(|| ReplayedLog {
            summary: start.summary.clone(),
            locations: EntryLocations::default(),
            chunks: VecDeque::new(),
            at: 0,
            last_frame: 0,
            number: start.number,
        });
        if start.number != found.number || start.summary != found.summary {
            return Err(damage(format!("the part after {} is missing", last(&found.summary))));
        }
        found.chunks.push_back(start.chunk);
        found.at = 0;
        loop {
            let frame = frame::open(bytes, found.at, place)
                .filter(|frame| frame.sequence == start.chunk.sequence && frame.number == found.number);
            let Some(frame) = frame else { break };
            if is_end(bytes, &frame) {
                return match next {
                    Some(_) => Ok(()),
                    None => Err(damage(format!("the part after {} is missing", last(&found.summary)))),
                };
            }
            apply_all(found, bytes, &frame, place)?;
            (found.last_frame, found.at) = (found.at, frame.next());
            found.number += 1;
        }
        let (at, number) = (found.at + 1, found.number - 1);
        if next.is_none() && frame::any_later(bytes, at, place, start.chunk.sequence, number) {
            return Err(damage(format!(
                "the part after {} does not match its checksum",
                last(&found.summary)
            )));
        }
        Ok(())
    }
}

fn last(summary: &LogSummary) -> String {
    summary.last.map_or_else(|| "the start of the log".to_owned(), |last| format!("log entry {}", last.index))
}

fn is_end(bytes: &[u8], frame: &Frame) -> bool {
    matches!(records::open(&bytes[frame.records.clone()]), Ok((LogRecord::Continued, _)))
}

fn apply_all(found: &mut ReplayedLog, chunk: &[u8], frame: &Frame, place: u64) -> Result<(), LogFault> {
    let mut at = frame.records.start;
    while at < frame.records.end {
        let fault =
            |error: records::RecordFault| damage(format!("the part after {}: {error}", last(&found.summary)));
        let (head, length) = records::open_head(&chunk[at..frame.records.end]).map_err(fault)?;
        match head {
            RecordHead::Other(LogRecord::Begin(_)) if found.at == 0 => {}
            RecordHead::Other(LogRecord::Begin(_) | LogRecord::Continued) => {
                return Err(damage("a chunk begins or ends in the middle"));
            }
            RecordHead::Entry(id) => {
                check_order(found.summary.last, id)?;
                found.summary.last = Some(id);
                let place = EntryLocation { offset: place + at as u64, bytes: length as u32 };
                found.locations.add(id.index, place);
            }
            RecordHead::Other(other) => note(&mut found.summary, &mut found.locations, &other),
        }
        at += length;
    }
    Ok(())
}

fn check_order(last: Option<LogIdRecord>, id: LogIdRecord) -> Result<(), LogFault> {
    match last {
        Some(last) if last.index + 1 != id.index => {
            Err(damage(format!("log entry {}: it is missing", last.index + 1)))
        }
        Some(last) if last.term > id.term => {
            Err(damage(format!("log entry {}: it is of an earlier term than the one before", id.index)))
        }
        _ => Ok(()),
    }
}

/// Applies a record that is not an entry.
pub(super) fn note(summary: &mut LogSummary, locations: &mut EntryLocations, record: &LogRecord) {
    let next = |id: Option<LogIdRecord>| id.map_or(0, |id| id.index + 1);
    match record {
        LogRecord::Vote(vote) => summary.vote = Some(*vote),
        LogRecord::Committed(committed) => summary.committed = Some(*committed),
        LogRecord::Truncate(keep) if next(*keep) < next(summary.last) => {
            locations.cut(next(*keep));
            summary.last = (*keep).or(summary.purged);
        }
        LogRecord::Purge(upto) => {
            locations.purge(upto.index);
            if next(summary.purged) <= upto.index {
                summary.purged = Some(*upto);
            }
            // Compares indexes only: an uncommitted end may be of a later term than the snapshot
            // that replaces it.
            if next(summary.last) <= upto.index + 1 {
                summary.last = Some(*upto);
            }
        }
        LogRecord::Truncate(_)
        | LogRecord::Begin(_)
        | LogRecord::Entry(_)
        | LogRecord::Closed
        | LogRecord::Continued => {}
    }
}

/// Checks that no entry is missing, and that the vote is as late as the entries.
fn check(found: &ReplayedLog) -> Result<(), LogFault> {
    let LogSummary { vote, purged, last, .. } = &found.summary;
    let term = vote.map_or(0, |vote| vote.leader.term);
    if let Some(last) = last.filter(|last| last.term > term) {
        let last = crate::raft_types::LogId::from(last);
        return Err(damage(format!("the vote is for term {term}, but the log goes up to {last}")));
    }
    let next = purged.map_or(0, |purged| purged.index + 1);
    match found.locations.first() {
        Some((first, _)) if first > next && !(purged.is_none() && starts_anywhere(found)) => {
            Err(damage(format!("log entry {next}: it is missing")))
        }
        None if last.is_some_and(|last| last.index >= next) => {
            Err(damage(format!("log entry {next}: it is missing")))
        }
        _ => Ok(()),
    }
}

/// Openraft's own tests begin a log anywhere: such a log still has its first
/// chunk.
fn starts_anywhere(found: &ReplayedLog) -> bool {
    found.chunks.front().is_some_and(|chunk| chunk.sequence == 1)
}
