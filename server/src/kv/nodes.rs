//! The records of nodes: who was ever admitted, and what became of it.
//!
//! Keyed by name. Guards that a record belongs to the latest incarnation of
//! its name: an old one can no longer be marked.

use super::{
    digest::number,
    layers::Layers,
    layout::{KvError, open, seal},
    tables::{Table, Tables},
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
    let known = find(tables.layers, name)?;
    if known.is_none() && is_full(tables.layers)? {
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
    let Some(record) = find(tables.layers, name)?.filter(|record| record.id == id) else {
        return Ok(Outcome::NodeStateSet(false));
    };
    match standing {
        None => {
            take_out(tables, name)?;
            tables.layers.remove(Table::Nodes, name.as_str().as_bytes());
        }
        Some(standing) if standing == record.standing => {}
        Some(standing) => write(tables, &NodeRecord { standing, since_ms, ..record })?,
    }
    Ok(Outcome::NodeStateSet(true))
}

/// Makes a record of a member whose name has none: of the node that founded
/// the cluster, which nobody admitted.
pub fn introduce(tables: &mut Tables<'_>, record: &NodeRecord) -> Result<(), KvError> {
    match find(tables.layers, &record.name)? {
        None if !is_full(tables.layers)? => write(tables, record),
        _ => Ok(()),
    }
}

fn find(layers: &Layers, name: &NodeName) -> Result<Option<NodeRecord>, KvError> {
    let key = name.as_str().as_bytes();
    layers.row(Table::Nodes, key)?.map(|row| decode(key, row.get())).transpose()
}

/// Whether no more records are kept.
fn is_full(layers: &Layers) -> Result<bool, KvError> {
    let mut rows = layers.rows(Table::Nodes)?;
    rows.by_ref().take(NODES_MAX - 1).try_for_each(|row| row.map(drop))?;
    Ok(rows.next().transpose()?.is_some())
}

fn write(tables: &mut Tables<'_>, record: &NodeRecord) -> Result<(), KvError> {
    let row = encode(record)?;
    take_out(tables, &record.name)?;
    let key = record.name.as_str().as_bytes();
    tables.layers.insert(Table::Nodes, key, &row);
    tables.digest.add(Table::Nodes, key, &row);
    Ok(())
}

/// Takes a row, which is to be replaced, out of the digest.
fn take_out(tables: &mut Tables<'_>, name: &NodeName) -> Result<(), KvError> {
    let key = name.as_str().as_bytes();
    if let Some(row) = tables.layers.row(Table::Nodes, key)? {
        tables.digest.subtract(number(Table::Nodes, key, row.get()));
    }
    Ok(())
}

fn encode(record: &NodeRecord) -> Result<Vec<u8>, KvError> {
    let payload = postcard::to_stdvec(record).map_err(KvError::Encode)?;
    Ok(seal(Table::Nodes, record.name.as_str().as_bytes(), &payload))
}

/// Reads and verifies a row.
pub(super) fn decode(key: &[u8], row: &[u8]) -> Result<NodeRecord, KvError> {
    match postcard::take_from_bytes::<NodeRecord>(open(Table::Nodes, key, row)?) {
        Ok((record, [])) if record.name.as_str().as_bytes() == key => Ok(record),
        _ => Err(KvError::damaged(Table::Nodes, "the record is malformed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_row_of_a_node() {
        let record = NodeRecord {
            id: NodeId(17),
            name: NodeName::new("hong").expect("legal"),
            address: Address::new("shop-2.example.net:7400").expect("legal"),
            standing: MemberState::Member,
            since_ms: 1_700_000_000_000,
        };
        let row = encode(&record).expect("encodes");
        crate::golden::check("state_nodes", &row);
        assert_eq!(decode(b"hong", &row).expect("its own bytes"), record);
        assert!(decode(b"peng", &row).is_err());
    }
}
