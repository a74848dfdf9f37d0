//! Whether a log is whole: read once, before any of it is served.

use redb::{Database, ReadableDatabase, ReadableTable};
use serde::de::DeserializeOwned;

use super::{rows, view::View};
use crate::{
    storage::record::{LogIdRecord, VoteRecord},
    types::LogId,
};

/// Why a log cannot be used.
pub(super) enum Fault {
    /// It is not what was written.
    Damage(String),
    /// The database failed.
    Database(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

/// Reads all of it: each entry whole, in its place, and none missing.
pub(super) fn check(database: &Database) -> Result<View, Fault> {
    let transaction = database.begin_read()?;
    let meta = transaction.open_table(rows::META)?;
    let vote: Option<VoteRecord> = read_meta(&meta, rows::VOTE)?;
    let committed: Option<LogIdRecord> = read_meta(&meta, rows::COMMITTED)?;
    let purged = read_meta::<LogIdRecord>(&meta, rows::PURGED)?.map(LogId::from);
    let last = check_entries(&transaction.open_table(rows::ENTRIES)?, purged)?.or(purged);
    // The vote is durable before any entry of its term.
    let term = vote.map_or(0, |vote| vote.leader.term);
    if let Some(last) = last.filter(|last| last.leader_id.term > term) {
        return Err(Fault::Damage(format!("the vote is for term {term}, but the log goes up to {last}")));
    }
    Ok(View::opened(vote.map(Into::into), committed.map(Into::into), purged, last))
}

/// The last entry, if there are any.
fn check_entries(
    entries: &impl ReadableTable<u64, &'static [u8]>,
    purged: Option<LogId>,
) -> Result<Option<LogId>, Fault> {
    let damage = |index: u64, what: &str| Fault::Damage(format!("log entry {index}: {what}"));
    let mut last: Option<LogId> = None;
    let first = purged.map_or(0, |purged| purged.index + 1);
    for (expected, row) in (first..).zip(entries.iter()?) {
        let (index, row) = row?;
        if index.value() != expected {
            return Err(damage(expected, "it is missing"));
        }
        let entry =
            rows::open_entry(expected, row.value()).map_err(|error| damage(expected, &error.to_string()))?;
        if last.is_some_and(|last| last.leader_id > entry.log_id.leader_id) {
            return Err(damage(expected, "it is of an earlier term than the one before"));
        }
        last = Some(entry.log_id);
    }
    Ok(last)
}

fn read_meta<T: DeserializeOwned>(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &'static str,
) -> Result<Option<T>, Fault> {
    let Some(row) = meta.get(name)? else { return Ok(None) };
    match rows::open_meta(name, row.value()) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(Fault::Damage(format!("the {name}: {error}"))),
    }
}
