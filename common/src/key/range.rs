//! A range of keys.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Key, KeyError, ShownBytes};
use crate::{bounded::bytes_at_most, limits::KEY_BYTES_MAX};

/// The longest bound of a range, in bytes: that of the page after a longest key.
const BOUND_BYTES_MAX: usize = KEY_BYTES_MAX + 1;

/// The keys from `from` (inclusive) to `to` (exclusive; `None` means no end).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    from: RangeBound,
    to: Option<RangeBound>,
}

/// A bound of a range: encoded like a text of the same bytes.
#[derive(Clone, PartialEq, Eq)]
struct RangeBound(Vec<u8>);

impl KeyRange {
    /// Returns the range of all keys.
    pub fn all() -> Self {
        Self { from: RangeBound(Vec::new()), to: None }
    }

    /// Returns the range of the keys from `from` (inclusive) to `to` (exclusive).
    pub fn between(from: impl AsRef<[u8]>, to: Option<&[u8]>) -> Self {
        let bound = |bytes: &[u8]| RangeBound(bytes.to_owned());
        Self { from: bound(from.as_ref()), to: to.map(bound) }
    }

    /// Returns the range of the keys that start with `prefix`.
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let prefix = prefix.as_ref();
        Self { from: RangeBound(prefix.to_owned()), to: after_prefix(prefix).map(RangeBound) }
    }

    /// Returns the range of one key.
    pub fn single(key: &Key) -> Self {
        Self { from: RangeBound(key.as_bytes().to_owned()), to: Some(RangeBound(next_key(key))) }
    }

    /// Returns the only key that may be in the range, if it is that of a single key.
    pub fn single_key(&self) -> Option<&[u8]> {
        self.to()?.strip_suffix(b"\0").filter(|key| *key == self.from())
    }

    /// Returns the prefix, if the range is that of all keys with it.
    pub fn as_prefix(&self) -> Option<&[u8]> {
        (after_prefix(self.from()).as_deref() == self.to()).then_some(self.from())
    }

    /// Returns the part of this range after `key`: the start of the next page if the last one ended
    /// with `key`.
    pub fn after(mut self, key: &Key) -> Self {
        self.from = RangeBound(next_key(key));
        self
    }

    /// Returns the inclusive start of the range.
    pub fn from(&self) -> &[u8] {
        &self.from.0
    }

    /// Returns the exclusive end of the range; `None` if it has no end.
    pub fn to(&self) -> Option<&[u8]> {
        self.to.as_ref().map(|to| &to.0[..])
    }

    /// Checks that a node accepts the range.
    ///
    /// # Errors
    /// A bound is longer than any key.
    pub fn check(&self) -> Result<(), KeyError> {
        let longest = self.from().len().max(self.to().map_or(0, <[u8]>::len));
        if longest > BOUND_BYTES_MAX { Err(KeyError::BoundTooLong(longest)) } else { Ok(()) }
    }

    /// Returns whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        self.to().is_some_and(|to| to <= self.from())
    }

    /// Returns whether every key of the range starts with `prefix`.
    pub fn is_within(&self, prefix: &[u8]) -> bool {
        let end = after_prefix(prefix);
        self.from().starts_with(prefix) && end.is_none_or(|end| self.to().is_some_and(|to| to <= &end[..]))
    }

    /// Returns whether `key` is in the range.
    pub fn contains(&self, key: &Key) -> bool {
        self.contains_bytes(key.as_bytes())
    }

    /// Returns whether the key with these bytes is in the range.
    pub fn contains_bytes(&self, key: &[u8]) -> bool {
        key >= self.from() && self.to().is_none_or(|to| key < to)
    }
}

impl fmt::Debug for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}..", ShownBytes(self.from()))?;
        self.to().map_or(Ok(()), |to| write!(f, "{:?}", ShownBytes(to)))
    }
}

impl Serialize for RangeBound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for RangeBound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes_at_most::<_, BOUND_BYTES_MAX>(deserializer).map(Self)
    }
}

/// Returns the least bytes that are greater than those of `key`.
fn next_key(key: &Key) -> Vec<u8> {
    [key.as_bytes(), b"\0"].concat()
}

/// Returns the least bytes that are greater than all that start with the prefix; `None` if there are none.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut after = prefix[..=last].to_owned();
    after[last] += 1;
    Some(after)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_is_encoded_as_texts_are() {
        let of = |text: &str| postcard::to_stdvec(text).expect("encodes");
        let range = postcard::to_stdvec(&KeyRange::prefix("a")).expect("encodes");
        assert_eq!(range, [of("a"), vec![1], of("b")].concat());
    }

    #[test]
    fn a_range_has_bounds_that_keys_can_have() {
        let longest = Key::new("k".repeat(KEY_BYTES_MAX)).expect("legal");
        let over = "k".repeat(KEY_BYTES_MAX + 2);
        for (range, fits) in [
            (KeyRange::all().after(&longest), true),
            (KeyRange::prefix(longest.as_bytes()), true),
            (KeyRange::prefix(&over), false),
            (KeyRange::between("", Some(over.as_bytes())), false),
        ] {
            let bytes = postcard::to_stdvec(&range).expect("encodes");
            assert_eq!(postcard::from_bytes::<KeyRange>(&bytes).is_ok(), fits, "{range:?}");
            assert_eq!(range.check().is_ok(), fits);
        }
    }

    /// Few different bytes, so that prefixes, neighbours and ends of the order meet.
    fn bytes(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"\0\x01ab\x7f\x80\xfe\xff".to_vec()), count)
    }

    fn key() -> impl Strategy<Value = Key> {
        bytes(1..4).prop_map(|bytes| Key::new(bytes).expect("legal"))
    }

    proptest! {
        #[test]
        fn a_prefix_range_holds_just_the_keys_with_the_prefix(prefix in bytes(0..4), key in key()) {
            prop_assert_eq!(
                KeyRange::prefix(&prefix).contains(&key),
                key.as_bytes().starts_with(&prefix)
            );
        }

        #[test]
        fn ranges_know_whether_they_are_of_a_key_or_a_prefix(
            from in bytes(0..3),
            to in prop::option::of(bytes(0..4)),
            key in key(),
        ) {
            let range = KeyRange::between(from, to.as_deref());
            if let Some(prefix) = range.as_prefix() {
                prop_assert_eq!(range.contains(&key), key.as_bytes().starts_with(prefix));
            }
            if let Some(single) = range.single_key() {
                prop_assert_eq!(range.contains(&key), key.as_bytes() == single);
            }
            let (single, prefix) = (KeyRange::single(&key), KeyRange::prefix(key.as_bytes()));
            prop_assert_eq!(single.single_key(), Some(key.as_bytes()));
            prop_assert_eq!(prefix.as_prefix(), Some(key.as_bytes()));
        }

        #[test]
        fn a_range_continues_after_a_key(a in key(), b in key()) {
            prop_assert_eq!(KeyRange::all().after(&a).contains(&b), b > a);
        }

        #[test]
        fn ranges_are_decoded_as_they_were_encoded(prefix in bytes(0..4)) {
            let range = KeyRange::prefix(prefix);
            let bytes = postcard::to_stdvec(&range).expect("encodes");
            prop_assert_eq!(postcard::from_bytes::<KeyRange>(&bytes).expect("decodes"), range);
        }
    }
}
