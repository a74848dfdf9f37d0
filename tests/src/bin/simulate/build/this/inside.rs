//! Examines a node's disk between two steps: what would survive a power cut.
//!
//! Reads copies of the durable images, with the server's own code for a start after a power cut.

use std::{
    collections::BTreeSet,
    fmt, io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use coffee_tests::sim::observation::{Inside, LogLine};
use openraft::storage::{RaftLogReader, RaftLogStorage};
use redb::{Builder, Database, DatabaseError, StorageBackend, backends::InMemoryBackend};

use super::{
    common::{command::Command, id::NodeId},
    daemon::{
        raft_types::{LogEntry, Payload},
        storage::{
            durable_index::DurableIndex,
            log::LogStore,
            poison::Poison,
            record::{self, EntryRecord, PayloadRecord, VoteRecord},
            state::{Offload, StateFiles, StateOptions},
            state_machine::StateMachine,
        },
    },
};
use crate::{
    disk::{SimDisk, log_name, state_name},
    entropy::mix,
};

/// Examines the disk of the node `id`.
pub(crate) fn look(disk: &SimDisk, id: u64) -> Result<Inside, String> {
    let (log, purged, voted) = read_log(disk, id).map_err(|error| format!("the log of {id}: {error}"))?;
    let (durably_applied, durable_level) =
        read_state(disk, id).map_err(|error| format!("the state of {id}: {error}"))?;
    Ok(Inside { log, voted, purged, durably_applied, durable_level, ..Inside::default() })
}

type LogContents = (Vec<LogLine>, u64, u64);

/// Returns the entries, the purged index, and the term of the vote.
fn read_log(disk: &SimDisk, id: u64) -> Result<LogContents, Box<dyn std::error::Error>> {
    let Some(backend) = copy(disk, &log_name(id))? else { return Ok(LogContents::default()) };
    let mut log = LogStore::open_inline(Box::new(backend), DurableIndex::new(), Poison::new())?;
    let purged = now(log.get_log_state())?.last_purged_log_id.map_or(0, |purged| purged.index);
    let voted = now(log.read_vote())?.map_or(0, |vote| VoteRecord::from(&vote).leader.term);
    let entries = now(log.try_get_log_entries(0..u64::MAX))?;
    let lines = entries.iter().map(line).collect::<Result<_, _>>()?;
    Ok((lines, purged, voted))
}

fn line(entry: &LogEntry) -> Result<LogLine, record::RecordError> {
    let record = EntryRecord::from(entry);
    let bytes = record::encode(&record)?;
    let voters = match &record.payload {
        PayloadRecord::Membership(membership) => Some(membership.voters.iter().map(ids).collect()),
        PayloadRecord::Blank | PayloadRecord::Normal(_) => None,
    };
    let hash = bytes.chunks(8).fold(0, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash ^ u64::from_le_bytes(word))
    });
    let command = match &entry.payload {
        Payload::Normal(proposal) => Some(&proposal.command),
        Payload::Blank | Payload::Membership(_) => None,
    };
    let raises = match command {
        Some(Command::RaiseLevel(level)) => level.0,
        _ => 0,
    };
    let needs = command.map_or(0, |command| command.level().0);
    Ok(LogLine { index: record.log_id.index, term: record.log_id.term, hash, voters, needs, raises })
}

fn ids(set: &BTreeSet<NodeId>) -> Vec<u64> {
    set.iter().map(|id| id.0).collect()
}

/// Returns the last durably applied entry, and the feature level as of it.
fn read_state(disk: &SimDisk, id: u64) -> Result<(u64, u32), Box<dyn std::error::Error>> {
    let Some(backend) = copy(disk, &state_name(id))? else { return Ok((0, 0)) };
    let database = Builder::new().create_with_backend(backend)?;
    let files = Arc::new(Copied { database: Mutex::new(Some(database)) });
    let options = StateOptions { offload: Offload::Inline, ..StateOptions::default() };
    let state = StateMachine::open(files, options, DurableIndex::new(), Poison::new())?;
    let state = state.reader();
    Ok((state.hash()?.0.map_or(0, |last| last.index), state.level().0))
}

/// Copies what would survive a power cut of a file.
fn copy(disk: &SimDisk, name: &str) -> io::Result<Option<InMemoryBackend>> {
    let Some(image) = disk.durable(name).filter(|image| !image.is_empty()) else { return Ok(None) };
    let backend = InMemoryBackend::new();
    backend.set_len(image.len() as u64)?;
    backend.write(0, &image)?;
    Ok(Some(backend))
}

/// A copied state: it can be opened, and nothing else.
struct Copied {
    database: Mutex<Option<Database>>,
}

impl fmt::Debug for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Copied")
    }
}

impl StateFiles for Copied {
    fn name(&self) -> String {
        "a copy".to_owned()
    }

    fn open(&self, _: &Builder) -> Result<Database, DatabaseError> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner).take();
        database.ok_or_else(|| no("opened twice").into())
    }

    fn create_scratch(&self, _: u64, _: &Builder) -> Result<Database, DatabaseError> {
        Err(no("scratch").into())
    }

    fn install(&self, _: u64) -> io::Result<()> {
        Err(no("install"))
    }

    fn discard(&self, _: u64) -> io::Result<()> {
        Err(no("discard"))
    }

    fn discard_all(&self) -> io::Result<()> {
        Ok(())
    }
}

fn no(what: &str) -> io::Error {
    io::Error::other(format!("{what}: a copy is read-only"))
}

/// Returns the result of a future that is always ready.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("an inline log never waits"),
    }
}
