//! Node records: every node that was ever admitted, or is announced, and its state.
//!
//! Keyed by name. Guards that a record belongs to the latest incarnation of its
//! name: neither state nor address of an earlier one can be set any more.

use super::{
    error::KvError,
    row::nodes::{decode, encode},
    store::Store,
    table::Table,
    tables::Tables,
};
use coffee_common::{
    command::{MemberState, NodeRecord, Outcome},
    id::{Address, NodeId, NodeName, Revision},
    limits::NODES_MAX,
};

/// Admits a node under the id `at`. Replaces the record of the same name.
pub(super) fn admit(
    tables: &mut Tables<'_>,
    at: Revision,
    name: &NodeName,
    address: &Address,
    since_ms: u64,
) -> Result<Outcome, KvError> {
    let known = tables.store().node(name)?;
    if known.is_none() && is_full(tables.store())? {
        return Ok(Outcome::TooManyNodes);
    }
    let id = NodeId(at.0);
    let id = if planted!("id-reused") { known.map_or(id, |known| known.id) } else { id };
    let (name, address) = (name.clone(), address.clone());
    put(tables, &NodeRecord { id, name, address, standing: MemberState::Joining, since_ms })?;
    Ok(Outcome::NodeAdmitted(id))
}

/// Announces a node. Replaces the record of the same name; the id `at` belongs to no node.
pub(super) fn announce(
    tables: &mut Tables<'_>,
    at: Revision,
    name: &NodeName,
    address: &Address,
    since_ms: u64,
) -> Result<Outcome, KvError> {
    if tables.store().node(name)?.is_none() && is_full(tables.store())? {
        return Ok(Outcome::TooManyNodes);
    }
    let (id, name, address) = (NodeId(at.0), name.clone(), address.clone());
    put(tables, &NodeRecord { id, name, address, standing: MemberState::Announced, since_ms })?;
    Ok(Outcome::NodeAnnounced)
}

/// Sets the state of a node; `None` deletes its record. A record that has this
/// state already keeps its time.
pub(super) fn set_state(
    tables: &mut Tables<'_>,
    name: &NodeName,
    id: NodeId,
    standing: Option<MemberState>,
    since_ms: u64,
) -> Result<Outcome, KvError> {
    let Some(record) = tables.store().node(name)?.filter(|record| record.id == id) else {
        return Ok(Outcome::NodeStateSet(false));
    };
    let key = name.as_str().as_bytes();
    match standing {
        None => drop(tables.take(Table::Nodes, key, |row| decode(key, row))?),
        Some(standing) if standing == record.standing => {}
        Some(standing) => put(tables, &NodeRecord { standing, since_ms, ..record })?,
    }
    Ok(Outcome::NodeStateSet(true))
}

/// Sets the address of a node.
pub(super) fn set_address(
    tables: &mut Tables<'_>,
    name: &NodeName,
    id: NodeId,
    address: &Address,
) -> Result<Outcome, KvError> {
    let Some(record) = tables.store().node(name)?.filter(|record| record.id == id) else {
        return Ok(Outcome::NodeStateSet(false));
    };
    if record.address != *address {
        put(tables, &NodeRecord { address: address.clone(), ..record })?;
    }
    Ok(Outcome::NodeStateSet(true))
}

/// Writes the record of a node again.
#[cfg(coffee_future)]
pub(super) fn touch(tables: &mut Tables<'_>, name: &NodeName) -> Result<Outcome, KvError> {
    let Some(record) = tables.store().node(name)? else { return Ok(Outcome::NodeStateSet(false)) };
    put(tables, &record)?;
    Ok(Outcome::NodeStateSet(true))
}

/// Adds the record of a member whose name has none: the founder of the cluster,
/// which no command admitted. Does nothing if there is a record or the table is
/// full.
///
/// # Errors
/// A row is damaged, or the database failed.
pub fn introduce(tables: &mut Tables<'_>, record: &NodeRecord) -> Result<(), KvError> {
    match tables.store().node(&record.name)? {
        None if !is_full(tables.store())? => put(tables, record),
        _ => Ok(()),
    }
}

/// Whether there are as many records as a cluster keeps.
fn is_full(store: &Store) -> Result<bool, KvError> {
    let mut rows = store.rows(Table::Nodes)?;
    rows.by_ref().take(NODES_MAX - 1).try_for_each(|row| row.map(drop))?;
    Ok(rows.next().transpose()?.is_some())
}

fn put(tables: &mut Tables<'_>, record: &NodeRecord) -> Result<(), KvError> {
    let level = tables.level()?;
    tables.put(Table::Nodes, record.name.as_str().as_bytes(), |_, row| {
        *row = encode(record, level)?;
        Ok(())
    })
}
