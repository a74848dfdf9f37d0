//! The records of nodes: who was ever admitted, and what became of it.
//!
//! Keyed by name. Guards that a record belongs to the latest incarnation of
//! its name: an old one can no longer be marked.

use coffee_common::{
    command::{NodeRecord, Outcome, Standing},
    id::{Address, NodeId, NodeName, Revision},
    limits::NODES_MAX,
};
use redb::{ReadableTable, ReadableTableMetadata};

use super::{
    digest::Digest,
    layout::{KvError, open, seal},
    tables::{Rows, Table, Tables},
};

/// Admits a node under the id `at`, in place of one of the same name.
pub(super) fn admit(
    tables: &mut Tables<'_>,
    at: Revision,
    name: &NodeName,
    address: &Address,
    since_ms: u64,
) -> Result<Outcome, KvError> {
    let mut nodes = tables.nodes()?;
    if find(&nodes, name)?.is_none() && nodes.len()? >= NODES_MAX as u64 {
        return Ok(Outcome::TooManyNodes);
    }
    let id = NodeId(at.0);
    let id = if planted!("id-reused") { find(&nodes, name)?.map_or(id, |known| known.id) } else { id };
    let (name, address) = (name.clone(), address.clone());
    write(
        &mut nodes,
        &mut tables.digest,
        &NodeRecord { id, name, address, standing: Standing::Joining, since_ms },
    )?;
    Ok(Outcome::NodeAdmitted(id))
}

/// Notes what became of a node. A record that says so already keeps its time.
pub(super) fn mark(
    tables: &mut Tables<'_>,
    name: &NodeName,
    id: NodeId,
    standing: Option<Standing>,
    since_ms: u64,
) -> Result<Outcome, KvError> {
    let mut nodes = tables.nodes()?;
    let Some(record) = find(&nodes, name)?.filter(|record| record.id == id) else {
        return Ok(Outcome::NodeMarked(false));
    };
    match standing {
        None => {
            if let Some(row) = nodes.remove(name.as_str().as_bytes())? {
                tables.digest.remove(Table::Nodes, row.value());
            }
        }
        Some(standing) if standing == record.standing => {}
        Some(standing) => {
            write(&mut nodes, &mut tables.digest, &NodeRecord { standing, since_ms, ..record })?
        }
    }
    Ok(Outcome::NodeMarked(true))
}

/// Makes a record of a member whose name has none: of the node that founded
/// the cluster, which nobody admitted.
pub fn introduce(tables: &mut Tables<'_>, record: &NodeRecord) -> Result<(), KvError> {
    let mut nodes = tables.nodes()?;
    match find(&nodes, &record.name)? {
        None if nodes.len()? < NODES_MAX as u64 => write(&mut nodes, &mut tables.digest, record),
        _ => Ok(()),
    }
}

fn find(nodes: &Rows<'_>, name: &NodeName) -> Result<Option<NodeRecord>, KvError> {
    let key = name.as_str().as_bytes();
    nodes.get(key)?.map(|row| decode(key, row.value())).transpose()
}

fn write(nodes: &mut Rows<'_>, digest: &mut Digest, record: &NodeRecord) -> Result<(), KvError> {
    let row = encode(record)?;
    if let Some(replaced) = nodes.insert(record.name.as_str().as_bytes(), row.as_slice())? {
        digest.remove(Table::Nodes, replaced.value());
    }
    digest.add(Table::Nodes, &row);
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
            standing: Standing::Member,
            since_ms: 1_700_000_000_000,
        };
        let row = encode(&record).expect("encodes");
        crate::golden::check("state_nodes", &row);
        assert_eq!(decode(b"hong", &row).expect("its own bytes"), record);
        assert!(decode(b"peng", &row).is_err());
    }
}
