//! Encodes bodies: what postcard encodes, with each [envelope](crate::envelope) in one pass.
//!
//! postcard's own encoder cannot return to the place of a length. It has to measure a body first, and
//! the bodies within it again each time. This one leaves a byte for the length, and moves the body if
//! the length takes more. It measures a large body, which would take longer to move.

use std::array;

use postcard::{Error, experimental::serialized_size};
use serde::{
    Serialize,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant, Serializer,
    },
};

use super::decoder::{ENVELOPE, MORE};

/// The largest body that is moved, in bytes.
const MOVED_BYTES_MAX: usize = 4 << 10;

/// The error for a body that is too large to be moved.
const TOO_LARGE: Error = Error::SerializeBufferFull;

/// Appends encoded values to some bytes.
pub(super) struct Encoder<'a> {
    bytes: &'a mut Vec<u8>,
    /// The most bytes that there may be, since a body that is not complete may have to be moved.
    /// `usize::MAX` if there is none.
    bytes_max: usize,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, bytes_max: usize::MAX }
    }

    /// Returns an encoder for a part of the value.
    fn part(&mut self) -> Encoder<'_> {
        Encoder { bytes: self.bytes, bytes_max: self.bytes_max }
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    #[inline]
    fn varint(&mut self, mut number: u64) {
        while number >= u64::from(MORE) {
            self.byte(number as u8 | MORE);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// As [`Self::varint`]. Writes eight bytes at a time: shifting 128 bits is slow.
    fn wide(&mut self, mut number: u128) {
        while u64::try_from(number).is_err() {
            let bits = number as u64;
            self.bytes.extend_from_slice(&array::from_fn::<u8, 8, _>(|n| (bits >> (7 * n)) as u8 | MORE));
            number >>= 8 * 7;
        }
        self.varint(number as u64);
    }

    fn length(&mut self, length: Option<usize>) -> Result<(), Error> {
        self.varint(length.ok_or(Error::SerializeSeqLengthUnknown)? as u64);
        Ok(())
    }

    #[inline]
    fn slice(&mut self, slice: &[u8]) -> Result<(), Error> {
        if self.bytes.len().saturating_add(slice.len()) > self.bytes_max {
            return Err(TOO_LARGE);
        }
        self.varint(slice.len() as u64);
        self.bytes.extend_from_slice(slice);
        Ok(())
    }

    fn envelope<T: Serialize + ?Sized>(&mut self, body: &T) -> Result<(), Error> {
        let start = self.bytes.len();
        self.byte(0);
        let bytes_max = self.bytes_max.min(start + MOVED_BYTES_MAX);
        match body.serialize(Encoder { bytes: self.bytes, bytes_max }) {
            Err(TOO_LARGE) if self.bytes_max == usize::MAX => {
                self.bytes.truncate(start);
                self.varint(serialized_size(body)? as u64);
                body.serialize(self.part())
            }
            encoded => encoded.map(|()| self.set_length(start)),
        }
    }

    /// Sets the length of a body, for which the byte at `start` was left.
    fn set_length(&mut self, start: usize) {
        let (body, end) = (start + 1, self.bytes.len());
        let mut length = end - body;
        let bits = usize::BITS - length.leading_zeros();
        let more = bits.div_ceil(7).saturating_sub(1) as usize;
        if more > 0 {
            self.bytes.resize(end + more, 0);
            self.bytes.copy_within(body..end, body + more);
        }
        for byte in &mut self.bytes[start..start + more] {
            *byte = length as u8 | MORE;
            length >>= 7;
        }
        self.bytes[start + more] = length as u8;
    }
}

/// Forwards a number to its writer.
macro_rules! write_numbers {
    ($($method:ident($number:ty): $writer:ident;)*) => {
        $(#[inline]
        fn $method(mut self, number: $number) -> Result<(), Error> {
            self.$writer(number.into());
            Ok(())
        })*
    };
}

/// Refuses types that the messages do not have: the decoder knows none of them either.
macro_rules! refuse {
    ($($method:ident($value:ty);)*) => {
        $(fn $method(self, _value: $value) -> Result<(), Error> {
            Err(Error::WontImplement)
        })*
    };
}

impl<'a> Serializer for Encoder<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = TupleStruct<'a>;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    write_numbers! {
        serialize_bool(bool): byte;
        serialize_u8(u8): byte;
        serialize_u16(u16): varint;
        serialize_u32(u32): varint;
        serialize_u64(u64): varint;
        serialize_u128(u128): wide;
    }

    refuse! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i128(i128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
    }

    /// Small numbers of either sign are short: the sign is the lowest bit.
    #[inline]
    fn serialize_i64(mut self, number: i64) -> Result<(), Error> {
        self.varint((number << 1 ^ number >> 63) as u64);
        Ok(())
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_str(mut self, text: &str) -> Result<(), Error> {
        self.slice(text.as_bytes())
    }

    #[inline]
    fn serialize_bytes(mut self, bytes: &[u8]) -> Result<(), Error> {
        self.slice(bytes)
    }

    #[inline]
    fn serialize_none(mut self) -> Result<(), Error> {
        self.byte(0);
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), Error> {
        self.byte(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(
        mut self,
        _name: &'static str,
        kind: u32,
        _variant: &'static str,
    ) -> Result<(), Error> {
        self.varint(kind.into());
        Ok(())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        kind: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.varint(kind.into());
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(mut self, length: Option<usize>) -> Result<Self, Error> {
        self.length(length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple(self, _length: usize) -> Result<Self, Error> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, name: &'static str, _length: usize) -> Result<TupleStruct<'a>, Error> {
        let next = if name == ENVELOPE { Next::Length } else { Next::Field };
        Ok(TupleStruct { encoder: self, next })
    }

    #[inline]
    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        kind: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self, Error> {
        self.varint(kind.into());
        Ok(self)
    }

    #[inline]
    fn serialize_map(mut self, length: Option<usize>) -> Result<Self, Error> {
        self.length(length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Self, Error> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        kind: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self, Error> {
        self.serialize_tuple_variant(name, kind, variant, length)
    }
}

/// The fields of a tuple struct, or the two parts of an envelope.
pub(super) struct TupleStruct<'a> {
    encoder: Encoder<'a>,
    next: Next,
}

/// The next part of a [`TupleStruct`].
enum Next {
    /// A field.
    Field,
    /// The length of a body, which is inserted once the body is there.
    Length,
    /// A body.
    Body,
}

impl SerializeTupleStruct for TupleStruct<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match self.next {
            Next::Field => value.serialize(self.encoder.part()),
            Next::Length => {
                self.next = Next::Body;
                Ok(())
            }
            Next::Body => self.encoder.envelope(value),
        }
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// Implements a trait for values that consist of others, which follow each other.
macro_rules! follow_each_other {
    ($($compound:ident: $($method:ident($($name:ty)?))*;)*) => {
        $(impl $compound for Encoder<'_> {
            type Ok = ();
            type Error = Error;

            $(fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Result<(), Error> {
                value.serialize(self.part())
            })*

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}
follow_each_other! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key() serialize_value();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}
