//! The domain: what a command does to the state.
//!
//! Pure and synchronous: the same commands give the same tables, byte for
//! byte, on every node. So this module knows no clock (times come stamped into
//! the command), no randomness, no task or thread, no consensus library and no
//! network; only the state in layers, which somebody else gives it and folds
//! into a database.
//!
//! The invariants that it guards:
//!
//! - a batch takes effect as one, and only if all its conditions held before it;
//! - a request takes effect at most once, however often it is proposed;
//! - no record is used whose checksum does not match.

mod base;
mod batch;
mod digest;
mod hash;
mod layers;
mod layout;
mod memory;
#[cfg(test)]
mod model;
mod nodes;
mod overlay;
mod requests;
mod tables;
mod view;

use coffee_common::{
    command::{Command, Outcome, Proposal},
    id::Revision,
};

use self::requests::Recall;
pub use self::{
    base::{Base, RowIter},
    digest::Digest,
    hash::state_hash,
    layers::Layers,
    layout::{KvError, check_row},
    memory::RequestMemory,
    nodes::introduce,
    overlay::Overlay,
    tables::{MetaKey, Rows, Table, Tables, check_format, create_tables, note_meta, prepare},
    view::Page,
};

/// Applies the entry at log index `at`, and says what came of it.
///
/// A proposal that carries a request id is first looked up in the memory of
/// requests, so that trying a write again answers what came of it the first
/// time. After an error neither state nor memory must be used further.
pub fn apply(tables: &mut Tables<'_>, at: Revision, proposal: &Proposal) -> Result<Outcome, KvError> {
    let Some(request) = &proposal.request else { return execute(tables, at, proposal) };
    let digest = requests::digest(&proposal.command)?;
    match requests::recall(tables, at, request, digest)? {
        Recall::Settled(outcome) => Ok(outcome),
        Recall::New => {
            let outcome = execute(tables, at, proposal)?;
            requests::remember(tables, at, request, digest, &outcome)?;
            Ok(outcome)
        }
    }
}

fn execute(tables: &mut Tables<'_>, at: Revision, proposal: &Proposal) -> Result<Outcome, KvError> {
    match &proposal.command {
        Command::Batch(batch) => batch::execute(tables, at, batch),
        Command::AdmitNode { name, address } => {
            nodes::admit(tables, at, name, address, proposal.proposed_at_ms)
        }
        Command::SetNodeState { name, id, standing } => {
            nodes::mark(tables, name, *id, *standing, proposal.proposed_at_ms)
        }
    }
}
