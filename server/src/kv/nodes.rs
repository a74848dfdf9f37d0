//! The records of nodes: who was ever admitted, and what became of it.
//!
//! Keyed by name. Guards that a record belongs to the latest incarnation of
//! its name: an old one can no longer be marked.

use super::{
    error::KvError,
    row::{
        self,
        nodes::{decode, encode},
    },
    store::Store,
    table::Table,
    tables::Tables,
};
use coffee_common::{
    command::{MemberState, NodeRecord, Outcome},
    id::{Address, NodeId, NodeName, Revision},
    limits::NODES_MAX,
};

/// Admits a node under the id `at`, in place of one of the same name.
pub(super) fn admit(
    tables: &mut Tables<'_>,
    at: Revision,
    name: &NodeName,
    address: &Address,
    since_ms: u64,
) -> Result<Outcome, KvError> {
    let known = find(tables.store, name)?;
    if known.is_none() && is_full(tables.store)? {
        return Ok(Outcome::TooManyNodes);
    }
    let id = NodeId(at.0);
    let id = if planted!("id-reused") { known.map_or(id, |known| known.id) } else { id };
    let (name, address) = (name.clone(), address.clone());
    write(tables, &NodeRecord { id, name, address, standing: MemberState::Joining, since_ms })?;
    Ok(Outcome::NodeAdmitted(id))
}

/// Notes what became of a node. A record that says so already keeps its time.
pub(super) fn mark(
    tables: &mut Tables<'_>,
    name: &NodeName,
    id: NodeId,
    standing: Option<MemberState>,
    since_ms: u64,
) -> Result<Outcome, KvError> {
    let Some(record) = find(tables.store, name)?.filter(|record| record.id == id) else {
        return Ok(Outcome::NodeMarked(false));
    };
    match standing {
        None => {
            take_out(tables, name)?;
            tables.store.remove(Table::Nodes, name.as_str().as_bytes());
        }
        Some(standing) if standing == record.standing => {}
        Some(standing) => write(tables, &NodeRecord { standing, since_ms, ..record })?,
    }
    Ok(Outcome::NodeStateSet(true))
}

/// Makes a record of a member whose name has none: of the node that founded
/// the cluster, which nobody admitted.
pub fn introduce(tables: &mut Tables<'_>, record: &NodeRecord) -> Result<(), KvError> {
    match find(tables.store, &record.name)? {
        None if !is_full(tables.store)? => write(tables, record),
        _ => Ok(()),
    }
}

fn find(store: &Store, name: &NodeName) -> Result<Option<NodeRecord>, KvError> {
    let key = name.as_str().as_bytes();
    store.row(Table::Nodes, key)?.map(|row| decode(key, row.get())).transpose()
}

/// Whether no more records are kept.
fn is_full(store: &Store) -> Result<bool, KvError> {
    let mut rows = store.rows(Table::Nodes)?;
    rows.by_ref().take(NODES_MAX - 1).try_for_each(|row| row.map(drop))?;
    Ok(rows.next().transpose()?.is_some())
}

fn write(tables: &mut Tables<'_>, record: &NodeRecord) -> Result<(), KvError> {
    let row = encode(record)?;
    take_out(tables, &record.name)?;
    let key = record.name.as_str().as_bytes();
    tables.store.insert(Table::Nodes, key, &row);
    tables.digest.add(Table::Nodes, key, &row);
    Ok(())
}

/// Takes a row, which is to be replaced, out of the digest.
fn take_out(tables: &mut Tables<'_>, name: &NodeName) -> Result<(), KvError> {
    let key = name.as_str().as_bytes();
    if let Some(row) = tables.store.row(Table::Nodes, key)? {
        tables.digest.subtract(row::contribution(Table::Nodes, key, row.get()));
    }
    Ok(())
}
