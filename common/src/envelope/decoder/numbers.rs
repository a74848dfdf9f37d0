//! Reads numbers: seven bits per byte, the lowest ones first.

use super::{DecodeError, Decoder, MORE};

/// Defines readers of numbers. A number that is there has all of its bytes. The second reader of each
/// continues after the first byte.
macro_rules! varints {
    ($($name:ident $after:ident;)*) => {
        impl Decoder<'_> {
            $(#[inline]
            pub(in crate::envelope) fn $name(&mut self) -> Result<$name, DecodeError> {
                let first = self.u8()?;
                if first < MORE { Ok(first.into()) } else { self.$after(first) }
            }

            fn $after(&mut self, first: u8) -> Result<$name, DecodeError> {
                let (mut byte, mut rest) = (first, self.rest);
                let (mut number, mut shift) = (0, 0);
                loop {
                    let bits = $name::from(byte & !MORE);
                    let left = $name::BITS.saturating_sub(shift);
                    if left < 7 && (left == 0 || bits >> left != 0) {
                        return Err(DecodeError::Number);
                    }
                    number |= bits << shift;
                    if byte < MORE {
                        self.rest = rest;
                        return Ok(number);
                    }
                    let (next, after) = rest.split_first().ok_or(DecodeError::Short)?;
                    (byte, rest, shift) = (*next, after, shift + 7);
                }
            })*
        }
    };
}
varints! {
    u16 after_first_u16;
    u32 after_first_u32;
    u64 after_first_u64;
    u128 after_first_u128;
}

impl Decoder<'_> {
    /// As [`Self::u128`]. Reads the first 16 bytes of a random number, which has more, in two parts:
    /// shifting 128 bits for each byte takes three times as long.
    pub(super) fn wide(&mut self) -> Result<u128, DecodeError> {
        if let Some((low, rest)) = self.rest.split_first_chunk()
            && let Some((high, rest)) = rest.split_first_chunk()
            && let (Some(low), Some(high)) = (bits(low), bits(high))
        {
            self.rest = rest;
            let next = self.next_byte()?;
            let last = self.after_first_u16(next)?;
            return Ok(u128::from(low) | u128::from(high) << 56 | u128::from(last) << 112);
        }
        self.u128()
    }
}

/// Returns the bits that eight bytes of a number hold, if more bytes follow.
fn bits(bytes: &[u8; 8]) -> Option<u64> {
    let more = u64::from_le_bytes([MORE; 8]);
    let bits = || bytes.iter().rev().fold(0, |bits, byte| bits << 7 | u64::from(byte & !MORE));
    (u64::from_le_bytes(*bytes) & more == more).then(bits)
}
