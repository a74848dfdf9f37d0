//! Reads of earlier revisions.
//!
//! The history does not change, but for its oldest part, which is dropped. So a read is done in steps, each
//! of which reads one chunk under the state's lock, and applying continues between them. Guards that a step
//! looks at the floor under the lock under which it reads: what is there above the floor is all there was.

use coffee_common::{
    entry::Entry,
    id::Revision,
    key::{Key, KeyRange},
};

use super::{
    error::KvError,
    range::bounds,
    row::{
        changes::{self, Before, ChangeRecords, KeptValue, KeyChange, KeyVersion},
        entry::{self, RowHead, ValuePlace},
        values,
    },
    store::{OwnedRow, Store},
    table::Table,
};

/// Rows of names that are read under the state's lock at once: no more after as many bytes.
const NAMES_BYTES_MAX: usize = 64 << 10;

/// The result of a read of earlier revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtRevision<T> {
    /// The state of that time.
    Found(T),
    /// It cannot be read any more: the history begins at this revision.
    Compacted(Revision),
}

/// A read of a key as of a revision that is applied.
#[derive(Debug, Clone, Copy)]
pub struct PastRead {
    at: Revision,
    with_value: bool,
    /// A later change: the state is the one before it. `None` at the beginning.
    before: Option<Revision>,
}

/// A version of a key, or a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastVersion {
    /// The revision of the change.
    pub revision: Revision,
    /// Its time and its author, as far as they are known; `None` for a change that is no longer kept.
    pub change: Option<ChangeOrigin>,
    /// The key from then on; `None` if it was deleted.
    pub entry: Option<Entry>,
}

/// When a change was made, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeOrigin {
    /// The wall clock of the leader that proposed it, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who asked for it; empty if unknown.
    pub author: Vec<u8>,
}

/// Where versions are read next, from newer ones to older ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionCursor {
    /// At the present state.
    Present,
    /// At the change at this revision.
    At(Revision),
    /// Before the change at this revision.
    Before(Revision),
}

/// The room that is left in a page of versions.
#[derive(Debug, Clone, Copy)]
pub struct VersionRoom {
    /// Versions.
    pub versions: usize,
    /// Bytes of values. The last version may exceed them.
    pub bytes: usize,
    /// Whether values are read.
    pub with_values: bool,
}

impl PastRead {
    /// Begins a read; without the value, it is empty.
    pub fn new(at: Revision, with_value: bool) -> Self {
        Self { at, with_value, before: None }
    }

    /// The revision.
    pub fn at(&self) -> Revision {
        self.at
    }
}

impl Store {
    /// Continues a read. Returns `None` if it must be continued once more.
    ///
    /// # Errors
    /// A row is damaged, or the database failed.
    pub fn read_past(
        &self,
        key: &Key,
        read: &mut PastRead,
    ) -> Result<Option<AtRevision<Option<Entry>>>, KvError> {
        let floor = self.floor()?;
        if read.at < floor {
            return Ok(Some(AtRevision::Compacted(floor)));
        }
        let key = key.as_bytes();
        let found = match read.before {
            None => self.present_or_before(key, read)?,
            Some(change) => self.state_before(key, change, read)?,
        };
        Ok(found.map(AtRevision::Found))
    }

    /// The state of a key, if it has not changed since.
    fn present_or_before(&self, key: &[u8], read: &mut PastRead) -> Result<Option<Option<Entry>>, KvError> {
        let Some(row) = self.row(Table::Keys, key)? else { return Ok(Some(None)) };
        let head = entry::decode_head(key, row.get())?;
        match (head.modified <= read.at, head.is_live()) {
            (true, false) => Ok(Some(None)),
            (true, true) => self.past_entry_of(key, row.get(), read.with_value).map(Some).map(Some),
            (false, _) => {
                read.before = Some(head.modified);
                Ok(None)
            }
        }
    }

    /// The state of a key before a change that is later than wanted, if its chunk knows it.
    fn state_before(
        &self,
        key: &[u8],
        change: Revision,
        read: &mut PastRead,
    ) -> Result<Option<Option<Entry>>, KvError> {
        let (chunk_key, chunk) = self.chunk_of(change)?.ok_or_else(missing)?;
        // The last change up to the wanted revision, and the first one after it.
        let (mut last, mut after) = (None, None);
        for record in ChangeRecords::open(&chunk_key, &chunk)? {
            let record = record?;
            let Some(change) = change_of(record.changes, key) else { continue };
            if record.at > read.at {
                after = Some(change);
                break;
            }
            last = Some((record.at, change));
        }
        let with_value = read.with_value;
        let entry =
            |at, version: &KeyVersion<'_>| self.entry_of_version(key, at, version, with_value).map(Some);
        if let Some((at, KeyChange { after: state, .. })) = last {
            return state.map_or(Ok(None), |version| entry(at, &version)).map(Some);
        }
        match after.ok_or_else(missing)?.before {
            Before::Nothing => Ok(Some(None)),
            Before::Deleted(previous) | Before::Version(previous, _) if previous > read.at => {
                if previous >= change {
                    return Err(KvError::damaged(Table::Changes, "a revision is malformed"));
                }
                read.before = Some(previous);
                Ok(None)
            }
            Before::Deleted(_) => Ok(Some(None)),
            Before::Version(previous, version) => entry(previous, &version).map(Some),
            Before::InChunk(_) => Err(missing()),
        }
    }

    /// Reads versions of a key from one chunk, the newest first, as far as there is room. Returns where to
    /// go on, if there may be more.
    ///
    /// # Errors
    /// A row is damaged, or the database failed.
    pub fn read_versions(
        &self,
        key: &Key,
        cursor: VersionCursor,
        room: &mut VersionRoom,
        versions: &mut Vec<PastVersion>,
    ) -> Result<Option<VersionCursor>, KvError> {
        let (floor, key) = (self.floor()?, key.as_bytes());
        let newest = match cursor {
            VersionCursor::At(revision) | VersionCursor::Before(revision) => revision,
            VersionCursor::Present => {
                let Some(row) = self.row(Table::Keys, key)? else { return Ok(None) };
                let head = entry::decode_head(key, row.get())?;
                if head.modified <= floor {
                    if head.is_live() {
                        let entry = Some(self.past_entry_of(key, row.get(), room.with_values)?);
                        versions.push(PastVersion { revision: head.modified, change: None, entry });
                    }
                    return Ok(None);
                }
                head.modified
            }
        };
        if newest <= floor {
            return Ok(None);
        }
        let Some((chunk_key, chunk)) = self.chunk_of(newest)? else { return Ok(None) };
        let mut changes = Vec::new();
        for record in ChangeRecords::open(&chunk_key, &chunk)? {
            let record = record?;
            if record.at > newest {
                break;
            }
            let origin = ChangeOrigin { at_ms: record.at_ms, author: record.actor.to_vec() };
            changes.extend(change_of(record.changes, key).map(|change| (record.at, origin, change)));
        }
        for (revision, origin, change) in changes.into_iter().rev() {
            if cursor != VersionCursor::Before(revision) {
                if !room.takes(change.after.as_ref()) {
                    return Ok(Some(VersionCursor::At(revision)));
                }
                let entry = |version| self.entry_of_version(key, revision, &version, room.with_values);
                let entry = change.after.map(entry).transpose()?;
                // A deletion before the floor is not known of every key.
                if revision > floor || entry.is_some() {
                    versions.push(PastVersion { revision, change: Some(origin), entry });
                }
            }
            if revision <= floor {
                return Ok(None);
            }
            match change.before {
                Before::InChunk(_) => {}
                Before::Nothing => return Ok(None),
                Before::Deleted(previous) | Before::Version(previous, _) if previous > floor => {
                    // Earlier than this one: a row in which it is not is malformed.
                    return Ok(Some(VersionCursor::At(previous)));
                }
                Before::Deleted(_) => return Ok(None),
                Before::Version(previous, version) => {
                    if !room.takes(Some(&version)) {
                        return Ok(Some(VersionCursor::Before(revision)));
                    }
                    // The change that made it is gone.
                    let entry = Some(self.entry_of_version(key, previous, &version, room.with_values)?);
                    versions.push(PastVersion { revision: previous, change: None, entry });
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// The names of the first keys of a range, deleted ones that the history knows included: at most
    /// `count`, and fewer if their rows are long. None only if there is none.
    ///
    /// # Errors
    /// A row is damaged, or the database failed.
    pub fn keys_ever(&self, range: &KeyRange, count: usize) -> Result<Vec<Key>, KvError> {
        let mut names = Vec::new();
        if range.is_empty() {
            return Ok(names);
        }
        let (mut rows, mut bytes) = (self.rows_from(Table::Keys, bounds(range))?, 0);
        while names.len() < count && bytes < NAMES_BYTES_MAX {
            let Some((key, row)) = rows.next().transpose()? else { break };
            bytes += key.get().len() + row.get().len();
            names.push(entry::decode_key(Table::Keys, key.get())?);
        }
        Ok(names)
    }

    /// Whether a key was changed at a revision above the floor.
    ///
    /// # Errors
    /// A row is damaged, or the database failed.
    pub fn has_change(&self, key: &Key, at: Revision) -> Result<bool, KvError> {
        let Some((chunk_key, chunk)) = self.chunk_of(at)? else { return Ok(false) };
        for record in ChangeRecords::open(&chunk_key, &chunk)? {
            let record = record?;
            if record.at == at {
                return Ok(change_of(record.changes, key.as_bytes()).is_some());
            }
        }
        Ok(false)
    }

    /// The first revision at which the state can be read.
    ///
    /// # Errors
    /// The cluster keeps no history, a row is damaged, or the database failed.
    pub fn floor(&self) -> Result<Revision, KvError> {
        self.history_extent()?
            .map(|extent| extent.floor)
            .ok_or(KvError::damaged(Table::Meta, "there is no history"))
    }

    /// The chunk that would have the change of this revision: its key, and its row.
    pub(super) fn chunk_of(&self, revision: Revision) -> Result<Option<OwnedRow>, KvError> {
        // The chunks before are gone, and need not be passed over one by one.
        let dropped = self.history_extent()?.map_or(Revision(0), |extent| extent.dropped);
        self.last_row_between(Table::Changes, &changes::key(dropped), &changes::key(revision))
    }

    /// The entry of a key that is there, from its row.
    fn past_entry_of(&self, key: &[u8], row: &[u8], with_value: bool) -> Result<Entry, KvError> {
        match with_value {
            true => self.entry_of(key, row),
            false => entry::entry(Table::Keys, &entry::decode_head(key, row)?, Vec::new().into()),
        }
    }

    pub(super) fn entry_of_version(
        &self,
        key: &[u8],
        modified: Revision,
        version: &KeyVersion<'_>,
        with_value: bool,
    ) -> Result<Entry, KvError> {
        let value = match version.value {
            _ if !with_value => Vec::new(),
            KeptValue::Here(value) => value.to_vec(),
            KeptValue::Elsewhere(_) => self.value_of(key, modified)?,
        };
        let head = RowHead {
            created: version.created,
            modified,
            version: version.version,
            prev: Revision(0),
            place: ValuePlace::Inline,
        };
        entry::entry(Table::Changes, &head, value.into())
    }

    /// Reads a value that is not in the row of its key.
    pub(super) fn value_of(&self, key: &[u8], modified: Revision) -> Result<Vec<u8>, KvError> {
        let key = values::key(key, modified);
        let row = self.row(Table::Values, &key)?;
        let row = row.ok_or(KvError::damaged(Table::Values, "a value is missing"))?;
        values::decode(&key, row.get()).map(<[u8]>::to_vec)
    }
}

impl VersionRoom {
    /// Whether no other version fits.
    pub fn is_full(&self) -> bool {
        self.versions == 0 || self.bytes == 0
    }

    /// Whether a version fits; if so it is counted.
    fn takes(&mut self, version: Option<&KeyVersion<'_>>) -> bool {
        if self.is_full() {
            return false;
        }
        let bytes = version.filter(|_| self.with_values).map_or(0, value_bytes);
        (self.versions, self.bytes) = (self.versions - 1, self.bytes.saturating_sub(bytes));
        true
    }
}

fn change_of<'row>(changes: Vec<KeyChange<'row>>, key: &[u8]) -> Option<KeyChange<'row>> {
    changes.into_iter().find(|change| change.key == key)
}

fn value_bytes(version: &KeyVersion<'_>) -> usize {
    match version.value {
        KeptValue::Here(value) => value.len(),
        KeptValue::Elsewhere(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
    }
}

fn missing() -> KvError {
    KvError::damaged(Table::Changes, "a change is missing")
}
