//! The history of keys: what changed, in order of revision, and what was there before.
//!
//! Guards that the history is part of the replicated state: where a chunk ends and when the oldest one is
//! dropped follows from the entries alone. A cluster keeps a history from the level
//! [`HISTORY`](coffee_common::feature_level::HISTORY) on; changes before that, and those that were dropped,
//! are gone: the *floor* is the first revision at which the state can be read. A change keeps what was there before it, so the state
//! at the floor and at each later revision can be read.

use std::collections::BTreeMap;

use coffee_common::{
    command::{Outcome, Proposal},
    history_limit::HistoryLimit,
    id::Revision,
    setting::ClusterSettings,
};

use super::{
    error::KvError,
    extent::HistoryExtent,
    row::{
        changes::{self, Before, ChangeRecord, ChangeRecords, KeptValue, KeyChange},
        entry,
        format::SEAL_BYTES,
        values,
    },
    table::Table,
    tables::Tables,
};

/// A chunk of this many bytes, or revisions, takes no more. The database gives a row of more than a page a
/// power of two of pages: with its last record, of short values, a chunk just fits 8 KiB.
const CHUNK_BYTES: u64 = 7 << 10;
const CHUNK_REVISIONS: u64 = 256;

/// Of an earlier value that is elsewhere, this part counts for the size of a chunk: they are dropped with
/// it, and not more than some MiB of them at once.
const EARLIER_PART: u64 = 128;

/// How many chunks are dropped at most when one is full, and by a command: applying an entry must not
/// take long.
const DROPPED_MAX: usize = 4;
const COMPACTED_MAX: usize = 64;

/// No other chunk is dropped after this many changes.
const DROPPED_CHANGES_MAX: u64 = 2048;

/// The changes of one revision, while its entry is applied.
#[derive(Debug, Default)]
pub(super) struct RecordedChanges {
    encoded: Vec<u8>,
    count: u64,
    /// Bytes of values that are elsewhere, and earlier from now on.
    earlier_bytes: u64,
}

impl RecordedChanges {
    pub(super) fn push(&mut self, at: Revision, change: &KeyChange<'_>) {
        self.count += 1;
        self.earlier_bytes = self.earlier_bytes.saturating_add(earlier_bytes(change));
        changes::push_change(&mut self.encoded, at, change);
    }
}

/// The bytes of an earlier value that is elsewhere and that is kept for this change.
fn earlier_bytes(change: &KeyChange<'_>) -> u64 {
    match change.before {
        Before::Version(_, version) => match version.value {
            KeptValue::Elsewhere(bytes) => bytes,
            KeptValue::Here(_) => 0,
        },
        _ => 0,
    }
}

impl Tables<'_> {
    /// Adds the changes of a revision to the history. Does nothing if there are none.
    pub(super) fn record_changes(
        &mut self,
        at: Revision,
        proposal: &Proposal,
        changes: &RecordedChanges,
    ) -> Result<(), KvError> {
        let Some(mut extent) = *self.history_mut() else { return Ok(()) };
        if changes.count == 0 {
            return Ok(());
        }
        if extent.open_bytes == 0 {
            extent.open = at;
            extent.bytes = extent.bytes.saturating_add(SEAL_BYTES as u64);
        }
        if extent.open > at {
            return Err(KvError::damaged(Table::Meta, "the history is of a later revision"));
        }
        let stamp = (at, proposal.proposed_at_ms, proposal.author.as_bytes());
        let bytes = self.append_record(extent.open, stamp, changes)?;
        extent.open_bytes = extent.open_bytes.saturating_add(bytes + changes.earlier_bytes / EARLIER_PART);
        extent.open_revisions = extent.open_revisions.saturating_add(1);
        extent.changes = extent.changes.saturating_add(changes.count);
        extent.bytes = extent.bytes.saturating_add(bytes).saturating_add(changes.earlier_bytes);
        *self.history_mut() = Some(extent);
        Ok(())
    }

    /// Begins the history of a cluster: changes up to `at` are not in it.
    pub(super) fn begin_history(&mut self, at: Revision) {
        self.history_mut().get_or_insert(HistoryExtent {
            floor: at,
            dropped: at,
            ..HistoryExtent::default()
        });
    }

    /// Closes the chunk that takes the next change if it is full, and drops the oldest ones if there is
    /// more history than the settings allow. Call it before the changes of an entry.
    pub(super) fn make_room_for_changes(&mut self) -> Result<(), KvError> {
        let Some(mut extent) = *self.history_mut() else { return Ok(()) };
        if extent.open_bytes < CHUNK_BYTES && extent.open_revisions < CHUNK_REVISIONS {
            return Ok(());
        }
        extent.close_chunk();
        let settings = ClusterSettings::of(self.store().settings()?);
        let (bytes, changes) = (settings.history_bytes_max, settings.history_changes_max);
        self.drop_chunks(&mut extent, HistoryLimit::Size { bytes, changes }, DROPPED_MAX)?;
        *self.history_mut() = Some(extent);
        Ok(())
    }

    /// Drops at most `max` chunks beyond a limit, the oldest first. Returns whether no other one is beyond
    /// it.
    fn drop_chunks(
        &mut self,
        extent: &mut HistoryExtent,
        limit: HistoryLimit,
        max: usize,
    ) -> Result<bool, KvError> {
        let before = extent.changes;
        for number in 0.. {
            let is_beyond = match limit {
                HistoryLimit::Upto(_) => extent.changes > 0,
                HistoryLimit::Size { bytes, changes } => extent.bytes > bytes || extent.changes > changes,
            };
            // The chunks before it are gone, and need not be passed over one by one.
            let from = changes::key(extent.dropped);
            let oldest = match is_beyond {
                true => self.store().first_row_after(Table::Changes, &from)?,
                false => None,
            };
            let Some((key, row)) = oldest else { return Ok(true) };
            if number == max || before.saturating_sub(extent.changes) > DROPPED_CHANGES_MAX {
                return Ok(false);
            }
            let upto = match limit {
                HistoryLimit::Upto(upto) => upto,
                HistoryLimit::Size { .. } => Revision(u64::MAX),
            };
            if !self.drop_records(extent, upto, &key, &row)? {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// Drops the changes up to a revision from the oldest chunk, which is written again if it has later
    /// ones. Returns whether none is left.
    fn drop_records(
        &mut self,
        extent: &mut HistoryExtent,
        upto: Revision,
        key: &[u8],
        row: &[u8],
    ) -> Result<bool, KvError> {
        let records: Vec<ChangeRecord<'_>> = ChangeRecords::open(key, row)?.collect::<Result<_, _>>()?;
        let (dropped, kept) = records.split_at(records.partition_point(|record| record.at <= upto));
        let Some(last) = dropped.last() else { return Ok(false) };
        let is_open = extent.is_in_open_chunk(last.at);
        for record in dropped {
            self.drop_record(extent, record)?;
        }
        (extent.dropped, extent.floor) = (last.at, extent.floor.max(last.at));
        extent.bytes = extent.bytes.saturating_sub(row.len() as u64);
        self.remove_chunk(key, records.iter().fold(0, |sum, record| sum.wrapping_add(record.contribution)));
        if is_open {
            extent.close_chunk();
        }
        let Some(first) = kept.first().map(|record| record.at) else { return Ok(true) };
        // The versions that later changes of the same chunk refer to.
        let versions = dropped.iter().flat_map(|record| {
            record.changes.iter().filter_map(move |change| Some(((change.key, record.at), change.after?)))
        });
        let versions: BTreeMap<_, _> = versions.collect();
        let (mut bytes, mut weight) = (SEAL_BYTES as u64, 0);
        for record in kept {
            let mut changed = RecordedChanges::default();
            for change in &record.changes {
                let before = match change.before {
                    Before::InChunk(at) => versions
                        .get(&(change.key, at))
                        .map_or(change.before, |version| Before::Version(at, *version)),
                    before => before,
                };
                changed.push(record.at, &KeyChange { before, ..*change });
            }
            let length = self.append_record(first, (record.at, record.at_ms, record.actor), &changed)?;
            bytes += length;
            weight += length + changed.earlier_bytes / EARLIER_PART;
        }
        extent.bytes = extent.bytes.saturating_add(bytes);
        if is_open {
            (extent.open, extent.open_bytes, extent.open_revisions) = (first, weight, kept.len() as u64);
        }
        Ok(false)
    }

    /// Drops what belongs to the changes of a revision, but for their record.
    fn drop_record(&mut self, extent: &mut HistoryExtent, record: &ChangeRecord<'_>) -> Result<(), KvError> {
        for change in &record.changes {
            if let Before::Version(previous, version) = change.before
                && let KeptValue::Elsewhere(_) = version.value
            {
                self.remove_value(&values::key(change.key, previous));
            }
            if change.after.is_none() {
                self.drop_tombstone(change.key, record.at)?;
            }
            extent.bytes = extent.bytes.saturating_sub(earlier_bytes(change));
        }
        extent.changes = extent.changes.saturating_sub(record.changes.len() as u64);
        Ok(())
    }

    /// Appends the changes of a revision, its time and its author to the chunk that begins with `first`.
    /// Returns the bytes that it takes there.
    fn append_record(
        &mut self,
        first: Revision,
        (at, at_ms, actor): (Revision, u64, &[u8]),
        changes: &RecordedChanges,
    ) -> Result<u64, KvError> {
        let mut record = std::mem::take(self.buffer());
        let encoded = (changes.count, changes.encoded.as_slice());
        let contribution = changes::encode(&mut record, first, at, at_ms, actor, encoded);
        self.append_changes(first, &record, contribution)?;
        let bytes = record.len() as u64;
        *self.buffer() = record;
        Ok(bytes)
    }

    /// Removes the row of a key that is deleted, if nothing has changed it since `at`.
    fn drop_tombstone(&mut self, key: &[u8], at: Revision) -> Result<(), KvError> {
        let is_last = match self.head(key)? {
            Some(row) => {
                let head = entry::decode_head(key, row.get())?;
                !head.is_live() && head.modified == at
            }
            None => false,
        };
        if is_last {
            self.take(Table::Keys, key, |_| Ok(()))?;
        }
        Ok(())
    }
}

/// Drops a part of the history, in the entry at `at`.
pub(super) fn compact(
    tables: &mut Tables<'_>,
    at: Revision,
    limit: HistoryLimit,
) -> Result<Outcome, KvError> {
    let Some(mut extent) = *tables.history_mut() else { return Ok(Outcome::Nothing) };
    if let HistoryLimit::Upto(upto) = limit {
        extent.floor = extent.floor.max(upto.min(at));
    }
    let done = tables.drop_chunks(&mut extent, limit, COMPACTED_MAX)?;
    *tables.history_mut() = Some(extent);
    Ok(Outcome::HistoryCompacted { floor: extent.floor, done })
}
