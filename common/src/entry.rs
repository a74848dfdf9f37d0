//! A key's value and history, as reads return it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{id::Revision, key::Value};

/// A key's value and history.
///
/// Encoded as the value, then the history in an envelope, to which later versions may add fields: an
/// envelope of the whole would cost up to three bytes per entry, this one costs a byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// The revision that created the key.
    pub created: Revision,
    /// The revision that last modified the key.
    pub modified: Revision,
    /// How often the key was set since it was created, counting the creation.
    pub version: u64,
}

/// The fields of an [`Entry`] after its value.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Self")]
struct EntryHistory {
    created: Revision,
    modified: Revision,
    version: u64,
}

crate::enveloped!(EntryHistory);

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { value, created, modified, version } = self;
        let history = EntryHistory { created: *created, modified: *modified, version: *version };
        (value, history).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, EntryHistory { created, modified, version }) = Deserialize::deserialize(deserializer)?;
        Ok(Self { value, created, modified, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{envelope, key::Key};

    fn encode(value: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        envelope::encode_to(&mut bytes, value).expect("encodes");
        bytes
    }

    fn entry(version: u64) -> Entry {
        let value = Value::new("latte").expect("legal");
        Entry { value, created: Revision(3), modified: Revision(300), version }
    }

    #[test]
    fn the_room_for_later_fields_costs_a_byte() {
        let largest = Entry { created: Revision(u64::MAX), modified: Revision(u64::MAX), ..entry(u64::MAX) };
        for entry in [entry(7), largest] {
            let Entry { value, created, modified, version } = &entry;
            let plain = encode(&(value, created, modified, version));
            let encoded = encode(&entry);
            assert_eq!(encoded.len(), plain.len() + 1);
            assert_eq!(envelope::decode_body(&encoded), Ok(entry));
        }
        assert_eq!(encode(&entry(7)), b"\x05latte\x04\x03\xac\x02\x07");
    }

    #[test]
    fn a_field_of_a_later_version_is_skipped_and_one_that_is_missing_is_zero() {
        let later = b"\x05latte\x0d\x03\xac\x02\x07expires 9";
        let key = Key::new("order/1").expect("legal");
        let page = [&[2][..], &encode(&key), later, &encode(&key), later].concat();
        let entries: Vec<(Key, Entry)> = envelope::decode_body(&page).expect("decodes");
        assert_eq!(entries, [(key.clone(), entry(7)), (key, entry(7))]);
        let earlier = b"\x05latte\x03\x03\xac\x02";
        assert_eq!(envelope::decode_body(earlier), Ok(entry(0)));
    }
}
