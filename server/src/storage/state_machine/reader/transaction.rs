//! The reads of a transaction: the state before it, with the effects of the steps before each laid over.
//!
//! Guards that the first answer and each retry say the same, as long as the history reaches back: both are
//! read from it. Nothing of it is stored with the outcome.

use std::{collections::BTreeMap, io};

use coffee_common::{
    entry::Entry,
    id::Revision,
    key::{Key, KeyRange, Value},
    limits::{RANGE_BYTES_MAX, RANGE_KEYS_MAX},
    transaction::{ReadOmission, Step, StepEffect, StepRead},
};
use tokio::time::Instant;

use super::{
    StateReader,
    past::{RevisionPage, STEPS_MAX, Steps},
};
use crate::kv::{AtRevision, PastRead};

/// Bytes of a key in a response, but for its name and its value.
const ENTRY_BYTES: usize = 32;

/// The steps of a transaction that took effect.
#[derive(Debug, Clone, Copy)]
pub struct TransactionReads<'a> {
    /// The steps of the branch that was taken.
    pub steps: &'a [Step],
    /// Their effects.
    pub effects: &'a [StepEffect],
    /// The revision of the transaction.
    pub at: Revision,
}

impl StateReader {
    /// Reads what the steps of a transaction have read, which is applied: one for each that only reads.
    ///
    /// # Errors
    /// The storage has failed, or a row is damaged; the cluster keeps no history.
    pub async fn transaction(
        &self,
        reads: TransactionReads<'_>,
        deadline: Instant,
    ) -> io::Result<Vec<StepRead>> {
        let TransactionReads { steps, effects, at } = reads;
        let (steps, effects) = (steps.to_vec(), effects.to_vec());
        self.in_steps(move |reader| TransactionReader::new(reader, at, deadline).read(&steps, &effects)).await
    }
}

/// Why a read ends.
enum ReadEnd {
    Failed(io::Error),
    Omitted(ReadOmission),
}

impl From<io::Error> for ReadEnd {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// The state as a step sees it.
struct TransactionReader<'a> {
    reader: &'a StateReader,
    at: Revision,
    steps: Steps,
    /// The room that is left in the response.
    bytes: usize,
    /// The keys that steps have changed; `None` for those that were deleted.
    changed: BTreeMap<Key, Option<Entry>>,
    /// Ranges of which no key is left but those in `changed`.
    deleted: Vec<KeyRange>,
}

impl<'a> TransactionReader<'a> {
    fn new(reader: &'a StateReader, at: Revision, deadline: Instant) -> Self {
        let steps = Steps { left: STEPS_MAX, deadline };
        Self { reader, at, steps, bytes: RANGE_BYTES_MAX, changed: BTreeMap::new(), deleted: Vec::new() }
    }

    fn read(mut self, steps: &[Step], effects: &[StepEffect]) -> io::Result<Vec<StepRead>> {
        let last = steps.iter().rposition(Step::reads).map_or(0, |last| last + 1);
        let mut reads = Vec::new();
        let mut omitted = None;
        for (step, effect) in steps[..last].iter().zip(effects) {
            let read = match omitted {
                // Later reads may depend on it.
                Some(why) => Err(ReadEnd::Omitted(why)),
                None => self.take(step, effect),
            };
            match read {
                Ok(read) => reads.extend(read),
                Err(ReadEnd::Failed(error)) => return Err(error),
                Err(ReadEnd::Omitted(why)) => {
                    if why != ReadOmission::NoRoom {
                        omitted = Some(why);
                    }
                    reads.extend(step.reads().then_some(StepRead::Omitted(why)));
                }
            }
        }
        Ok(reads)
    }

    /// Reads, or lays an effect over the state.
    fn take(&mut self, step: &Step, effect: &StepEffect) -> Result<Option<StepRead>, ReadEnd> {
        match (step, effect) {
            (Step::Get(_) | Step::Range { .. }, _) if self.bytes == 0 => {
                return Err(ReadEnd::Omitted(ReadOmission::NoRoom));
            }
            (Step::Get(key), _) => {
                let entry = self.entry(key, true)?;
                self.reserve(key, entry.as_ref())?;
                return Ok(Some(StepRead::Entry(entry)));
            }
            (Step::Range { range, limit, keys_only }, _) => {
                let RevisionPage { entries, upto } = self.page(range.clone(), *limit, *keys_only)?;
                return Ok(Some(StepRead::Page { entries, upto }));
            }
            (Step::Set(key, value), StepEffect::Changed(previous)) => self.set(key, value, *previous)?,
            (Step::Add { key, .. }, StepEffect::Added { sum, previous }) => {
                let value = Value::new(sum.to_string()).map_err(io::Error::other)?;
                self.set(key, &value, *previous)?;
            }
            (Step::Delete(key), _) => drop(self.changed.insert(key.clone(), None)),
            (Step::DeleteRange { range, .. }, StepEffect::RangeDeleted { rest, .. }) => {
                let end = rest.as_ref().map(Key::as_bytes).or(range.to());
                let deleted = KeyRange::between(range.from(), end);
                for (key, entry) in &mut self.changed {
                    if deleted.contains(key) {
                        *entry = None;
                    }
                }
                self.deleted.push(deleted);
            }
            _ => {
                return Err(
                    io::Error::other("the effects of a transaction are not those of its steps").into()
                );
            }
        }
        Ok(None)
    }

    fn set(&mut self, key: &Key, value: &Value, previous: Option<Revision>) -> Result<(), ReadEnd> {
        let old = match previous {
            Some(_) => self.entry(key, false)?,
            None => None,
        };
        let (created, version) = old.map_or((self.at, 0), |old| (old.created, old.version));
        let version = version.saturating_add(1);
        let entry = Entry { value: value.clone(), created, modified: self.at, version };
        self.changed.insert(key.clone(), Some(entry));
        Ok(())
    }

    fn is_changed(&self, key: &Key) -> bool {
        self.changed.contains_key(key) || self.deleted.iter().any(|range| range.contains(key))
    }

    /// The entry of a key, without its value if that is not wanted.
    fn entry(&mut self, key: &Key, with_value: bool) -> Result<Option<Entry>, ReadEnd> {
        if self.is_changed(key) {
            return Ok(self.changed.get(key).cloned().flatten());
        }
        let read = PastRead::new(self.before(), with_value);
        match self.reader.read_past(key, read, &mut self.steps)? {
            Some(AtRevision::Found(entry)) => Ok(entry),
            Some(AtRevision::Compacted(_)) => Err(ReadEnd::Omitted(ReadOmission::Compacted)),
            None => Err(ReadEnd::Omitted(ReadOmission::Late)),
        }
    }

    /// The revision before the transaction.
    fn before(&self) -> Revision {
        planted!("transaction-read-late", return self.at);
        Revision(self.at.0.saturating_sub(1))
    }

    /// Takes room for an entry in the response. The last one that has any may exceed it.
    fn reserve(&mut self, key: &Key, entry: Option<&Entry>) -> Result<(), ReadEnd> {
        if self.bytes == 0 {
            return Err(ReadEnd::Omitted(ReadOmission::NoRoom));
        }
        let value = entry.map_or(0, |entry| entry.value.as_bytes().len());
        self.bytes = self.bytes.saturating_sub(ENTRY_BYTES + key.as_bytes().len() + value);
        Ok(())
    }

    fn page(&mut self, mut range: KeyRange, limit: u32, keys_only: bool) -> Result<RevisionPage, ReadEnd> {
        let limit = if limit == 0 { RANGE_KEYS_MAX } else { limit.min(RANGE_KEYS_MAX) } as usize;
        let read = PastRead::new(self.before(), !keys_only);
        let mut page = RevisionPage::default();
        if range.is_empty() {
            return Ok(page);
        }
        loop {
            let stored = match self.reader.read_past_page(range.clone(), limit, read, &mut self.steps)? {
                Some(AtRevision::Found(page)) => page,
                Some(AtRevision::Compacted(_)) => return Err(ReadEnd::Omitted(ReadOmission::Compacted)),
                None => return Err(ReadEnd::Omitted(ReadOmission::Late)),
            };
            for (key, entry) in self.merged(&range, stored.entries, stored.upto.as_ref(), keys_only) {
                if page.entries.len() == limit || self.reserve(&key, Some(&entry)).is_err() {
                    return match page.entries.last() {
                        Some((last, _)) => Ok(RevisionPage { upto: Some(last.clone()), ..page }),
                        None => Err(ReadEnd::Omitted(ReadOmission::NoRoom)),
                    };
                }
                page.entries.push((key, entry));
            }
            let is_full = page.entries.len() == limit;
            match (stored.upto, page.entries.last()) {
                // After it there may be keys that earlier steps have deleted.
                (Some(_), Some((last, _))) if is_full => {
                    return Ok(RevisionPage { upto: Some(last.clone()), ..page });
                }
                (Some(upto), _) if self.steps.left > 0 => range = range.after(&upto),
                (upto, _) => return Ok(RevisionPage { upto, ..page }),
            }
        }
    }

    /// The keys of a range up to one, with the effects of steps.
    fn merged(
        &self,
        range: &KeyRange,
        stored: Vec<(Key, Entry)>,
        upto: Option<&Key>,
        keys_only: bool,
    ) -> Vec<(Key, Entry)> {
        let mut entries: Vec<_> = stored.into_iter().filter(|(key, _)| !self.is_changed(key)).collect();
        let is_here = |key: &Key| range.contains(key) && upto.is_none_or(|upto| key <= upto);
        let changed = self.changed.iter().filter(|(key, _)| is_here(key));
        entries.extend(changed.filter_map(|(key, entry)| {
            let mut entry = entry.clone()?;
            if keys_only {
                entry.value = Value::default();
            }
            Some((key.clone(), entry))
        }));
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        entries
    }
}
