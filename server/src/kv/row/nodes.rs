//! The row of a node record. An on-disk format, held by golden bytes.

use coffee_common::{
    command::NodeRecord,
    envelope::{self, DecodeError},
    feature_level::FeatureLevel,
};

use super::format::{format_at, open, seal_as};
use crate::kv::{error::KvError, table::Table};

/// Encodes the row of a record, in the format of this level.
pub(in crate::kv) fn encode(record: &NodeRecord, level: FeatureLevel) -> Result<Vec<u8>, KvError> {
    let payload = postcard::to_stdvec(record).map_err(KvError::Encode)?;
    let format = format_at(Table::Nodes, level);
    Ok(seal_as(format, Table::Nodes, record.name.as_str().as_bytes(), &payload))
}

/// Verifies and decodes a row.
pub(in crate::kv) fn decode(key: &[u8], row: &[u8]) -> Result<NodeRecord, KvError> {
    match envelope::decode_first::<NodeRecord>(open(Table::Nodes, key, row)?) {
        Ok((record, [])) if record.name.as_str().as_bytes() == key => Ok(record),
        Err(DecodeError::Unknown(part)) => Err(KvError::Newer { table: Table::Nodes, part }),
        _ => Err(KvError::damaged(Table::Nodes, "the record is malformed")),
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        command::MemberState,
        feature_level::{LEVEL_MIN, LEVELS},
        id::{Address, NodeId, NodeName},
    };

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
        let row = encode(&record, LEVEL_MIN).expect("encodes");
        crate::golden_test::check("state_nodes", &row);
        assert_eq!(decode(b"hong", &row).expect("its own bytes"), record);
        assert!(decode(b"peng", &row).is_err());
        for known in LEVELS {
            let row = encode(&record, known.level).expect("encodes");
            assert_eq!(decode(b"hong", &row).expect("each build reads all earlier formats"), record);
        }
    }
}
