//! Batches of operations on keys.
//!
//! Guards that a batch takes effect as one: its conditions are judged on the
//! state before it, all of them before the first operation.

use super::{
    error::KvError,
    row::{
        self,
        format::{RowHeader, decode_header, encode_entry},
    },
    table::Table,
    tables::Tables,
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

fn set(
    tables: &mut Tables<'_>,
    at: Revision,
    key: &Key,
    value: &Value,
) -> Result<Option<RowHeader>, KvError> {
    let previous = take_out(tables, key)?;
    let next = match previous {
        Some(head) => RowHeader { modified: at, version: head.version.saturating_add(1), ..head },
        None => RowHeader { created: at, modified: at, version: 1 },
    };
    encode_entry(&mut tables.row, key, next, value.as_bytes());
    tables.store.insert(Table::Keys, key.as_str().as_bytes(), &tables.row);
    tables.digest.add(Table::Keys, key.as_str().as_bytes(), &tables.row);
    Ok(previous)
}

fn delete(tables: &mut Tables<'_>, key: &Key) -> Result<Option<RowHeader>, KvError> {
    let previous = take_out(tables, key)?;
    if previous.is_some() {
        tables.store.remove(Table::Keys, key.as_str().as_bytes());
    }
    Ok(previous)
}

/// Takes a row, which is to be replaced, out of the digest.
fn take_out(tables: &mut Tables<'_>, key: &Key) -> Result<Option<RowHeader>, KvError> {
    let key = key.as_str().as_bytes();
    let Some(row) = tables.store.row(Table::Keys, key)? else { return Ok(None) };
    let head = decode_header(key, row.get())?;
    tables.digest.subtract(row::contribution(Table::Keys, key, row.get()));
    Ok(Some(head))
}

fn head(tables: &Tables<'_>, key: &Key) -> Result<Option<RowHeader>, KvError> {
    let key = key.as_str().as_bytes();
    let row = tables.store.row(Table::Keys, key)?;
    row.map(|row| decode_header(key, row.get())).transpose()
}
