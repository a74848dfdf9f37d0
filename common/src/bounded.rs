//! Sequences and bytes that are bounded while they are decoded.
//!
//! The length of a frame bounds the bytes of a sequence but not its elements: a few bytes on the
//! wire may be hundreds in memory.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

/// Decodes a sequence of up to `MAX` elements, for `serde(deserialize_with)`.
///
/// # Errors
/// There are more elements, or one is malformed.
pub fn at_most<'de, T, D, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(BoundedVisitor::<T, MAX>(PhantomData))
}

struct BoundedVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for BoundedVisitor<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "up to {MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
        let announced = sequence.size_hint().unwrap_or_default();
        if announced > MAX {
            return Err(A::Error::invalid_length(announced, &self));
        }
        let mut elements = Vec::with_capacity(announced);
        while let Some(element) = sequence.next_element()? {
            if elements.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

/// Decodes up to `MAX` bytes, encoded as bytes or as a text.
///
/// # Errors
/// There are more.
pub fn bytes_at_most<'de, D: Deserializer<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Vec<u8>, D::Error> {
    deserializer.deserialize_bytes(BoundedBytes::<MAX>)
}

struct BoundedBytes<const MAX: usize>;

impl<const MAX: usize> Visitor<'_> for BoundedBytes<MAX> {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "up to {MAX} bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        if bytes.len() > MAX { Err(E::invalid_length(bytes.len(), &self)) } else { Ok(bytes.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, iter};

    use serde::{Serialize, de::value};

    use super::*;

    thread_local! {
        static DECODED: Cell<usize> = const { Cell::new(0) };
    }

    #[derive(Debug)]
    struct Counted;

    impl<'de> Deserialize<'de> for Counted {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            DECODED.set(DECODED.get() + 1);
            u8::deserialize(deserializer).map(|_| Self)
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Few(#[serde(deserialize_with = "at_most::<_, _, 3>")] Vec<u8>);

    #[test]
    fn more_elements_are_not_decoded() {
        for count in 0..6_u8 {
            let few = Few((0..count).collect());
            let bytes = postcard::to_allocvec(&few).expect("encodes");
            let decoded = postcard::from_bytes::<Few>(&bytes);
            assert_eq!(decoded.ok(), (count <= 3).then_some(few), "{count}");
        }
    }

    #[test]
    fn more_bytes_are_refused() {
        for (text, fits) in [("", true), ("abc", true), ("abcd", false)] {
            let bytes = postcard::to_allocvec(text).expect("encodes");
            let mut decoder = postcard::Deserializer::from_bytes(&bytes);
            let decoded = bytes_at_most::<_, 3>(&mut decoder).ok();
            assert_eq!(decoded, fits.then(|| text.as_bytes().to_owned()), "{text}");
        }
    }

    #[test]
    fn an_announced_length_costs_nothing() {
        let many = postcard::to_allocvec(&[7; 100].as_slice()).expect("encodes");
        let mut decoder = postcard::Deserializer::from_bytes(&many);
        assert!(at_most::<Counted, _, 3>(&mut decoder).is_err());
        assert_eq!(DECODED.get(), 0);
    }

    #[test]
    fn a_sequence_of_unknown_length_is_not_decoded_to_its_end() {
        // No upper bound is known for it.
        let many = iter::repeat_n(7_u8, 100).filter(|_| true);
        let decoder = value::SeqDeserializer::<_, value::Error>::new(many);
        assert!(at_most::<Counted, _, 3>(decoder).is_err());
        assert_eq!(DECODED.get(), 4);
    }
}
