//! Batches of operations on keys.
//!
//! Guards that a batch takes effect as a whole: all its conditions are evaluated
//! on the state before it, ahead of the first operation. The history has one change of a key for each
//! batch, from the state before it to the state after it.

use std::collections::BTreeMap;

use coffee_common::{
    command::{Batch, Condition, Effect, Operation, Outcome, Proposal},
    id::Revision,
    key::{Key, Value},
};

use super::{
    error::KvError,
    history::RecordedChanges,
    row::{
        changes::{Before, KeptValue, KeyChange, KeyVersion},
        entry::{self, INLINE_BYTES_MAX, RowHead, ValuePlace},
        values,
    },
    store::RowBytes,
    table::Table,
    tables::Tables,
};

/// Executes the operations of a batch if its conditions hold.
pub(super) fn execute(
    tables: &mut Tables<'_>,
    at: Revision,
    proposal: &Proposal,
    batch: &Batch,
) -> Result<Outcome, KvError> {
    if let Some(condition_false) = first_false_condition(tables, &batch.conditions)? {
        return Ok(condition_false);
    }
    let effects = match tables.history() {
        Some(_) => change(tables, at, proposal, &batch.operations)?,
        None => {
            let operate = |operation| operate_without_history(tables, at, operation);
            batch.operations.iter().map(operate).collect::<Result<_, _>>()?
        }
    };
    Ok(Outcome::Applied { revision: at, effects })
}

fn first_false_condition(tables: &Tables<'_>, conditions: &[Condition]) -> Result<Option<Outcome>, KvError> {
    for (condition, position) in conditions.iter().zip(0..) {
        let actual = live_head(tables, condition.key())?.map(|head| head.modified);
        let holds = match condition {
            Condition::RevisionIs(_, revision) => actual == Some(*revision),
            Condition::Absent(_) => actual.is_none(),
            Condition::Present(_) => actual.is_some(),
        };
        if !holds {
            return Ok(Some(Outcome::ConditionFalse { condition: position, actual }));
        }
    }
    Ok(None)
}

/// The head of a key that is there.
pub(super) fn live_head(tables: &Tables<'_>, key: &Key) -> Result<Option<RowHead>, KvError> {
    let key = key.as_bytes();
    let Some(row) = tables.head(key)? else { return Ok(None) };
    Ok(Some(entry::decode_head(key, row.get())?).filter(RowHead::is_live))
}

/// The revision that deleted a key, if it is not there and the history has its deletion.
pub(super) fn deleted_at(tables: &Tables<'_>, key: &Key) -> Result<Option<Revision>, KvError> {
    let key = key.as_bytes();
    let Some(row) = tables.head(key)? else { return Ok(None) };
    let head = entry::decode_head(key, row.get())?;
    Ok((!head.is_live()).then_some(head.modified))
}

/// The head of a key that is set at `at`; `old` is that of the key if it is there.
pub(super) fn set_head(at: Revision, old: Option<&RowHead>) -> RowHead {
    let (created, version) = old.map_or((at, 0), |old| (old.created, old.version));
    RowHead {
        created,
        modified: at,
        version: version.saturating_add(1),
        prev: Revision(0),
        place: ValuePlace::Inline,
    }
}

fn effect(previous: Option<&RowHead>) -> Effect {
    Effect { previous: previous.map(|head| head.modified) }
}

/// As every build of the first level does it.
fn operate_without_history(
    tables: &mut Tables<'_>,
    at: Revision,
    operation: &Operation,
) -> Result<Effect, KvError> {
    let key = operation.key().as_bytes();
    let previous = match operation {
        Operation::Set(_, value) => tables.put(Table::Keys, key, |old, row| {
            let previous = old.map(|old| entry::decode_head(key, old)).transpose()?;
            entry::encode_old(row, key, &set_head(at, previous.as_ref()), value.as_bytes());
            Ok(previous)
        })?,
        Operation::Delete(_) => tables.take(Table::Keys, key, |old| entry::decode_head(key, old))?,
    };
    Ok(effect(previous.as_ref()))
}

/// Carries out operations, and records the changes.
fn change(
    tables: &mut Tables<'_>,
    at: Revision,
    proposal: &Proposal,
    operations: &[Operation],
) -> Result<Vec<Effect>, KvError> {
    tables.make_room_for_changes()?;
    let mut last: BTreeMap<&Key, usize> = BTreeMap::new();
    if operations.len() > 1 {
        last.extend(operations.iter().map(Operation::key).zip(0..));
    }
    // The states of keys of which there is another operation.
    let mut between: BTreeMap<&Key, Option<RowHead>> = BTreeMap::new();
    let mut changes = RecordedChanges::default();
    let mut effects = Vec::with_capacity(operations.len());
    for (operation, place) in operations.iter().zip(0..) {
        let key = operation.key();
        let old = match between.get(key) {
            Some(head) => *head,
            None => live_head(tables, key)?,
        };
        let new = match operation {
            Operation::Set(..) => Some(set_head(at, old.as_ref())),
            Operation::Delete(_) => None,
        };
        effects.push(effect(old.as_ref()));
        match last.get(key).is_none_or(|last| *last == place) {
            false => drop(between.insert(key, new)),
            true => {
                let value = match operation {
                    Operation::Set(_, value) => Some(value),
                    Operation::Delete(_) => None,
                };
                replace(tables, at, key, new.zip(value), &mut changes)?;
            }
        }
    }
    tables.record_changes(at, proposal, &changes)?;
    Ok(effects)
}

/// Replaces the state of a key by `new`, or deletes the key.
pub(super) fn replace(
    tables: &mut Tables<'_>,
    at: Revision,
    key: &Key,
    new: Option<(RowHead, &Value)>,
    changes: &mut RecordedChanges,
) -> Result<(), KvError> {
    let key = key.as_bytes();
    let value = new.map_or(&[][..], |(_, value)| value.as_bytes());
    let is_long = value.len() > INLINE_BYTES_MAX;
    let kept = if is_long { KeptValue::Elsewhere(value.len() as u64) } else { KeptValue::Here(value) };
    let after = new.map(|(head, _)| KeyVersion { created: head.created, version: head.version, value: kept });
    // Of a long row in the first format, whose value is in it, only the head may be known.
    let old = match tables.head(key)? {
        Some(RowBytes::Head(head, bytes)) if head.len() < bytes => tables.store().row(Table::Keys, key)?,
        known => known,
    };
    let (before, prev, moved) = match &old {
        None => (Before::Nothing, Revision(0), None),
        Some(row) => before(tables, at, key, row.get())?,
    };
    if after.is_none() && matches!(before, Before::Nothing | Before::Deleted(_)) {
        return Ok(());
    }
    changes.push(at, &KeyChange { key, after, before });
    drop(old);
    tables.note_changed(at, key);
    if let Some(value) = moved {
        tables.put_value(&values::key(key, prev), &value);
    }
    if is_long {
        tables.put_value(&values::key(key, at), value);
    }
    if new.is_none() && planted!("tombstone-dropped-early") {
        return tables.take(Table::Keys, key, |_| Ok(())).map(drop);
    }
    let head = match new {
        Some((head, _)) if is_long => {
            RowHead { prev, place: ValuePlace::Elsewhere(value.len() as u64), ..head }
        }
        Some((head, _)) => RowHead { prev, ..head },
        None => RowHead { created: Revision(0), modified: at, version: 0, prev, place: ValuePlace::Deleted },
    };
    tables.put(Table::Keys, key, |_, row| {
        entry::encode(row, key, &head, value);
        Ok(())
    })
}

type BeforeChange<'row> = (Before<'row>, Revision, Option<Vec<u8>>);

/// The state of a key before a change at `at`, from its row; the revision that made it; and its value if
/// that must move out of the row.
fn before<'row>(
    tables: &Tables<'_>,
    at: Revision,
    key: &[u8],
    row: &'row [u8],
) -> Result<BeforeChange<'row>, KvError> {
    let (head, value) = entry::decode(key, row)?;
    let prev = head.modified;
    if prev >= at {
        return Err(KvError::damaged(Table::Keys, "it is of this revision or a later one"));
    }
    let version = |value| KeyVersion { created: head.created, version: head.version, value };
    let in_chunk = tables.history().is_some_and(|extent| extent.is_in_open_chunk(prev));
    Ok(match head.place {
        ValuePlace::Deleted => (Before::Deleted(prev), prev, None),
        ValuePlace::Elsewhere(bytes) => {
            (Before::Version(prev, version(KeptValue::Elsewhere(bytes))), prev, None)
        }
        ValuePlace::Inline if in_chunk => (Before::InChunk(prev), prev, None),
        ValuePlace::Inline if value.len() > INLINE_BYTES_MAX => {
            let elsewhere = version(KeptValue::Elsewhere(value.len() as u64));
            (Before::Version(prev, elsewhere), prev, Some(value.to_vec()))
        }
        ValuePlace::Inline => (Before::Version(prev, version(KeptValue::Here(value))), prev, None),
    })
}
