//! Decodes bodies: what postcard encodes, with the two rules of an [envelope](crate::envelope).
//!
//! postcard's own decoder knows neither where a value ends that another version wrote, nor how many
//! variants an enum has. This one reads the same bytes. It borrows them, never recurses into a
//! sequence that is longer than the bytes left, and allocates nothing itself.

mod numbers;

use std::{fmt, mem};

use serde::{
    de::{
        self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
        VariantAccess, Visitor, value::U32Deserializer,
    },
    forward_to_deserialize_any,
};

/// The name under which a type asks for its envelope.
pub(super) const ENVELOPE: &str = "$envelope";

/// The bit of each byte of a number that says that more bytes follow.
pub(super) const MORE: u8 = 0x80;

/// Why bytes are not the expected value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It ends early.
    #[error("it ends early")]
    Short,
    /// A number does not fit its type.
    #[error("a number is out of range")]
    Number,
    /// A value breaks the rules of its type.
    #[error("a value is not valid")]
    Invalid,
    /// A newer version wrote it.
    #[error(transparent)]
    Unknown(#[from] UnknownKind),
}

/// A kind that this build does not know: a variant that a newer version added to an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an unknown {of} ({kind})")]
pub struct UnknownKind {
    /// The name of the enum.
    pub of: &'static str,
    /// The number of the variant.
    pub kind: u32,
}

impl de::Error for DecodeError {
    /// Drops the message: it may contain any number of bytes from outside.
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self::Invalid
    }
}

/// Decodes a value from the front of some bytes.
pub(super) struct Decoder<'de> {
    rest: &'de [u8],
    /// Whether values that follow the last byte are zero. Not within a sequence: its length is known,
    /// so all of its elements were written.
    may_end: bool,
}

impl<'de> Decoder<'de> {
    /// Decodes a body: fields at its end may be missing.
    pub(super) fn of_body(body: &'de [u8]) -> Self {
        Self { rest: body, may_end: true }
    }

    /// Decodes a value that is followed by others.
    pub(super) fn of_first(bytes: &'de [u8]) -> Self {
        Self { rest: bytes, may_end: false }
    }

    /// Returns the bytes that were not decoded.
    pub(super) fn rest(&self) -> &'de [u8] {
        self.rest
    }

    #[inline]
    fn u8(&mut self) -> Result<u8, DecodeError> {
        if self.rest.is_empty() && self.may_end { Ok(0) } else { self.next_byte() }
    }

    #[inline]
    fn next_byte(&mut self) -> Result<u8, DecodeError> {
        let (byte, rest) = self.rest.split_first().ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(*byte)
    }

    /// Reads the length of a sequence. Each element takes at least one byte.
    #[inline]
    pub(super) fn length(&mut self) -> Result<usize, DecodeError> {
        let length = usize::try_from(self.u64()?).map_err(|_| DecodeError::Number)?;
        if length > self.rest.len() { Err(DecodeError::Short) } else { Ok(length) }
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'de [u8], DecodeError> {
        let length = self.length()?;
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn text(&mut self) -> Result<&'de str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Invalid)
    }
}

/// Forwards to the visitor what a reader has read.
macro_rules! read {
    ($($method:ident: $reader:ident, $visit:ident;)*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit(self.$reader()?)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    read! {
        deserialize_u8: u8, visit_u8;
        deserialize_u16: u16, visit_u16;
        deserialize_u32: u32, visit_u32;
        deserialize_u64: u64, visit_u64;
        deserialize_u128: wide, visit_u128;
        deserialize_str: text, visit_borrowed_str;
        deserialize_string: text, visit_borrowed_str;
        deserialize_bytes: bytes, visit_borrowed_bytes;
        deserialize_byte_buf: bytes, visit_borrowed_bytes;
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.u8()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(DecodeError::Invalid),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.u8()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(DecodeError::Invalid),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == ENVELOPE {
            return visitor.visit_some(&mut Decoder::of_body(self.bytes()?));
        }
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let left = self.length()?;
        let may_end = mem::replace(&mut self.may_end, false);
        let sequence = visitor.visit_seq(Elements { decoder: self, left });
        self.may_end = may_end;
        sequence
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let left = self.length()?;
        let may_end = mem::replace(&mut self.may_end, false);
        let map = visitor.visit_map(Elements { decoder: self, left });
        self.may_end = may_end;
        map
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(Elements { decoder: self, left: length })
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let kind = self.u32()?;
        if kind as usize >= variants.len() {
            return Err(UnknownKind { of: name, kind }.into());
        }
        visitor.visit_enum(Variant { decoder: self, kind })
    }

    #[inline]
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let number = self.u64()?;
        visitor.visit_i64((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A body does not say which types it contains, and the messages have none of the others.
    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::Invalid)
    }

    forward_to_deserialize_any! { i8 i16 i32 i128 f32 f64 char identifier ignored_any }
}

/// The elements of a sequence, the fields of a struct, or the entries of a map.
struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.next_element_seed(seed)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        seed.deserialize(&mut *self.decoder)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// A variant whose kind is known.
struct Variant<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    kind: u32,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a, 'de> {
    type Error = DecodeError;
    type Variant = &'a mut Decoder<'de>;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, &'a mut Decoder<'de>), DecodeError> {
        let kind: U32Deserializer<DecodeError> = self.kind.into_deserializer();
        Ok((seed.deserialize(kind)?, self.decoder))
    }
}

impl<'de> VariantAccess<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    #[inline]
    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}
