//! The state machine: what a command does to the state.
//!
//! Pure and synchronous: the same commands produce the same tables, byte for
//! byte, on every node. This module knows no clock (commands carry their time),
//! no randomness, no task or thread, no consensus library and no network. The
//! caller gives it the state as a [`Store`] and flushes it to a database.
//!
//! Guards these invariants:
//!
//! - a batch takes effect as a whole, and only if all its conditions held before it;
//! - a request takes effect at most once, however often it is proposed;
//! - no record is used whose checksum does not match.
//!
//! The files in layers, from the bottom: `table` (names) <- `row` (bytes) <-
//! `db_snapshot`, `memtable`, `store`, `memory`, `digest`, `extent` (what is kept) <- `heads`,
//! `tables` (the only writer) <- `history` <- `batch` <- `transaction`, and `level`, `nodes`, `requests`,
//! `revocations`, `settings` (commands). Reads are in `view`, `range`, `past` and `changes`.

mod batch;
mod changes;
mod db_snapshot;
mod digest;
mod error;
mod extent;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod heads;
mod history;
mod level;
mod memory;
mod memtable;
#[cfg(test)]
mod model_tests;
mod nodes;
mod past;
mod range;
mod requests;
mod revocations;
mod row;
mod schema;
mod settings;
mod store;
mod table;
mod tables;
mod transaction;
mod view;

use coffee_common::{
    command::{Command, Outcome, Proposal},
    feature_level::LEVEL_MAX,
    id::Revision,
};

use self::requests::Recall;
#[cfg(test)]
pub(crate) use self::transaction::model as transaction_model;
pub use self::{
    changes::{ChangeFilter, ChangePage, ChangesRead, ReadChange},
    db_snapshot::{DbSnapshot, RowIter},
    digest::{Digest, content_hash},
    error::KvError,
    extent::HistoryExtent,
    heads::{HeadsRead, RowHeads},
    level::begin_level,
    memory::RequestMemory,
    memtable::MemTable,
    nodes::introduce,
    past::{AtRevision, ChangeOrigin, PastRead, PastVersion, VersionCursor, VersionRoom},
    range::{RangePage, RangeRead},
    row::{check_row, is_live_key},
    schema::{WritableTable, check_format, create_tables, note_meta, prepare},
    store::Store,
    table::{MetaKey, TABLES_FORMAT, Table},
    tables::{ChangedKey, Tables},
};

/// Applies the entry at log index `at` and returns its outcome.
///
/// A proposal with a request id is looked up in the request memory first, so
/// that a retried write returns the outcome of the first attempt.
///
/// # Errors
/// A row is damaged, or the database failed. Neither the state nor the memory
/// may be used after an error.
pub fn apply(tables: &mut Tables<'_>, at: Revision, proposal: &Proposal) -> Result<Outcome, KvError> {
    let Some(request) = &proposal.request else { return execute(tables, at, proposal) };
    let digest = requests::digest(tables, &proposal.command)?;
    match requests::recall(tables, at, request, digest)? {
        Recall::Settled(outcome) => Ok(outcome),
        Recall::New => {
            let outcome = execute(tables, at, proposal)?;
            tables.remember(at, request, digest, &outcome)?;
            Ok(outcome)
        }
    }
}

fn execute(tables: &mut Tables<'_>, at: Revision, proposal: &Proposal) -> Result<Outcome, KvError> {
    match &proposal.command {
        Command::Batch(batch) => batch::execute(tables, at, proposal, batch),
        Command::AdmitNode { name, address } => {
            nodes::admit(tables, at, name, address, proposal.proposed_at_ms)
        }
        Command::SetNodeState { name, id, standing } => {
            nodes::set_state(tables, name, *id, *standing, proposal.proposed_at_ms)
        }
        Command::SetNodeAddress { name, id, address } => nodes::set_address(tables, name, *id, address),
        Command::SetRevocationList(list) => revocations::set(tables, at, list),
        Command::AnnounceNode { name, address } => {
            nodes::announce(tables, at, name, address, proposal.proposed_at_ms)
        }
        Command::RaiseLevel(to) => level::raise(tables, at, *to, LEVEL_MAX),
        Command::ChangeSetting(change) => settings::change(tables, change),
        Command::CompactHistory(limit) => history::compact(tables, at, *limit),
        Command::Transaction(transaction) => transaction::execute(tables, at, proposal, transaction),
        #[cfg(coffee_future)]
        Command::FutureTouch(name) => nodes::touch(tables, name),
    }
}
