//! The row of a revocation list. An on-disk format, held by golden bytes.

use coffee_common::{envelope, id::Revision, revocation_list::RevocationList};
use serde::{Deserialize, Serialize};

use super::format::{open, seal};
use crate::kv::{error::KvError, table::Table};

/// A list, and the entry that recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(in crate::kv) struct RecordedList {
    pub(in crate::kv) list: RevocationList,
    pub(in crate::kv) since: Revision,
}

coffee_common::enveloped!(RecordedList);

/// Encodes the row of a list.
pub(in crate::kv) fn encode(recorded: &RecordedList) -> Result<Vec<u8>, KvError> {
    let payload = postcard::to_stdvec(recorded).map_err(KvError::Encode)?;
    Ok(seal(Table::Revocations, &recorded.list.issuer, &payload))
}

/// Verifies and decodes a row.
pub(in crate::kv) fn decode(key: &[u8], row: &[u8]) -> Result<RecordedList, KvError> {
    match envelope::decode_first::<RecordedList>(open(Table::Revocations, key, row)?) {
        Ok((recorded, [])) if recorded.list.issuer == key => Ok(recorded),
        _ => Err(KvError::damaged(Table::Revocations, "the list is malformed")),
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::envelope::Enveloped;

    use super::*;

    #[test]
    fn golden_row_of_a_revocation_list() {
        let list = RevocationList { issuer: b"a CA".to_vec(), number: 7, der: vec![0x30, 0x03, 1, 1, 255] };
        let recorded = RecordedList { list, since: Revision(4711) };
        let row = encode(&recorded).expect("encodes");
        crate::golden_test::check("state_revocations", &row);
        assert_eq!(decode(b"a CA", &row).expect("its own bytes"), recorded);
        assert!(decode(b"another", &row).is_err());

        let mut later = Vec::new();
        let fields = (&recorded.list, recorded.since, "later");
        envelope::encode_to(&mut later, &Enveloped(&fields)).expect("encodes");
        assert_eq!(decode(b"a CA", &seal(Table::Revocations, b"a CA", &later)).expect("is read"), recorded);
        later.push(0);
        assert!(decode(b"a CA", &seal(Table::Revocations, b"a CA", &later)).is_err(), "after the envelope");
    }
}
