//! Reads of what changed after a revision.
//!
//! One chunk of the history is read at a time, under the state's lock, and applying continues between
//! them. Guards that the changes of a revision come together, whole and once, in the order of the log.

use std::collections::BTreeMap;

use coffee_common::{
    entry::Entry,
    id::Revision,
    key::{Key, KeyRange},
    limits::{CHANGES_MAX, RANGE_BYTES_MAX},
};

use super::{
    error::KvError,
    past::{AtRevision, ChangeOrigin},
    row::{
        changes::{self, Before, ChangeRecord, ChangeRecords, KeptValue, KeyVersion},
        entry,
    },
    store::{OwnedRow, Store},
    table::Table,
};

/// Bytes of a change besides its key and its values.
const CHANGE_BYTES: usize = 128;

/// Which changes are read, and what of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFilter {
    /// The keys.
    pub range: KeyRange,
    /// Whether keys that are set count.
    pub sets: bool,
    /// Whether keys that are deleted count.
    pub deletes: bool,
    /// Whether values are read.
    pub with_values: bool,
    /// Whether the entries before the changes are read.
    pub with_previous: bool,
}

/// A change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadChange {
    /// Its revision.
    pub revision: Revision,
    /// The key.
    pub key: Key,
    /// The key from then on; `None` if it was deleted.
    pub entry: Option<Entry>,
    /// The revision of the key before; `None` if it did not exist.
    pub previous: Option<Revision>,
    /// The key before, if it was asked for, existed, and there was room.
    pub previous_entry: Option<Entry>,
    /// When it was changed, and by whom.
    pub origin: ChangeOrigin,
}

/// Changes, in the order of their revisions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangePage {
    /// The changes.
    pub changes: Vec<ReadChange>,
    /// Bytes that they take.
    pub bytes: usize,
}

/// How far changes were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangesRead {
    /// Up to this revision; there may be more.
    Upto(Revision),
    /// Up to this revision: the page is full.
    Full(Revision),
    /// All that there are.
    All,
}

impl Store {
    /// Adds the changes of the next chunk after a revision to a page.
    ///
    /// # Errors
    /// A row is damaged, or the database failed; the cluster keeps no history.
    pub fn read_changes(
        &self,
        after: Revision,
        filter: &ChangeFilter,
        page: &mut ChangePage,
    ) -> Result<AtRevision<ChangesRead>, KvError> {
        let floor = self.floor()?;
        if after < floor {
            return Ok(AtRevision::Compacted(floor));
        }
        let Some(after) = self.skip_unchanged(after, filter)? else {
            return Ok(AtRevision::Found(ChangesRead::All));
        };
        let Some(chunk) = self.next_chunk(after)? else { return Ok(AtRevision::Found(ChangesRead::All)) };
        let read = self.changes_of_chunk(&chunk, after, filter, page)?;
        let (chunk_key, _) = &chunk;
        let is_last = self.history_extent()?.is_some_and(|extent| {
            extent.is_in_open_chunk(extent.open) && chunk_key[..] == changes::key(extent.open)
        });
        Ok(AtRevision::Found(match read {
            ChangesRead::Upto(_) if is_last => ChangesRead::All,
            read => read,
        }))
    }

    /// A later revision up to which no wanted key has changed either, as far as the rows tell without the
    /// history; `None` if none has changed at all.
    ///
    /// The row of a single key does: many keys that are watched one by one would otherwise read all changes
    /// of each other.
    fn skip_unchanged(&self, after: Revision, filter: &ChangeFilter) -> Result<Option<Revision>, KvError> {
        let Some(key) = filter.range.single_key() else { return Ok(Some(after)) };
        // The change that deleted a key without a row is dropped.
        let Some(row) = self.row(Table::Keys, key)? else { return Ok(None) };
        let head = entry::decode_head(key, row.get())?;
        Ok(match head.modified <= after {
            true => None,
            false if head.prev <= after => Some(Revision(head.modified.0 - 1)),
            false => Some(after),
        })
    }

    /// The first chunk that has a change after a revision.
    fn next_chunk(&self, after: Revision) -> Result<Option<OwnedRow>, KvError> {
        if let Some((key, row)) = self.chunk_of(after)? {
            let last = ChangeRecords::open(&key, &row)?.last().transpose()?.map(|record| record.at);
            if last.is_some_and(|last| last > after) {
                return Ok(Some((key, row)));
            }
        }
        let dropped = self.history_extent()?.map_or(Revision(0), |extent| extent.dropped);
        self.first_row_after(Table::Changes, &changes::key(after.max(dropped)))
    }

    fn changes_of_chunk(
        &self,
        (chunk_key, chunk): &OwnedRow,
        after: Revision,
        filter: &ChangeFilter,
        page: &mut ChangePage,
    ) -> Result<ChangesRead, KvError> {
        // The versions of this chunk, to which later changes of it refer.
        let mut versions: BTreeMap<(&[u8], Revision), KeyVersion<'_>> = BTreeMap::new();
        let mut upto = after;
        for record in ChangeRecords::open(chunk_key, chunk)? {
            let record = record?;
            if record.at > after {
                let before = page.changes.len();
                let bytes = self.changes_of_record(&record, filter, &versions, page)?;
                let fits = |bytes| page.bytes + bytes <= RANGE_BYTES_MAX && page.changes.len() <= CHANGES_MAX;
                let bytes = match bytes {
                    Some(bytes) if before == 0 || fits(bytes) => bytes,
                    _ => {
                        page.changes.truncate(before);
                        return Ok(ChangesRead::Full(upto));
                    }
                };
                planted!("torn-revision", page.changes.truncate(before + 1));
                page.bytes += bytes;
                upto = record.at;
            }
            if filter.with_previous {
                let at = record.at;
                let known =
                    record.changes.into_iter().filter_map(|change| Some(((change.key, at), change.after?)));
                versions.extend(known);
            }
        }
        match page.bytes >= RANGE_BYTES_MAX || page.changes.len() >= CHANGES_MAX {
            true => Ok(ChangesRead::Full(upto)),
            false => Ok(ChangesRead::Upto(upto)),
        }
    }

    /// Adds the changes of a revision, and returns the bytes that they take. Those that begin a page may lack
    /// entries before them; `None` if others would, so that they have to begin the next page.
    fn changes_of_record(
        &self,
        record: &ChangeRecord<'_>,
        filter: &ChangeFilter,
        versions: &BTreeMap<(&[u8], Revision), KeyVersion<'_>>,
        page: &mut ChangePage,
    ) -> Result<Option<usize>, KvError> {
        let (mut bytes, begins_page) = (0, page.changes.is_empty());
        for change in &record.changes {
            let is_wanted = if change.after.is_some() { filter.sets } else { filter.deletes };
            if !is_wanted || !filter.range.contains_bytes(change.key) {
                continue;
            }
            let key = entry::decode_key(Table::Changes, change.key)?;
            let version = |at, version: &KeyVersion<'_>| {
                self.entry_of_version(change.key, at, version, filter.with_values)
            };
            let previous = match change.before {
                Before::Nothing | Before::Deleted(_) => None,
                Before::Version(at, version) => Some((at, Some(version))),
                Before::InChunk(at) => Some((at, versions.get(&(change.key, at)).copied())),
            };
            bytes += CHANGE_BYTES + key.as_bytes().len() + record.actor.len();
            if filter.with_values {
                bytes += change.after.as_ref().map_or(0, value_bytes);
            }
            let previous_entry = match previous {
                Some((at, Some(previous))) if filter.with_previous => {
                    let needed = if filter.with_values { value_bytes(&previous) } else { 0 };
                    match page.bytes + bytes + needed <= RANGE_BYTES_MAX {
                        true => {
                            bytes += needed;
                            Some(version(at, &previous)?)
                        }
                        false if begins_page => None,
                        false => return Ok(None),
                    }
                }
                _ => None,
            };
            page.changes.push(ReadChange {
                revision: record.at,
                key,
                entry: change.after.as_ref().map(|after| version(record.at, after)).transpose()?,
                previous: previous.map(|(at, _)| at),
                previous_entry,
                origin: ChangeOrigin { at_ms: record.at_ms, author: record.actor.to_vec() },
            });
        }
        Ok(Some(bytes))
    }
}

fn value_bytes(version: &KeyVersion<'_>) -> usize {
    match version.value {
        KeptValue::Here(value) => value.len(),
        KeptValue::Elsewhere(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
    }
}
