//! Reading a log when it is opened: all of it once, before any is served.
//!
//! What a power cut leaves of a frame that was being written is left out: nobody
//! was told that it is durable. It can only be the last one, since a frame is
//! synced before the next one of its chunk is written. So anything else that is
//! not whole is damage: a frame before one that is whole, a chunk that is
//! missing, an entry out of its order.

use std::{collections::VecDeque, io};

use super::{
    Chunk, FileFault, LogFile,
    frame::{self, Frame},
    locations::{EntryLocation, EntryLocations},
};
use crate::storage::{
    log::records::{self, LogRecord, LogSummary},
    record::LogIdRecord,
};

/// Why a log cannot be used.
#[derive(Debug)]
pub(in crate::storage::log) enum LogFault {
    /// It is not what was written.
    Damage(String),
    /// It cannot be read.
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

/// What a log holds.
pub(super) struct ReplayedLog {
    pub(super) head: LogSummary,
    pub(super) locations: EntryLocations,
    pub(super) chunks: VecDeque<Chunk>,
    /// Where in the last chunk the next frame goes.
    pub(super) at: usize,
    /// Where in it the last frame starts.
    pub(super) last_frame: usize,
    /// The next frame's number.
    pub(super) number: u64,
}

/// What is known of a chunk from its first frame.
struct ChunkStart {
    chunk: Chunk,
    number: u64,
    head: LogSummary,
}

pub(super) fn replay(file: &LogFile) -> Result<ReplayedLog, LogFault> {
    let mut bytes = vec![0; file.chunk_bytes()];
    let starts = starts(file)?;
    let mut replay = Replay { found: None };
    for (n, start) in starts.iter().enumerate() {
        file.read(file.place(start.chunk.slot), &mut bytes)?;
        replay.chunk(file, start, &bytes, starts.get(n + 1))?;
    }
    let found = replay.found.ok_or_else(|| damage("it has no beginning"))?;
    check(&found)?;
    Ok(found)
}

fn damage(what: impl Into<String>) -> LogFault {
    LogFault::Damage(what.into())
}

/// The chunks that make up the log, oldest first: those of consecutive
/// sequences up to the highest, without those that hold purged entries only.
fn starts(file: &LogFile) -> Result<Vec<ChunkStart>, LogFault> {
    let mut bytes = vec![0; file.chunk_bytes().min(super::BEGIN_BYTES_MAX)];
    let mut starts = Vec::new();
    for slot in 0..file.chunks()? {
        file.read(file.place(slot), &mut bytes)?;
        starts.extend(start(&bytes, slot, file.place(slot)));
    }
    starts.sort_by_key(|start| start.chunk.sequence);
    let follows = |pair: &[ChunkStart]| pair[0].chunk.sequence + 1 == pair[1].chunk.sequence;
    let first = starts.windows(2).rposition(|pair| !follows(pair)).map_or(0, |gap| gap + 1);
    let purged = starts.last().and_then(|last| last.head.purged);
    let index = |id: Option<LogIdRecord>| id.map_or(0, |id| id.index + 1);
    let done_with = |start: &ChunkStart| index(start.head.last) <= index(purged);
    let needed = starts.iter().rposition(done_with).unwrap_or(0);
    Ok(starts.split_off(first.max(needed)))
}

fn start(bytes: &[u8], slot: usize, place: u64) -> Option<ChunkStart> {
    let frame = frame::open(bytes, 0, place)?;
    match records::open(&bytes[frame.records.clone()]).ok()? {
        (LogRecord::Begin(head), length) if length == frame.records.len() => {
            Some(ChunkStart { chunk: Chunk { slot, sequence: frame.sequence }, number: frame.number, head })
        }
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
        let place = file.place(start.chunk.slot);
        let found = self.found.get_or_insert_with(|| ReplayedLog {
            head: start.head.clone(),
            locations: EntryLocations::default(),
            chunks: VecDeque::new(),
            at: 0,
            last_frame: 0,
            number: start.number,
        });
        if start.number != found.number || start.head != found.head {
            return Err(damage(format!("what follows {} is missing", last(&found.head))));
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
                    None => {
                        Err(damage(format!("the part that goes on behind {} is missing", last(&found.head))))
                    }
                };
            }
            apply_all(found, bytes, &frame, place)?;
            (found.last_frame, found.at) = (found.at, frame.next());
            found.number += 1;
        }
        let (at, number) = (found.at + 1, found.number - 1);
        if next.is_none() && frame::any_later(bytes, at, place, start.chunk.sequence, number) {
            return Err(damage(format!("what follows {} does not match its checksum", last(&found.head))));
        }
        Ok(())
    }
}

fn last(head: &LogSummary) -> String {
    head.last.map_or_else(|| "the start of the log".to_owned(), |last| format!("log entry {}", last.index))
}

fn is_end(bytes: &[u8], frame: &Frame) -> bool {
    matches!(records::open(&bytes[frame.records.clone()]), Ok((LogRecord::Continued, _)))
}

fn apply_all(found: &mut ReplayedLog, chunk: &[u8], frame: &Frame, place: u64) -> Result<(), LogFault> {
    let mut at = frame.records.start;
    while at < frame.records.end {
        let fault =
            |error: records::RecordFault| damage(format!("what follows {}: {error}", last(&found.head)));
        let (record, length) = records::open(&chunk[at..frame.records.end]).map_err(fault)?;
        match &record {
            LogRecord::Begin(_) if found.at == 0 => {}
            LogRecord::Begin(_) | LogRecord::Continued => {
                return Err(damage("it begins or ends in its middle"));
            }
            LogRecord::Entry(entry) => {
                let id = LogIdRecord::from(&entry.log_id);
                check_order(found.head.last, id)?;
                found.head.last = Some(id);
                let place = EntryLocation { offset: place + at as u64, bytes: length as u32 };
                found.locations.add(id.index, place);
            }
            other => note(&mut found.head, &mut found.locations, other),
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

/// What a record that is no entry does to the log.
pub(super) fn note(head: &mut LogSummary, locations: &mut EntryLocations, record: &LogRecord) {
    let next = |id: Option<LogIdRecord>| id.map_or(0, |id| id.index + 1);
    match record {
        LogRecord::Vote(vote) => head.vote = Some(*vote),
        LogRecord::Committed(committed) => head.committed = Some(*committed),
        LogRecord::Truncate(keep) if next(*keep) < next(head.last) => {
            locations.cut(next(*keep));
            head.last = (*keep).or(head.purged);
        }
        LogRecord::Purge(upto) => {
            locations.purge(upto.index);
            if next(head.purged) <= upto.index {
                head.purged = Some(*upto);
            }
            // By index alone: an end that was never committed may be of a later
            // term than the snapshot that takes its place.
            if next(head.last) <= upto.index + 1 {
                head.last = Some(*upto);
            }
        }
        LogRecord::Truncate(_)
        | LogRecord::Begin(_)
        | LogRecord::Entry(_)
        | LogRecord::Closed
        | LogRecord::Continued => {}
    }
}

/// Whether all entries are there that should be, under a vote that was there before them.
fn check(found: &ReplayedLog) -> Result<(), LogFault> {
    let LogSummary { vote, purged, last, .. } = &found.head;
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

/// Openraft's own tests start a log anywhere: one whose first record is there says so.
fn starts_anywhere(found: &ReplayedLog) -> bool {
    found.chunks.front().is_some_and(|chunk| chunk.sequence == 1)
}
