//! The rows of changes: the history of all keys, in chunks.
//!
//! An on-disk format, held by golden bytes. A chunk is appended to until it is full, so a change costs no
//! row of its own. A record holds the changes of one revision, with what was there before: a read at an
//! earlier revision needs no change before that revision, so the oldest chunk can be dropped at any
//! time.
//!
//! ```text
//! key        first revision 8 (big endian)
//! row        format 1 | crc 4 | record ...
//! record     revision - first v | milliseconds v | actor length v | actor | operations v | operation ...
//! operation  flags 1 | key length v | key
//!            | [set:                    version v | revision - created v | value]
//!            | [has a previous version: revision - previous v]
//!            | [it is here:             version v | previous - created v | value]
//! value      length v | bytes, unless it is elsewhere
//! ```
//!
//! `v` is a varint. A previous version is here unless the key was deleted, or the same chunk has the change
//! that made it: both are dropped together. Values that are elsewhere are in the table of values.

use coffee_common::id::Revision;

use super::{
    format::{open, scatter, seal_more},
    varint::{self, VarintReader},
};
use crate::kv::{error::KvError, table::Table};

const SET: u8 = 1;
const ELSEWHERE: u8 = 2;
const PREVIOUS: u8 = 4;
const PREVIOUS_HERE: u8 = 8;
const PREVIOUS_ELSEWHERE: u8 = 16;
const PREVIOUS_IN_CHUNK: u8 = 32;

/// The value of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kv) enum KeptValue<'row> {
    Here(&'row [u8]),
    /// In the table of values, with this many bytes.
    Elsewhere(u64),
}

/// A version of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kv) struct KeyVersion<'row> {
    pub(in crate::kv) created: Revision,
    pub(in crate::kv) version: u64,
    pub(in crate::kv) value: KeptValue<'row>,
}

/// The state of a key before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kv) enum Before<'row> {
    /// It was not there, and nothing is known of a time when it was.
    Nothing,
    /// It was deleted at this revision.
    Deleted(Revision),
    /// It had this version, from this revision on.
    Version(Revision, KeyVersion<'row>),
    /// It had the version that was made at this revision, in the same chunk.
    InChunk(Revision),
}

/// A change of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kv) struct KeyChange<'row> {
    pub(in crate::kv) key: &'row [u8],
    /// The new version; `None` if the key was deleted.
    pub(in crate::kv) after: Option<KeyVersion<'row>>,
    pub(in crate::kv) before: Before<'row>,
}

/// The changes of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kv) struct ChangeRecord<'row> {
    pub(in crate::kv) at: Revision,
    /// The wall clock of the leader that proposed it, in milliseconds since 1970.
    pub(in crate::kv) at_ms: u64,
    /// Who asked for it; empty if unknown.
    pub(in crate::kv) actor: &'row [u8],
    pub(in crate::kv) changes: Vec<KeyChange<'row>>,
    /// Its contribution to the digest of the state.
    pub(in crate::kv) contribution: u64,
}

/// The key of the chunk that begins with a revision.
pub(in crate::kv) fn key(first: Revision) -> [u8; 8] {
    first.0.to_be_bytes()
}

/// Appends a change to those of the revision `at`.
pub(in crate::kv) fn push_change(bytes: &mut Vec<u8>, at: Revision, change: &KeyChange<'_>) {
    let after = change.after.map_or(0, |after| match after.value {
        KeptValue::Here(_) => SET,
        KeptValue::Elsewhere(_) => SET | ELSEWHERE,
    });
    let before = match change.before {
        Before::Nothing => 0,
        Before::Deleted(_) => PREVIOUS,
        Before::InChunk(_) => PREVIOUS | PREVIOUS_IN_CHUNK,
        Before::Version(_, KeyVersion { value: KeptValue::Here(_), .. }) => PREVIOUS | PREVIOUS_HERE,
        Before::Version(_, KeyVersion { value: KeptValue::Elsewhere(_), .. }) => {
            PREVIOUS | PREVIOUS_HERE | PREVIOUS_ELSEWHERE
        }
    };
    bytes.push(after | before);
    push_counted(bytes, change.key);
    if let Some(after) = &change.after {
        push_version(bytes, at, after);
    }
    if let Before::Deleted(previous) | Before::InChunk(previous) | Before::Version(previous, _) =
        change.before
    {
        varint::push(bytes, at.0 - previous.0);
    }
    if let Before::Version(previous, version) = &change.before {
        push_version(bytes, *previous, version);
    }
}

fn push_version(bytes: &mut Vec<u8>, at: Revision, version: &KeyVersion<'_>) {
    varint::push(bytes, version.version);
    varint::push(bytes, at.0 - version.created.0);
    match version.value {
        KeptValue::Here(value) => push_counted(bytes, value),
        KeptValue::Elsewhere(length) => varint::push(bytes, length),
    }
}

fn push_counted(bytes: &mut Vec<u8>, field: &[u8]) {
    varint::push(bytes, field.len() as u64);
    bytes.extend_from_slice(field);
}

/// Encodes the record of a revision in the chunk that begins with `first` into `record`, whose content it
/// replaces. `changes` are that many, from [`push_change`]. Returns the record's contribution to the
/// digest of the state.
pub(in crate::kv) fn encode(
    record: &mut Vec<u8>,
    first: Revision,
    at: Revision,
    at_ms: u64,
    actor: &[u8],
    (count, changes): (u64, &[u8]),
) -> u64 {
    record.clear();
    varint::push(record, at.0 - first.0);
    varint::push(record, at_ms);
    push_counted(record, actor);
    varint::push(record, count);
    record.extend_from_slice(changes);
    contribution_of(&key(first), record)
}

/// Appends an encoded record to its chunk, which may be empty.
pub(in crate::kv) fn append(row: &mut Vec<u8>, first: Revision, record: &[u8]) {
    seal_more(Table::Changes, &key(first), row, record);
}

/// A record's contribution to the digest of the state. Its checksum covers its revision.
fn contribution_of(key: &[u8], record: &[u8]) -> u64 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), record);
    scatter((record.len() as u64) << 32 | u64::from(crc))
}

/// The contribution of a row: the sum of its records. Malformed records contribute nothing.
pub(in crate::kv) fn contribution(key: &[u8], row: &[u8]) -> u64 {
    let records = ChangeRecords::open(key, row).into_iter().flatten();
    records.flatten().fold(0, |sum, record| sum.wrapping_add(record.contribution))
}

/// Verifies a row that arrived in a snapshot.
pub(super) fn check(key: &[u8], row: &[u8]) -> Result<(), KvError> {
    ChangeRecords::open(key, row)?.try_for_each(|record| record.map(drop))
}

/// The records of a chunk whose checksum was verified. Ends after the first error.
pub(in crate::kv) struct ChangeRecords<'row> {
    key: [u8; 8],
    first: Revision,
    rest: &'row [u8],
    /// The last revision that was read.
    last: Option<u64>,
}

impl<'row> ChangeRecords<'row> {
    pub(in crate::kv) fn open(key: &[u8], row: &'row [u8]) -> Result<Self, KvError> {
        let rest = open(Table::Changes, key, row)?;
        let key: [u8; 8] = key.try_into().map_err(|_| malformed("a revision has a wrong length"))?;
        match rest.is_empty() {
            false => Ok(Self { key, first: Revision(u64::from_be_bytes(key)), rest, last: None }),
            true => Err(malformed("it is empty")),
        }
    }

    fn read_record(&mut self) -> Result<ChangeRecord<'row>, KvError> {
        let whole = self.rest;
        let mut fields = VarintReader { table: Table::Changes, rest: whole };
        let place = fields.number()?;
        let in_order = if self.last.is_none() { place == 0 } else { Some(place) > self.last };
        let at = self.first.0.checked_add(place).filter(|_| in_order);
        let at = Revision(at.ok_or(malformed("its records are out of order"))?);
        self.last = Some(place);
        let (at_ms, actor, count) = (fields.number()?, fields.counted()?, fields.number()?);
        if count == 0 {
            return Err(malformed("a record has no change"));
        }
        let mut changes = Vec::new();
        for _ in 0..count {
            changes.push(read_change(&mut fields, at)?);
        }
        self.rest = fields.rest;
        let contribution = contribution_of(&self.key, &whole[..whole.len() - fields.rest.len()]);
        Ok(ChangeRecord { at, at_ms, actor, changes, contribution })
    }
}

fn read_change<'row>(fields: &mut VarintReader<'row>, at: Revision) -> Result<KeyChange<'row>, KvError> {
    let [flags] = *fields.bytes(1)? else { return Err(malformed("it is too short")) };
    let key = fields.counted()?;
    let after = match flags & SET {
        0 => None,
        _ => Some(read_version(fields, at, flags & ELSEWHERE != 0)?),
    };
    let previous = match flags & PREVIOUS {
        0 => None,
        // A reader goes back by these: it must not stay where it is.
        _ => match fields.number()? {
            0 => return Err(malformed("a revision is malformed")),
            by => Some(earlier(at, by)?),
        },
    };
    let before = match (previous, flags & (PREVIOUS_HERE | PREVIOUS_ELSEWHERE | PREVIOUS_IN_CHUNK)) {
        (None, 0) => Before::Nothing,
        (Some(previous), 0) => Before::Deleted(previous),
        (Some(previous), PREVIOUS_IN_CHUNK) => Before::InChunk(previous),
        (Some(previous), PREVIOUS_HERE) => Before::Version(previous, read_version(fields, previous, false)?),
        (Some(previous), both) if both == PREVIOUS_HERE | PREVIOUS_ELSEWHERE => {
            Before::Version(previous, read_version(fields, previous, true)?)
        }
        _ => return Err(malformed("its flags are not known")),
    };
    let known = SET | ELSEWHERE | PREVIOUS | PREVIOUS_HERE | PREVIOUS_ELSEWHERE | PREVIOUS_IN_CHUNK;
    match flags & !known == 0 && (flags & ELSEWHERE == 0 || flags & SET != 0) {
        true => Ok(KeyChange { key, after, before }),
        false => Err(malformed("its flags are not known")),
    }
}

fn read_version<'row>(
    fields: &mut VarintReader<'row>,
    at: Revision,
    is_elsewhere: bool,
) -> Result<KeyVersion<'row>, KvError> {
    let version = fields.number()?;
    let created = earlier(at, fields.number()?)?;
    let value = match is_elsewhere {
        true => KeptValue::Elsewhere(fields.number()?),
        false => KeptValue::Here(fields.counted()?),
    };
    Ok(KeyVersion { created, version, value })
}

fn earlier(at: Revision, by: u64) -> Result<Revision, KvError> {
    at.0.checked_sub(by).map(Revision).ok_or(malformed("a revision is malformed"))
}

impl<'row> Iterator for ChangeRecords<'row> {
    type Item = Result<ChangeRecord<'row>, KvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.read_record();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

fn malformed(what: &'static str) -> KvError {
    KvError::damaged(Table::Changes, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Revision = Revision(4700);

    fn version(created: u64, version: u64, value: KeptValue<'static>) -> KeyVersion<'static> {
        KeyVersion { created: Revision(created), version, value }
    }

    /// One change of each kind.
    fn changes() -> Vec<(u64, Vec<KeyChange<'static>>)> {
        let change = |key: &'static str, after, before| KeyChange { key: key.as_bytes(), after, before };
        let (here, elsewhere) = (KeptValue::Here(b"latte"), KeptValue::Elsewhere(2000));
        vec![
            (4700, vec![change("order/1", Some(version(4700, 1, here)), Before::Nothing)]),
            (
                4703,
                vec![
                    change("order/1", Some(version(4700, 2, elsewhere)), Before::InChunk(FIRST)),
                    change("order/2", None, Before::Version(Revision(30), version(7, 3, here))),
                    change("order/3", Some(version(4703, 1, here)), Before::Deleted(Revision(31))),
                    change(
                        "order/4",
                        Some(version(8, 3, KeptValue::Here(b""))),
                        Before::Version(Revision(9), version(8, 2, elsewhere)),
                    ),
                ],
            ),
        ]
    }

    fn record(at: u64, changes: &[KeyChange<'_>]) -> (Vec<u8>, u64) {
        let (mut bytes, mut record) = (Vec::new(), Vec::new());
        changes.iter().for_each(|change| push_change(&mut bytes, Revision(at), change));
        let count = (changes.len() as u64, bytes.as_slice());
        let contribution = encode(&mut record, FIRST, Revision(at), 1000 + at, b"writer till", count);
        (record, contribution)
    }

    fn row() -> Vec<u8> {
        let mut row = Vec::new();
        for (at, changes) in changes() {
            append(&mut row, FIRST, &record(at, &changes).0);
        }
        row
    }

    #[test]
    fn golden_row_of_changes() {
        let row = row();
        crate::golden_test::check("state_changes", &row);
        check(&key(FIRST), &row).expect("its own bytes");
        let records = ChangeRecords::open(&key(FIRST), &row).expect("its own bytes");
        let records: Vec<_> = records.map(|record| record.expect("its own bytes")).collect();
        let found: Vec<_> = records.iter().map(|record| (record.at.0, record.changes.clone())).collect();
        assert_eq!(found, changes());
        assert!(records.iter().all(|r| r.actor == b"writer till" && r.at_ms == 1000 + r.at.0));
    }

    #[test]
    fn a_record_counts_the_same_alone_and_among_others() {
        let alone =
            changes().iter().fold(0u64, |sum, (at, changes)| sum.wrapping_add(record(*at, changes).1));
        assert_eq!(contribution(&key(FIRST), &row()), alone);
    }

    #[test]
    fn malformed_rows_are_rejected() {
        let good = row();
        let sealed = |payload: &[u8]| {
            let mut row = Vec::new();
            seal_more(Table::Changes, &key(FIRST), &mut row, payload);
            row
        };
        let payload = &good[crate::kv::row::format::SEAL_BYTES..];
        assert_eq!(sealed(payload), good);
        assert!(check(&key(Revision(4701)), &good).is_err(), "of another key");
        assert!(check(&key(FIRST), &sealed(&[])).is_err(), "empty");
        let (first, second) = (record(4700, &changes()[0].1).0, record(4703, &changes()[1].1).0);
        assert!(check(&key(FIRST), &sealed(&[&second[..], &first].concat())).is_err(), "out of order");
        assert!(check(&key(FIRST), &sealed(&[&first[..], &first].concat())).is_err(), "twice");
        assert!(check(&key(FIRST), &sealed(&record(4700, &[]).0)).is_err(), "without a change");
        for end in 0..payload.len() {
            let whole = end == first.len();
            assert_eq!(check(&key(FIRST), &sealed(&payload[..end])).is_ok(), whole, "cut off at {end}");
        }
        let again = [KeyChange { key: b"k", after: None, before: Before::InChunk(FIRST) }];
        assert!(check(&key(FIRST), &sealed(&record(4700, &again).0)).is_err(), "before itself");
        // No length makes a reader allocate.
        let huge = [&first[..first.len() - 6], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
        assert!(check(&key(FIRST), &sealed(&huge)).is_err(), "a value that is not there");
    }
}
