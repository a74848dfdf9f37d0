//! Batches of operations on keys.
//!
//! Guards that a batch takes effect as a whole: all its conditions are evaluated
//! on the state before it, ahead of the first operation.

use super::{
    error::KvError,
    row::format::{RowHeader, decode_header, encode_entry},
    table::Table,
    tables::Tables,
};
use coffee_common::{
    command::{Batch, Condition, Effect, Operation, Outcome},
    id::Revision,
    key::{Key, Value},
};

/// Executes the operations of a batch if its conditions hold.
pub(super) fn execute(tables: &mut Tables<'_>, at: Revision, batch: &Batch) -> Result<Outcome, KvError> {
    if let Some(condition_false) = first_false_condition(tables, &batch.conditions)? {
        return Ok(condition_false);
    }
    let effects = batch.operations.iter().map(|operation| operate(tables, at, operation));
    Ok(Outcome::Applied { revision: at, effects: effects.collect::<Result<_, _>>()? })
}

fn first_false_condition(tables: &Tables<'_>, conditions: &[Condition]) -> Result<Option<Outcome>, KvError> {
    for (condition, position) in conditions.iter().zip(0..) {
        let actual = header(tables, condition.key())?.map(|header| header.modified);
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
    Ok(Effect { previous: previous.map(|header| header.modified) })
}

fn set(
    tables: &mut Tables<'_>,
    at: Revision,
    key: &Key,
    value: &Value,
) -> Result<Option<RowHeader>, KvError> {
    let bytes = key.as_str().as_bytes();
    tables.put(Table::Keys, bytes, |old, row| {
        let previous = old.map(|old| decode_header(bytes, old)).transpose()?;
        let next = match previous {
            Some(header) => RowHeader { modified: at, version: header.version.saturating_add(1), ..header },
            None => RowHeader { created: at, modified: at, version: 1 },
        };
        encode_entry(row, key, next, value.as_bytes());
        Ok(previous)
    })
}

fn delete(tables: &mut Tables<'_>, key: &Key) -> Result<Option<RowHeader>, KvError> {
    let key = key.as_str().as_bytes();
    tables.take(Table::Keys, key, |old| decode_header(key, old))
}

fn header(tables: &Tables<'_>, key: &Key) -> Result<Option<RowHeader>, KvError> {
    let key = key.as_str().as_bytes();
    let row = tables.head(key)?;
    row.map(|row| decode_header(key, row.get())).transpose()
}
