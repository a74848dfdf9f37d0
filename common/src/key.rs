//! Keys, values and ranges of keys, valid by construction.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    bounded::{text_at_most, text_at_most_if_any},
    limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX},
};

/// The longest bound of a range, in bytes: that of the page after a longest key.
const BOUND_BYTES_MAX: usize = KEY_BYTES_MAX + 1;

/// Why a text or some bytes are not a valid key or value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is empty.
    #[error("a key cannot be empty")]
    Empty,
    /// The key is longer than [`KEY_BYTES_MAX`].
    #[error("the key has {0} bytes, more than {KEY_BYTES_MAX}")]
    KeyTooLong(usize),
    /// The key contains a NUL byte.
    #[error("a key cannot contain a NUL byte")]
    Nul,
    /// The value is longer than [`VALUE_BYTES_MAX`].
    #[error("the value has {0} bytes, more than {VALUE_BYTES_MAX}")]
    ValueTooLong(usize),
    /// A bound of the range is longer than any key.
    #[error("a bound of the range has {0} bytes, more than a key can have")]
    BoundTooLong(usize),
}

/// A key: 1 to [`KEY_BYTES_MAX`] bytes of UTF-8 without NUL. Keys are ordered by their bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Key(Box<str>);

impl Key {
    /// Creates a key from text.
    ///
    /// # Errors
    /// The text is empty, too long, or contains a NUL byte.
    pub fn new(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        match text.len() {
            0 => Err(KeyError::Empty),
            bytes if bytes > KEY_BYTES_MAX => Err(KeyError::KeyTooLong(bytes)),
            _ if text.contains('\0') => Err(KeyError::Nul),
            _ => Ok(Self(text.into())),
        }
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::new(text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0.into()
    }
}

impl std::str::FromStr for Key {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::new(text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A value: up to [`VALUE_BYTES_MAX`] arbitrary bytes.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "Bytes")]
pub struct Value(Bytes);

impl Value {
    /// Creates a value from bytes.
    ///
    /// # Errors
    /// There are more than [`VALUE_BYTES_MAX`] bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, KeyError> {
        let bytes = bytes.into();
        if bytes.len() > VALUE_BYTES_MAX {
            return Err(KeyError::ValueTooLong(bytes.len()));
        }
        Ok(Self(bytes))
    }

    /// Returns the value's bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl TryFrom<Bytes> for Value {
    type Error = KeyError;
    fn try_from(bytes: Bytes) -> Result<Self, KeyError> {
        Self::new(bytes)
    }
}

impl From<Value> for Bytes {
    fn from(value: Value) -> Self {
        value.0
    }
}

impl fmt::Debug for Value {
    /// Shows only the length: a value belongs to the user, and may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}

/// The keys from `from` (inclusive) to `to` (exclusive; `None` means no end).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    #[serde(deserialize_with = "text_at_most::<_, BOUND_BYTES_MAX>")]
    from: String,
    #[serde(deserialize_with = "text_at_most_if_any::<_, BOUND_BYTES_MAX>")]
    to: Option<String>,
}

impl KeyRange {
    /// Returns the range of all keys.
    pub fn all() -> Self {
        Self { from: String::new(), to: None }
    }

    /// Returns the range of the keys from `from` (inclusive) to `to` (exclusive).
    pub fn between(from: impl Into<String>, to: Option<String>) -> Self {
        Self { from: from.into(), to }
    }

    /// Returns the range of the keys that start with `prefix`.
    pub fn prefix(prefix: &str) -> Self {
        Self { from: prefix.to_owned(), to: after_prefix(prefix) }
    }

    /// Returns the range of one key.
    pub fn single(key: &Key) -> Self {
        // No key contains NUL, so none lies between `key` and `key` followed by a NUL.
        Self { from: key.as_str().to_owned(), to: Some(format!("{key}\0")) }
    }

    /// Returns the only key that may be in the range, if it is that of a single key.
    pub fn single_key(&self) -> Option<&str> {
        let to = self.to.as_deref()?;
        to.strip_suffix('\0').filter(|key| *key == self.from)
    }

    /// Returns the prefix, if the range is that of all keys with it.
    pub fn as_prefix(&self) -> Option<&str> {
        (after_prefix(&self.from) == self.to).then_some(self.from.as_str())
    }

    /// Returns the part of this range after `key`: the start of the next page if the last one ended
    /// with `key`.
    pub fn after(mut self, key: &Key) -> Self {
        // No key contains NUL, so none lies between `key` and `key` followed by a NUL.
        self.from = format!("{key}\0");
        self
    }

    /// Returns the inclusive start of the range.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// Returns the exclusive end of the range; `None` if it has no end.
    pub fn to(&self) -> Option<&str> {
        self.to.as_deref()
    }

    /// Checks that a node accepts the range.
    ///
    /// # Errors
    /// A bound is longer than any key.
    pub fn check(&self) -> Result<(), KeyError> {
        let longest = self.from.len().max(self.to().map_or(0, str::len));
        if longest > BOUND_BYTES_MAX { Err(KeyError::BoundTooLong(longest)) } else { Ok(()) }
    }

    /// Returns whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        self.to.as_deref().is_some_and(|to| to <= self.from.as_str())
    }

    /// Returns whether every key of the range starts with `prefix`.
    pub fn is_within(&self, prefix: &str) -> bool {
        let end = after_prefix(prefix);
        self.from.starts_with(prefix) && end.is_none_or(|end| self.to().is_some_and(|to| to <= end.as_str()))
    }

    /// Returns whether `key` is in the range.
    pub fn contains(&self, key: &Key) -> bool {
        self.contains_bytes(key.as_str().as_bytes())
    }

    /// Returns whether the key with these bytes is in the range.
    pub fn contains_bytes(&self, key: &[u8]) -> bool {
        key >= self.from.as_bytes() && self.to().is_none_or(|to| key < to.as_bytes())
    }
}

/// Returns the least text that is greater than every text with the prefix; `None` if there is none.
///
/// UTF-8 orders texts as their characters do, so the last character that has a successor is
/// replaced by it.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut kept = prefix.to_owned();
    while let Some(last) = kept.pop() {
        let next = match last {
            char::MAX => continue,
            // The surrogates between these two are not characters.
            '\u{d7ff}' => '\u{e000}',
            other => char::from_u32(u32::from(other) + 1)?,
        };
        kept.push(next);
        return Some(kept);
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_legal_or_is_not_there() {
        assert_eq!(Key::new(""), Err(KeyError::Empty));
        assert_eq!(Key::new("a\0b"), Err(KeyError::Nul));
        assert_eq!(Key::new("k".repeat(1025)), Err(KeyError::KeyTooLong(1025)));
        assert!(Key::new("k".repeat(1024)).is_ok());
        assert!(Key::new("ähre ☕").is_ok());
    }

    #[test]
    fn decoding_checks_as_the_constructor_does() {
        for text in ["", "a\0b", &"k".repeat(1025)] {
            let bytes = postcard::to_stdvec(text).expect("a text encodes");
            assert!(postcard::from_bytes::<Key>(&bytes).is_err());
        }
        let bytes = postcard::to_stdvec(&Bytes::from(vec![0; VALUE_BYTES_MAX + 1])).expect("bytes encode");
        assert!(postcard::from_bytes::<Value>(&bytes).is_err());
    }

    #[test]
    fn a_range_has_bounds_that_keys_can_have() {
        let longest = Key::new("k".repeat(KEY_BYTES_MAX)).expect("legal");
        let over = "k".repeat(KEY_BYTES_MAX + 2);
        for (range, fits) in [
            (KeyRange::all().after(&longest), true),
            (KeyRange::prefix(longest.as_str()), true),
            (KeyRange::prefix(&over), false),
            (KeyRange::between("", Some(over.clone())), false),
        ] {
            let bytes = postcard::to_stdvec(&range).expect("encodes");
            assert_eq!(postcard::from_bytes::<KeyRange>(&bytes).is_ok(), fits, "{range:?}");
            assert_eq!(range.check().is_ok(), fits);
        }
    }

    proptest! {
        #[test]
        fn a_prefix_range_holds_just_the_keys_with_the_prefix(
            prefix in "[a-c\u{d7ff}\u{e000}\u{10ffff}]{0,3}",
            key in "[a-d\u{d7ff}\u{e000}\u{10ffff}]{1,4}",
        ) {
            let key = Key::new(key).expect("legal");
            prop_assert_eq!(KeyRange::prefix(&prefix).contains(&key), key.as_str().starts_with(&prefix));
        }

        #[test]
        fn ranges_know_whether_they_are_of_a_key_or_a_prefix(
            from in "[a-c\u{10ffff}]{0,2}",
            to in prop::option::of("[a-c\u{10ffff}]{0,2}\0?"),
            key in "[a-c\u{10ffff}]{1,3}",
        ) {
            let (range, key) = (KeyRange::between(from, to), Key::new(key).expect("legal"));
            if let Some(prefix) = range.as_prefix() {
                prop_assert_eq!(range.contains(&key), key.as_str().starts_with(prefix));
            }
            if let Some(single) = range.single_key() {
                prop_assert_eq!(range.contains(&key), key.as_str() == single);
            }
            let (single, prefix) = (KeyRange::single(&key), KeyRange::prefix(key.as_str()));
            prop_assert_eq!(single.single_key(), Some(key.as_str()));
            prop_assert_eq!(prefix.as_prefix(), Some(key.as_str()));
        }

        #[test]
        fn a_range_continues_after_a_key(a in "[a-c]{1,3}", b in "[a-c]{1,3}") {
            let (a, b) = (Key::new(a).expect("legal"), Key::new(b).expect("legal"));
            prop_assert_eq!(KeyRange::all().after(&a).contains(&b), b > a);
        }
    }
}
