//! Keys, values and ranges of keys, valid by construction.

mod range;

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{
    bounded::bytes_at_most,
    feature_level::{FeatureLevel, HISTORY, LEVEL_MIN},
    limits::{KEY_BYTES_MAX, PLAIN_VALUE_BYTES_MAX, VALUE_BYTES_MAX},
};

pub use self::range::KeyRange;

/// Why some bytes are not a valid key, value or range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is empty.
    #[error("a key cannot be empty")]
    Empty,
    /// The key is longer than [`KEY_BYTES_MAX`].
    #[error("the key has {0} bytes, more than {KEY_BYTES_MAX}")]
    KeyTooLong(usize),
    /// The value is longer than [`VALUE_BYTES_MAX`].
    #[error("the value has {0} bytes, more than {VALUE_BYTES_MAX}")]
    ValueTooLong(usize),
    /// A bound of the range is longer than any key.
    #[error("a bound of the range has {0} bytes, more than a key can have")]
    BoundTooLong(usize),
}

/// A key: 1 to [`KEY_BYTES_MAX`] arbitrary bytes. Keys are ordered by their bytes.
///
/// Encoded like a text of the same bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<[u8]>);

impl Key {
    /// Creates a key from bytes, such as those of a text.
    ///
    /// # Errors
    /// There are no bytes, or too many.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let bytes = bytes.as_ref();
        match bytes.len() {
            0 => Err(KeyError::Empty),
            more if more > KEY_BYTES_MAX => Err(KeyError::KeyTooLong(more)),
            _ => Ok(Self(bytes.into())),
        }
    }

    /// Returns the key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the key as text; `None` if it is not valid UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns the lowest feature level that allows the key: 1 if it is UTF-8 without a NUL byte.
    pub(crate) fn level(&self) -> FeatureLevel {
        let is_plain = self.as_text().is_some_and(|text| !text.contains('\0'));
        if is_plain { LEVEL_MIN } else { HISTORY }
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(bytes_at_most::<_, KEY_BYTES_MAX>(deserializer)?).map_err(D::Error::custom)
    }
}

impl std::str::FromStr for Key {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::new(text)
    }
}

impl fmt::Display for Key {
    /// Prints the key as text, bytes that are not UTF-8 as `\xff`. Different keys may look the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&ShownBytes(&self.0), f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&ShownBytes(&self.0), f)
    }
}

/// Bytes that are shown as text where they are UTF-8.
struct ShownBytes<'a>(&'a [u8]);

impl fmt::Display for ShownBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for ShownBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for chunk in self.0.utf8_chunks() {
            write!(f, "{}{}", chunk.valid().escape_debug(), chunk.invalid().escape_ascii())?;
        }
        f.write_str("\"")
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

    /// Returns the lowest feature level that allows the value.
    pub(crate) fn level(&self) -> FeatureLevel {
        if self.0.len() <= PLAIN_VALUE_BYTES_MAX { LEVEL_MIN } else { HISTORY }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_legal_or_is_not_there() {
        assert_eq!(Key::new(""), Err(KeyError::Empty));
        assert_eq!(Key::new("k".repeat(1025)), Err(KeyError::KeyTooLong(1025)));
        assert!(Key::new("k".repeat(1024)).is_ok());
        for bytes in ["ähre ☕".as_bytes(), b"\0", b"a\0b", b"\xff\xfe"] {
            assert_eq!(Key::new(bytes).expect("legal").as_bytes(), bytes);
        }
    }

    #[test]
    fn a_key_is_shown_as_text_where_it_is_one() {
        for (bytes, text, shown, quoted, level) in [
            ("ähre \"☕\"".as_bytes(), Some("ähre \"☕\""), "ähre \"☕\"", r#""ähre \"☕\"""#, LEVEL_MIN),
            (b"a\0b", Some("a\0b"), "a\0b", r#""a\0b""#, HISTORY),
            (b"a\xffb\xe2\x98", None, r"a\xffb\xe2\x98", r#""a\xffb\xe2\x98""#, HISTORY),
        ] {
            let key = Key::new(bytes).expect("legal");
            assert_eq!((key.as_text(), key.to_string().as_str()), (text, shown));
            assert_eq!((format!("{key:?}").as_str(), key.level()), (quoted, level));
        }
    }

    #[test]
    fn a_key_is_encoded_as_a_text_is() {
        let key = Key::new("order/1").expect("legal");
        let of = |text: &str| postcard::to_stdvec(text).expect("encodes");
        assert_eq!(postcard::to_stdvec(&key).expect("encodes"), of("order/1"));
    }

    #[test]
    fn decoding_checks_as_the_constructor_does() {
        for text in ["", &"k".repeat(1025)] {
            let bytes = postcard::to_stdvec(text).expect("a text encodes");
            assert!(postcard::from_bytes::<Key>(&bytes).is_err());
        }
        let bytes = postcard::to_stdvec(&Bytes::from(vec![0; VALUE_BYTES_MAX + 1])).expect("bytes encode");
        assert!(postcard::from_bytes::<Value>(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn keys_are_decoded_as_they_were_encoded(bytes in prop::collection::vec(any::<u8>(), 1..9)) {
            let key = Key::new(bytes).expect("legal");
            let bytes = postcard::to_stdvec(&key).expect("encodes");
            prop_assert_eq!(postcard::from_bytes::<Key>(&bytes).expect("decodes"), key);
        }
    }
}
