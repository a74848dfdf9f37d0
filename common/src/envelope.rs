//! Envelopes: how a message changes while other versions read it.
//!
//! An envelope is the length of a body, then the body as postcard encodes it. That of an enum begins
//! with its *kind*, the number of the variant. The message of a frame is a body as well: the frame
//! has its length.
//!
//! ```text
//! struct   length | fields ...              numbers are varints
//! enum     length | kind | fields ...
//! ```
//!
//! The rule of change:
//!
//! 1. New fields go to the end of a body, new variants to the end of an enum; none is ever removed,
//!    moved or given another type.
//! 2. A reader skips what follows the fields that it knows, reads missing ones as zero (0, false,
//!    none, empty, the first variant), and reports a kind that it does not know as [`UnknownKind`].
//! 3. Commands and their outcomes, which every replica applies, get new variants only. These are used
//!    from a feature level on.

mod decoder;
mod encoder;

use std::{fmt, marker::PhantomData};

use postcard::experimental::serialized_size;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::Visitor,
    ser::{Error as _, SerializeTupleStruct},
};

pub use self::decoder::{DecodeError, UnknownKind};
use self::{
    decoder::{Decoder, ENVELOPE},
    encoder::Encoder,
};

/// Appends an encoded value to some bytes. On an error, the bytes may end with a part of it.
///
/// # Errors
/// The value cannot be encoded.
pub fn encode_to<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) -> Result<(), postcard::Error> {
    value.serialize(Encoder::new(bytes))
}

/// Encodes a value in an envelope, for `serde(with)`. The serializer of [`encode_to`] takes one pass.
/// Any other one takes two: the first one measures the body. Text for people, such as JSON, names its
/// fields and needs no envelope.
///
/// # Errors
/// The value cannot be encoded.
pub fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        return value.serialize(serializer);
    }
    let mut envelope = serializer.serialize_tuple_struct(ENVELOPE, 2)?;
    envelope.serialize_field(&LengthOf(value))?;
    envelope.serialize_field(value)?;
    envelope.end()
}

/// The length of a body, which is measured when it is encoded.
struct LengthOf<'a, T>(&'a T);

impl<T: Serialize> Serialize for LengthOf<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialized_size(self.0).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// Decodes what [`serialize`] has encoded, for `serde(with)`.
///
/// # Errors
/// The bytes are malformed, or the deserializer is not that of [`decode_body`] and [`decode_first`].
pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    if deserializer.is_human_readable() {
        return T::deserialize(deserializer);
    }
    deserializer.deserialize_newtype_struct(ENVELOPE, BodyVisitor(PhantomData))
}

struct BodyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for BodyVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope")
    }

    /// Called by our decoder alone. Any other one takes the name of the envelope for that of a
    /// newtype, and calls what a visitor has for those: nothing here.
    fn visit_some<D: Deserializer<'de>>(self, body: D) -> Result<T, D::Error> {
        T::deserialize(body)
    }
}

/// Decodes a body: all of the bytes. Skips what follows the fields that this build knows.
///
/// # Errors
/// The bytes are malformed, or of a kind that this build does not know.
pub fn decode_body<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, DecodeError> {
    T::deserialize(&mut Decoder::of_body(body))
}

/// Decodes the first of several values, and returns the bytes of the others.
///
/// # Errors
/// The bytes do not begin with such a value.
pub fn decode_first<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<(T, &'de [u8]), DecodeError> {
    let mut decoder = Decoder::of_first(bytes);
    let value = T::deserialize(&mut decoder)?;
    Ok((value, decoder.rest()))
}

/// Returns the kind of an enum in an envelope. Reads no more than that, so the rest may be missing.
///
/// # Errors
/// The bytes do not begin with such an envelope.
pub fn kind(envelope: &[u8]) -> Result<u32, DecodeError> {
    let mut decoder = Decoder::of_first(envelope);
    match decoder.u64()? {
        0 => Err(DecodeError::Short),
        _ => decoder.u32(),
    }
}

/// A type that is in an envelope wherever it is encoded: see [`enveloped`](crate::enveloped).
pub trait FromBody: Sized {
    /// Decodes the body of an envelope, without its length.
    ///
    /// # Errors
    /// As [`decode_body`].
    fn from_body(body: &[u8]) -> Result<Self, DecodeError>;
}

/// Encodes a borrowed value in an envelope.
#[derive(Debug, Clone, Copy)]
pub struct Enveloped<'a, T>(pub &'a T);

impl<T: Serialize> Serialize for Enveloped<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer)
    }
}

/// Puts types in an envelope wherever they are encoded. Each derives `Serialize` and `Deserialize`
/// with `#[serde(remote = "Self")]`, which makes the code of its body.
#[macro_export]
macro_rules! enveloped {
    ($($type:ty),* $(,)?) => {
        $(const _: () = {
            struct Body<'a>(&'a $type);

            impl serde::Serialize for Body<'_> {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    <$type>::serialize(self.0, serializer)
                }
            }

            struct OwnedBody($type);

            impl<'de> serde::Deserialize<'de> for OwnedBody {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    <$type>::deserialize(deserializer).map(Self)
                }
            }

            impl serde::Serialize for $type {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    $crate::envelope::serialize(&Body(self), serializer)
                }
            }

            impl<'de> serde::Deserialize<'de> for $type {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    $crate::envelope::deserialize(deserializer).map(|OwnedBody(value)| value)
                }
            }

            impl $crate::envelope::FromBody for $type {
                fn from_body(body: &[u8]) -> Result<Self, $crate::envelope::DecodeError> {
                    $crate::envelope::decode_body(body).map(|OwnedBody(value)| value)
                }
            }
        };)*
    };
}

#[cfg(test)]
mod tests;
