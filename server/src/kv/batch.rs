//! Batches of operations on keys.
//!
//! Guards that a batch takes effect as one: its conditions are judged on the
//! state before it, all of them before the first operation.

use super::{
    digest::number,
    layout::{Head, KvError, decode_head, encode_entry},
    tables::{Table, Tables},
};
use coffee_common::{
    command::{Batch, Condition, Effect, Operation, Outcome},
    id::Revision,
    key::{Key, Value},
};

/// Does what a batch says, if its conditions hold.
pub(super) fn execute(tables: &mut Tables<'_>, at: Revision, batch: &Batch) -> Result<Outcome, KvError> {
    if let Some(refusal) = first_false_condition(tables, &batch.conditions)? {
        return Ok(refusal);
    }
    let effects = batch.operations.iter().map(|operation| operate(tables, at, operation));
    Ok(Outcome::Applied { revision: at, effects: effects.collect::<Result<_, _>>()? })
}

fn first_false_condition(tables: &Tables<'_>, conditions: &[Condition]) -> Result<Option<Outcome>, KvError> {
    for (condition, position) in conditions.iter().zip(0..) {
        let actual = head(tables, condition.key())?.map(|head| head.modified);
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

fn operate(tables: &mut Tables<'_>, at: Revision, operation: &Operation) -> Result<Effect, KvError> {
    let previous = match operation {
        Operation::Set(key, value) => set(tables, at, key, value)?,
        Operation::Delete(key) => delete(tables, key)?,
    };
    Ok(Effect { previous: previous.map(|head| head.modified) })
}

fn set(tables: &mut Tables<'_>, at: Revision, key: &Key, value: &Value) -> Result<Option<Head>, KvError> {
    let previous = take_out(tables, key)?;
    let next = match previous {
        Some(head) => Head { modified: at, version: head.version.saturating_add(1), ..head },
        None => Head { created: at, modified: at, version: 1 },
    };
    encode_entry(&mut tables.row, key, next, value.as_bytes());
    tables.layers.insert(Table::Keys, key.as_str().as_bytes(), &tables.row);
    tables.digest.add(Table::Keys, key.as_str().as_bytes(), &tables.row);
    Ok(previous)
}

fn delete(tables: &mut Tables<'_>, key: &Key) -> Result<Option<Head>, KvError> {
    let previous = take_out(tables, key)?;
    if previous.is_some() {
        tables.layers.remove(Table::Keys, key.as_str().as_bytes());
    }
    Ok(previous)
}

/// Takes a row, which is to be replaced, out of the digest.
fn take_out(tables: &mut Tables<'_>, key: &Key) -> Result<Option<Head>, KvError> {
    let key = key.as_str().as_bytes();
    let Some(row) = tables.layers.row(Table::Keys, key)? else { return Ok(None) };
    let head = decode_head(key, row.get())?;
    tables.digest.subtract(number(Table::Keys, key, row.get()));
    Ok(Some(head))
}

fn head(tables: &Tables<'_>, key: &Key) -> Result<Option<Head>, KvError> {
    let key = key.as_str().as_bytes();
    let row = tables.layers.row(Table::Keys, key)?;
    row.map(|row| decode_head(key, row.get())).transpose()
}
