//! Applies entries in batches of all that are available.
//!
//! Guards the order: apply, wake readers, answer.

use std::{io, time::Duration};

use coffee_common::{
    command::{Command, MemberState, NodeRecord, Outcome},
    id::Revision,
    protocol::ReplicaDigest,
};
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt};
use openraft::storage::{ApplyResponder, EntryResponder};
use tokio::time::Instant;

use super::{StateMachine, digest_history::DigestHistory, watched::WatchedState};
use crate::{
    kv::{self, ChangedKey, KvError, RequestMemory, RowHeads, Store, Tables},
    raft_types::{LogEntry, LogId, Payload, SnapshotMeta, StoredMembership, TypeConfig},
    storage::state::{Database, Offload, StateError, StateErrorKind, write_applied, write_membership},
};

/// The most entries per batch: while a batch is applied, the task occupies its
/// thread, and readers wait.
const BATCH_ENTRIES_MAX: usize = 512;

/// The size from which a batch takes no more entries, in bytes of keys and
/// values.
const BATCH_BYTES: usize = 1 << 20;

/// How long the disk is read for a batch before other tasks of the thread may run.
const OCCUPIED_MAX: Duration = Duration::from_millis(2);

/// Entries that are applied together, and their responders.
#[derive(Default)]
pub(super) struct ApplyBatch {
    entries: Vec<LogEntry>,
    responders: Vec<Option<ApplyResponder<TypeConfig>>>,
    bytes: usize,
    /// About how many bytes are moved when it is applied.
    cost: usize,
}

impl ApplyBatch {
    /// Whether it takes no more entries.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= BATCH_ENTRIES_MAX || self.cost >= BATCH_BYTES
    }

    fn push(&mut self, (entry, responder): EntryResponder<TypeConfig>) {
        if let Payload::Normal(proposal) = &entry.payload {
            self.bytes += proposal.command.bytes();
            self.cost += proposal.command.cost();
        }
        self.entries.push(entry);
        self.responders.push(responder);
    }
}

/// Waits for an entry, and adds the entries that are already available after it.
pub(super) async fn gather<S>(entries: &mut S) -> io::Result<Option<ApplyBatch>>
where
    S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin,
{
    let Some(first) = entries.try_next().await? else { return Ok(None) };
    let mut batch = ApplyBatch::default();
    batch.push(first);
    while !batch.is_full() {
        match entries.next().now_or_never() {
            Some(Some(next)) => batch.push(next?),
            Some(None) | None => break,
        }
    }
    Ok(Some(batch))
}

impl StateMachine {
    /// Applies a batch, and answers its entries once all are applied.
    pub(super) async fn apply_batch(&mut self, batch: ApplyBatch) -> io::Result<()> {
        self.shared.poison().check()?;
        self.shared.make_room(self.meta.last_membership.membership(), batch.bytes).await?;
        let database = self.shared.database();
        self.bytes_since_snapshot = self.bytes_since_snapshot.saturating_add(batch.bytes);
        let heads = read_heads(&database, &batch.entries, self.shared.offload()).await?;
        let (memory, meta) = (&mut self.memory, &mut self.meta);
        let waiters = self.shared.waiters();
        let AppliedEntries { outcomes, digests, changed } =
            apply_entries(&database, memory, meta, &batch.entries, heads, waiters.any())?;
        self.shared.add_digests(digests);
        self.shared.note_memory(&self.memory);
        self.shared.note_size()?;
        if let Some(last) = &self.meta.last_log_id {
            self.shared.note_applied(last.index);
            if waiters.any() {
                waiters.tell(changed.as_deref(), Revision(last.index));
            }
        }
        if batch.entries.iter().filter_map(command).any(WatchedState::may_change_by) {
            self.shared.note_watched()?;
        }
        for (responder, outcome) in batch.responders.into_iter().zip(outcomes) {
            if let Some(responder) = responder {
                responder.send(outcome);
            }
        }
        Ok(())
    }
}

fn command(entry: &LogEntry) -> Option<&Command> {
    match &entry.payload {
        Payload::Normal(proposal) => Some(&proposal.command),
        _ => None,
    }
}

/// Reads the headers of the rows that a batch replaces, so the disk is not read
/// while the state is locked. Gives the thread back from time to time.
async fn read_heads<'e>(
    database: &Database,
    entries: &'e [LogEntry],
    offload: Offload,
) -> Result<RowHeads<'e>, StateError> {
    let batches = entries.iter().filter_map(command).filter_map(|command| match command {
        Command::Batch(batch) => Some(batch.keys()),
        _ => None,
    });
    let transactions = entries.iter().filter_map(command).filter_map(|command| match command {
        Command::Transaction(transaction) => Some(transaction.keys()),
        _ => None,
    });
    let keys = batches.flatten().chain(transactions.flatten());
    let mut reading = database.store()?.begin_heads(keys);
    let mut since = Instant::now();
    while reading.read_next().map_err(|error| database.fail(error))? {
        if offload != Offload::Inline && since.elapsed() >= OCCUPIED_MAX {
            tokio::task::yield_now().await;
            since = Instant::now();
        }
    }
    Ok(reading.finish())
}

/// The results of applying entries.
pub(super) struct AppliedEntries {
    outcomes: Vec<Outcome>,
    digests: Vec<ReplicaDigest>,
    /// The keys that were changed, if they were wanted.
    changed: Option<Vec<ChangedKey>>,
}

/// Applies entries as a whole, in memory. Notes the changed keys if someone waits for changes.
pub(super) fn apply_entries(
    database: &Database,
    memory: &mut RequestMemory,
    meta: &mut SnapshotMeta,
    entries: &[LogEntry],
    heads: RowHeads<'_>,
    note_changes: bool,
) -> Result<AppliedEntries, StateError> {
    let mut store = database.store_mut()?;
    // Poisons the storage before the lock is released: no reader sees half a
    // batch.
    let applied = apply_to(&mut store, memory, meta, entries, heads, note_changes);
    let applied = applied.map_err(|error| database.fail(error))?;
    if let Some(last) = &meta.last_log_id {
        database.set_as_of(&mut store, last.index);
    }
    Ok(applied)
}

fn apply_to(
    store: &mut Store,
    memory: &mut RequestMemory,
    meta: &mut SnapshotMeta,
    entries: &[LogEntry],
    heads: RowHeads<'_>,
    note_changes: bool,
) -> Result<AppliedEntries, StateErrorKind> {
    let mut tables = Tables::open(store, memory)?.with_heads(heads).noting_changes(note_changes);
    let mut outcomes = Vec::with_capacity(entries.len());
    let mut digests = Vec::new();
    for entry in entries {
        check_order(meta.last_log_id.as_ref(), &entry.log_id)?;
        outcomes.push(apply_entry(&mut tables, meta, entry)?);
        meta.last_log_id = Some(entry.log_id);
        if DigestHistory::is_due(entry.log_id.index) {
            let (at, level) = (Revision(entry.log_id.index), tables.level()?);
            digests.push(ReplicaDigest { at, sum: tables.digest().sum, level });
        }
    }
    if let Some(last) = &meta.last_log_id {
        write_applied(&mut tables, last)?;
    }
    let changed = tables.take_changed();
    tables.finish();
    Ok(AppliedEntries { outcomes, digests, changed })
}

/// Guards that entries are applied in order and once. Gaps are the log's to
/// detect, which knows what was purged.
fn check_order(last: Option<&LogId>, next: &LogId) -> Result<(), StateErrorKind> {
    match last {
        Some(last) if next.index <= last.index => {
            Err(StateErrorKind::OutOfOrder(format!("entry {next} cannot be applied after {last}")))
        }
        _ => Ok(()),
    }
}

fn apply_entry(
    tables: &mut Tables<'_>,
    meta: &mut SnapshotMeta,
    entry: &LogEntry,
) -> Result<Outcome, StateErrorKind> {
    match &entry.payload {
        Payload::Blank => Ok(Outcome::Nothing),
        Payload::Normal(proposal) => Ok(kv::apply(tables, Revision(entry.log_id.index), proposal)?),
        Payload::Membership(membership) => {
            meta.last_membership = StoredMembership::new(Some(entry.log_id), membership.clone());
            write_membership(tables, &meta.last_membership)?;
            kv::begin_level(tables)?;
            introduce_members(tables, &meta.last_membership)?;
            Ok(Outcome::Nothing)
        }
    }
}

/// Adds the record of the cluster's founder, which no command admitted: the first
/// membership names it. The time of its founding is unknown.
fn introduce_members(tables: &mut Tables<'_>, stored: &StoredMembership) -> Result<(), KvError> {
    let membership = stored.membership();
    for (id, member) in membership.nodes() {
        let votes = membership.voter_ids().any(|voter| voter == *id);
        let standing = if votes { MemberState::Member } else { MemberState::Joining };
        let (name, address) = (member.name.clone(), member.address.clone());
        kv::introduce(tables, &NodeRecord { id: *id, name, address, standing, since_ms: 0 })?;
    }
    Ok(())
}
