//! Replays a log when it is opened: the part that the state still needs, before
//! any of it is served.
//!
//! Of older chunks, whose entries are all durably applied, only the beginnings are
//! read. They tell which entries a chunk holds. The first read of one of these
//! entries replays the chunk, with the same checks. The chunk of the first entry is
//! replayed, too: consensus reads this entry at every start.
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
    locations::{EntryLocations, Lookup, OldChunk, UnreadChunk},
    run::{EntryLocation, Run},
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
    /// A newer version of coffeed wrote it.
    Newer(String),
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

impl ReplayedLog {
    /// The log at the beginning of a chunk.
    fn at(start: &ChunkStart) -> Self {
        Self {
            summary: start.summary.clone(),
            locations: EntryLocations::default(),
            chunks: VecDeque::new(),
            at: 0,
            last_frame: 0,
            number: start.number,
        }
    }
}

/// Replays a log of which the entries up to `applied` are durably applied.
pub(super) fn replay(file: &LogFile, applied: Option<u64>) -> Result<ReplayedLog, LogFault> {
    let mut bytes = vec![0; file.chunk_bytes()];
    let starts = starts(file)?;
    // The chunk of the last applied entry and those after it are read.
    let begins_before = |start: &ChunkStart| Some(next(start.summary.last)) <= applied;
    let whole = starts.iter().rposition(begins_before).unwrap_or(0);
    let mut found = ReplayedLog::at(starts.get(whole).ok_or_else(|| damage("it has no beginning"))?);
    for pair in starts[..=whole].windows(2) {
        found.chunks.push_back(pair[0].chunk);
        found.locations.add_old(old_chunk(file, &pair[0], &pair[1])?);
    }
    if let Some(purged) = found.summary.purged {
        found.locations.purge(purged.index);
    }
    for (n, start) in starts.iter().enumerate().skip(whole) {
        file.read(file.offset_of(start.chunk.slot), &mut bytes)?;
        replay_chunk(&mut found, file, start, &bytes, starts.get(n + 1))?;
    }
    check(&found)?;
    check_first(&mut found, file)?;
    Ok(found)
}

/// A chunk, as far as it is known from its beginning and that of the next one.
fn old_chunk(file: &LogFile, start: &ChunkStart, following: &ChunkStart) -> Result<OldChunk, LogFault> {
    let (first, end) = (next(start.summary.last), next(following.summary.last));
    if following.number <= start.number {
        return Err(damage(format!("the part after {} is missing", last(&start.summary))));
    }
    let first = following.summary.truncated_from.map_or(first, |from| from.min(first));
    Ok(OldChunk {
        unread: UnreadChunk { chunk: start.chunk, next: following.chunk },
        offset: file.offset_of(start.chunk.slot),
        bytes: file.chunk_bytes() as u64,
        entries: first..end,
        last: following.summary.last,
        run: None,
    })
}

/// Reads the entries of a chunk that was not read at open. Call it while the log
/// is held for reading.
pub(in crate::storage::log) fn read_old(file: &LogFile, unread: UnreadChunk) -> Result<Run, LogFault> {
    let mut bytes = vec![0; file.chunk_bytes()];
    let start_of = |chunk: Chunk, bytes: &mut [u8]| {
        let place = file.offset_of(chunk.slot);
        file.read(place, bytes)?;
        let found = start(bytes, chunk.slot, place).filter(|found| found.chunk == chunk);
        found.ok_or_else(|| damage("the beginning of a chunk does not match its checksum"))
    };
    let begin_bytes = bytes.len().min(super::BEGIN_BYTES_MAX);
    let following = start_of(unread.next, &mut bytes[..begin_bytes])?;
    let start = start_of(unread.chunk, &mut bytes)?;
    let mut found = ReplayedLog::at(&start);
    replay_chunk(&mut found, file, &start, &bytes, Some(&following))?;
    check_follows(&found, &following)?;
    Ok(found.locations.into_recent())
}

fn damage(what: impl Into<String>) -> LogFault {
    LogFault::Damage(what.into())
}

/// The chunks of the log, oldest first: those with consecutive sequences up to
/// the highest, without those that hold purged entries only. The last of these is
/// kept: the first remaining entry may have begun there.
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
    let done_with = |start: &ChunkStart| next(start.summary.last) <= next(purged);
    let needed = starts.iter().rposition(done_with).unwrap_or(0);
    Ok(starts.split_off(first.max(needed.saturating_sub(1))))
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

fn check_follows(found: &ReplayedLog, start: &ChunkStart) -> Result<(), LogFault> {
    if start.number != found.number || start.summary != found.summary {
        return Err(damage(format!("the part after {} is missing", last(&found.summary))));
    }
    Ok(())
}

fn replay_chunk(
    found: &mut ReplayedLog,
    file: &LogFile,
    start: &ChunkStart,
    bytes: &[u8],
    next: Option<&ChunkStart>,
) -> Result<(), LogFault> {
    let place = file.offset_of(start.chunk.slot);
    check_follows(found, start)?;
    found.summary.truncated_from = None;
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
        return Err(damage(format!("the part after {} does not match its checksum", last(&found.summary))));
    }
    Ok(())
}

fn next(id: Option<LogIdRecord>) -> u64 {
    id.map_or(0, |id| id.index + 1)
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
        let fault = |error: records::RecordFault| {
            let what = format!("the part after {}: {error}", last(&found.summary));
            if error.is_newer() { LogFault::Newer(what) } else { damage(what) }
        };
        let (head, length) = records::open_head(&chunk[at..frame.records.end]).map_err(fault)?;
        match head {
            RecordHead::Other(LogRecord::Begin(_)) if found.at == 0 => {}
            RecordHead::FirstPart => {}
            RecordHead::Other(LogRecord::Begin(_) | LogRecord::Continued) => {
                return Err(damage("a chunk begins or ends in the middle"));
            }
            RecordHead::Entry(id) => add_entry(found, id, place + at as u64, (length, 0))?,
            RecordHead::SecondPart(id, first) => {
                add_entry(found, id, place + at as u64, (length, first.bytes))?;
            }
            RecordHead::Other(other) => note(&mut found.summary, &mut found.locations, &other),
        }
        at += length;
    }
    Ok(())
}

/// Adds an entry that is completed at `offset`; `bytes` are those of this record
/// and of the first part.
fn add_entry(
    found: &mut ReplayedLog,
    id: LogIdRecord,
    offset: u64,
    bytes: (usize, u32),
) -> Result<(), LogFault> {
    check_order(found.summary.last, id)?;
    found.summary.last = Some(id);
    let (bytes, first_part_bytes) = (bytes.0 as u32, bytes.1);
    found.locations.add(id.index, EntryLocation { offset, bytes, first_part_bytes });
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
    match record {
        LogRecord::Vote(vote) => summary.vote = Some(*vote),
        LogRecord::Committed(committed) => summary.committed = Some(*committed),
        LogRecord::Truncate(keep) if next(*keep) < next(summary.last) => {
            let from = next(*keep);
            locations.cut(from);
            summary.truncated_from = Some(summary.truncated_from.map_or(from, |before| before.min(from)));
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
    let next = next(*purged);
    match found.locations.first() {
        Some(first) if first > next && !(purged.is_none() && starts_anywhere(found)) => {
            Err(damage(format!("log entry {next}: it is missing")))
        }
        None if last.is_some_and(|last| last.index >= next) => {
            Err(damage(format!("log entry {next}: it is missing")))
        }
        _ => Ok(()),
    }
}

/// Reads the chunk of the first entry, and checks that the log has all of this entry.
/// Its first part may be all that is needed of a chunk. Where the beginning of that
/// chunk is damaged, its slot would be taken for a free one.
fn check_first(found: &mut ReplayedLog, file: &LogFile) -> Result<(), LogFault> {
    let Some(first) = found.locations.first() else { return Ok(()) };
    if let Lookup::Unread(unread) = found.locations.of(first..first + 1, usize::MAX)
        && !found.locations.learn(unread, read_old(file, unread)?)
    {
        return Err(damage(format!("log entry {first}: it is missing")));
    }
    let oldest = found.chunks.front().map(|chunk| chunk.slot);
    match found.locations.first_place() {
        Some((offset, true)) if Some(file.chunk_of(offset)) == oldest => {
            Err(damage(format!("log entry {first}: its first part is missing")))
        }
        _ => Ok(()),
    }
}

/// Openraft's own tests begin a log anywhere: such a log still has its first
/// chunk.
fn starts_anywhere(found: &ReplayedLog) -> bool {
    found.chunks.front().is_some_and(|chunk| chunk.sequence == 1)
}
