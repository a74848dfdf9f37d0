//! Transactions: conditions, and the steps of the branch that they choose.
//!
//! Guards that a transaction takes effect as a whole or not at all: its steps are taken on a view over the
//! state, and their changes are written once all have succeeded. The values that its steps only read are not
//! read here: the node that answers reads them as of the revision before, so that a retry is answered alike. The rows
//! and bytes that it looks at are bounded.

#[cfg(test)]
pub(crate) mod model;

use std::{cmp::Ordering, collections::BTreeMap, ops::Bound};

use coffee_common::{
    command::{Outcome, Proposal},
    id::Revision,
    key::{Key, KeyRange, Value},
    limits::{BATCH_BYTES_MAX, DELETE_ROWS_MAX, DELETED_BYTES, DELETED_KEYS_MAX},
    transaction::{Check, Relation, Step, StepEffect, Transaction, TransactionFailure, TransactionPart},
};

use super::{
    batch::{deleted_at, live_head, replace, set_head},
    error::KvError,
    heads::WHOLE_BYTES_MAX,
    history::RecordedChanges,
    range::bounds,
    row::entry::{self, HEAD_BYTES_MAX, RowHead, ValuePlace},
    table::Table,
    tables::Tables,
};

/// The longest number in decimal: with more zeros, it is not taken for one.
const NUMBER_BYTES_MAX: usize = 20;

/// The result of a part of a transaction, unless it makes the whole fail.
type Part<T> = Result<Result<T, TransactionFailure>, KvError>;

/// Executes a transaction.
pub(super) fn execute(
    tables: &mut Tables<'_>,
    at: Revision,
    proposal: &Proposal,
    transaction: &Transaction,
) -> Result<Outcome, KvError> {
    if tables.history().is_none() {
        // It is proposed only where there is one.
        return Ok(Outcome::Nothing);
    }
    let failed = |part, why| Ok(Outcome::TransactionFailed { part, why });
    let mut view = TransactionView::new(tables, at);
    let mut then = true;
    for (check, place) in transaction.conditions.iter().zip(0..) {
        match view.holds(check)? {
            Ok(holds) => then &= holds,
            Err(why) => return failed(TransactionPart::Condition(place), why),
        }
        if !then {
            break;
        }
    }
    let steps = transaction.branch(then);
    let mut effects = Vec::with_capacity(steps.len());
    for (step, place) in steps.iter().zip(0..) {
        match view.take(step)? {
            Ok(effect) => effects.push(effect),
            Err(why) if then => return failed(TransactionPart::Then(place), why),
            Err(why) => return failed(TransactionPart::Otherwise(place), why),
        }
    }
    let changed = view.changed;
    tables.make_room_for_changes()?;
    let mut changes = RecordedChanges::default();
    for (key, new) in &changed {
        replace(tables, at, key, new.as_ref().map(|(head, value)| (*head, value)), &mut changes)?;
    }
    tables.record_changes(at, proposal, &changes)?;
    Ok(Outcome::Transacted { revision: at, then, effects })
}

/// The state with the changes of the steps that were taken.
struct TransactionView<'view, 'state> {
    tables: &'view Tables<'state>,
    at: Revision,
    /// The keys that were changed; `None` for those that were deleted.
    changed: BTreeMap<Key, Option<(RowHead, Value)>>,
    /// The bytes of values that may still be compared.
    compared_bytes: usize,
    /// The rows of ranges that may still be looked at.
    rows: u32,
    /// The keys of ranges that may still be deleted, and the bytes of their rows.
    deleted_keys: u32,
    deleted_bytes: usize,
}

impl<'view, 'state> TransactionView<'view, 'state> {
    fn new(tables: &'view Tables<'state>, at: Revision) -> Self {
        Self {
            tables,
            at,
            changed: BTreeMap::new(),
            compared_bytes: BATCH_BYTES_MAX,
            rows: DELETE_ROWS_MAX,
            deleted_keys: DELETED_KEYS_MAX,
            deleted_bytes: DELETED_BYTES,
        }
    }

    /// Evaluates a condition, before any step.
    fn holds(&mut self, check: &Check) -> Part<bool> {
        let number = |key: &Key, of: fn(&RowHead) -> u64| -> Result<u64, KvError> {
            Ok(live_head(self.tables, key)?.map_or(0, |head| of(&head)))
        };
        Ok(Ok(match check {
            Check::Value(key, relation, value) => return self.value_holds(key, *relation, value),
            Check::Modified(key, relation, revision) => {
                relation.holds(number(key, |head| head.modified.0)?.cmp(&revision.0))
            }
            Check::Created(key, relation, revision) => {
                relation.holds(number(key, |head| head.created.0)?.cmp(&revision.0))
            }
            Check::Version(key, relation, version) => {
                relation.holds(number(key, |head| head.version)?.cmp(version))
            }
            Check::Present(key) => live_head(self.tables, key)?.is_some(),
            Check::Absent(key) => live_head(self.tables, key)?.is_none(),
            Check::Empty(range) => return self.is_empty(range),
            Check::Deleted(key, revision) => deleted_at(self.tables, key)? == Some(*revision),
        }))
    }

    fn value_holds(&mut self, key: &Key, relation: Relation, value: &Value) -> Part<bool> {
        let Some(row) = self.tables.head(key.as_bytes())? else { return Ok(Ok(false)) };
        let head = entry::decode_head(key.as_bytes(), row.get())?;
        let bytes = match head.place {
            ValuePlace::Deleted => return Ok(Ok(false)),
            ValuePlace::Inline => row.len(),
            ValuePlace::Elsewhere(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        };
        // A value of another length is another one, and need not be read.
        let differs = match head.place {
            ValuePlace::Elsewhere(_) => bytes != value.as_bytes().len(),
            _ => bytes > value.as_bytes().len() + HEAD_BYTES_MAX,
        };
        match relation {
            Relation::Equal if differs => return Ok(Ok(false)),
            Relation::NotEqual if differs => return Ok(Ok(true)),
            _ => {}
        }
        match self.compared_bytes.checked_sub(bytes) {
            Some(left) => self.compared_bytes = left,
            None => return Ok(Err(TransactionFailure::ValuesTooLong)),
        }
        let found = self.tables.store().get(key)?;
        Ok(Ok(found.is_some_and(|found| relation.holds(found.value.as_bytes().cmp(value.as_bytes())))))
    }

    fn is_empty(&mut self, range: &KeyRange) -> Part<bool> {
        if range.is_empty() {
            return Ok(Ok(true));
        }
        for row in self.tables.store().rows_from(Table::Keys, bounds(range))? {
            let (key, row) = row?;
            if entry::decode_head(key.get(), row.get())?.is_live() {
                return Ok(Ok(false));
            }
            match self.rows.checked_sub(1) {
                Some(left) => self.rows = left,
                None => return Ok(Err(TransactionFailure::TooManyKeys)),
            }
        }
        Ok(Ok(true))
    }

    /// Takes a step.
    fn take(&mut self, step: &Step) -> Part<StepEffect> {
        Ok(Ok(match step {
            Step::Get(_) | Step::Range { .. } => StepEffect::Read,
            Step::Set(key, value) => StepEffect::Changed(self.set(key, value.clone())?),
            Step::Delete(key) => {
                let previous = self.head(key)?.map(|head| head.modified);
                self.changed.insert(key.clone(), None);
                StepEffect::Changed(previous)
            }
            Step::DeleteRange { range, limit } => return self.delete_range(range, *limit),
            Step::Add { key, by, min, max } => {
                let number = match self.number(key)? {
                    Ok(number) => number,
                    Err(why) => return Ok(Err(why)),
                };
                let by = if planted!("counted-twice") { 2 * by } else { *by };
                let Some(sum) = number.checked_add(by).filter(|sum| (min..=max).contains(&sum)) else {
                    return Ok(Err(TransactionFailure::OutOfBounds(number)));
                };
                let value = Value::new(sum.to_string())
                    .map_err(|_| KvError::damaged(Table::Keys, "a number is too long"))?;
                StepEffect::Added { sum, previous: self.set(key, value)? }
            }
        }))
    }

    /// Sets a key, and returns its revision before.
    fn set(&mut self, key: &Key, value: Value) -> Result<Option<Revision>, KvError> {
        let old = self.head(key)?;
        self.changed.insert(key.clone(), Some((set_head(self.at, old.as_ref()), value)));
        Ok(old.map(|head| head.modified))
    }

    fn head(&self, key: &Key) -> Result<Option<RowHead>, KvError> {
        match self.changed.get(key) {
            Some(changed) => Ok(changed.as_ref().map(|(head, _)| *head)),
            None => live_head(self.tables, key),
        }
    }

    /// The number that a key has as its value.
    fn number(&self, key: &Key) -> Part<i64> {
        let parsed = |value: &[u8]| {
            let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= NUMBER_BYTES_MAX);
            text.and_then(|text| text.parse().ok()).ok_or(TransactionFailure::NotANumber)
        };
        match self.changed.get(key) {
            Some(None) => return Ok(Ok(0)),
            Some(Some((_, value))) => return Ok(parsed(value.as_bytes())),
            None => {}
        }
        let name = key.as_bytes();
        let Some(row) = self.tables.head(name)? else { return Ok(Ok(0)) };
        // A long row, of which this replica may know the head alone, has no number.
        if row.len() > WHOLE_BYTES_MAX {
            return Ok(Err(TransactionFailure::NotANumber));
        }
        let (head, value) = entry::decode(name, row.get())?;
        Ok(match head.place {
            ValuePlace::Deleted => Ok(0),
            ValuePlace::Inline => parsed(value),
            ValuePlace::Elsewhere(_) => Err(TransactionFailure::NotANumber),
        })
    }

    /// Deletes keys of a range in their order: at most `limit`, or else all.
    fn delete_range(&mut self, range: &KeyRange, limit: u32) -> Part<StepEffect> {
        let nothing = StepEffect::RangeDeleted { count: 0, rest: None };
        if range.is_empty() {
            return Ok(Ok(nothing));
        }
        let (doomed, rest) = self.keys_to_delete(range, if limit == 0 { u32::MAX } else { limit })?;
        if limit == 0 && rest.is_some() {
            return Ok(Err(TransactionFailure::TooManyKeys));
        }
        let count = doomed.len() as u32;
        self.changed.extend(doomed.into_iter().map(|key| (key, None)));
        Ok(Ok(StepEffect::RangeDeleted { count, rest }))
    }

    /// The first keys of a range, and the first one that may not be looked at or deleted any more.
    fn keys_to_delete(&mut self, range: &KeyRange, limit: u32) -> Result<(Vec<Key>, Option<Key>), KvError> {
        let (from, to) = bounds(range);
        let mut stored = self.tables.store().rows_from(Table::Keys, (from, to))?;
        let mut changed = self.changed.iter().skip_while(|(key, _)| !range.contains(key)).peekable();
        let mut next_stored = stored.next().transpose()?;
        let (mut doomed, mut left) = (Vec::new(), limit.min(self.deleted_keys));
        let rest = loop {
            let next_changed = changed.peek().filter(|(key, _)| is_before(key, to));
            let order = match (&next_stored, next_changed) {
                (Some((stored, _)), Some((changed, _))) => stored.get().cmp(changed.as_bytes()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break None,
            };
            // The change of a step takes the place of the stored row.
            let (key, bytes) = match (&next_stored, next_changed) {
                (Some((key, row)), _) if order.is_lt() => {
                    let is_live = entry::decode_head(key.get(), row.get())?.is_live();
                    let key = entry::decode_key(Table::Keys, key.get())?;
                    let bytes = key.as_bytes().len() + row.len();
                    (key, is_live.then_some(bytes))
                }
                (_, Some((key, state))) => ((*key).clone(), state.as_ref().map(|_| key.as_bytes().len())),
                _ => break None,
            };
            // The first row may exceed the bytes.
            let is_full =
                |bytes| left == 0 || (bytes > self.deleted_bytes && self.deleted_bytes < DELETED_BYTES);
            if self.rows == 0 || bytes.is_some_and(is_full) {
                break Some(key);
            }
            self.rows -= 1;
            if let Some(bytes) = bytes {
                left -= 1;
                self.deleted_bytes = self.deleted_bytes.saturating_sub(bytes);
                doomed.push(key);
            }
            if order.is_le() {
                next_stored = stored.next().transpose()?;
            }
            if order.is_ge() {
                changed.next();
            }
        };
        self.deleted_keys -= doomed.len() as u32;
        Ok((doomed, rest))
    }
}

fn is_before(key: &Key, end: Bound<&[u8]>) -> bool {
    match end {
        Bound::Excluded(end) => key.as_bytes() < end,
        Bound::Included(end) => key.as_bytes() <= end,
        Bound::Unbounded => true,
    }
}
