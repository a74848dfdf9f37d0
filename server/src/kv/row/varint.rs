//! Numbers in rows: LEB128, seven bits in each byte and the lowest first, in as few bytes as possible.
//! (DWARF 5, section 7.6.)

use crate::kv::{error::KvError, table::Table};

/// The most bytes of a number.
pub(in crate::kv) const VARINT_BYTES_MAX: usize = 10;

/// Appends a number.
pub(in crate::kv) fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads fields of any length from the front of a row.
pub(in crate::kv) struct VarintReader<'row> {
    pub(in crate::kv) table: Table,
    pub(in crate::kv) rest: &'row [u8],
}

impl<'row> VarintReader<'row> {
    pub(in crate::kv) fn number(&mut self) -> Result<u64, KvError> {
        let mut number = 0;
        for place in 0..VARINT_BYTES_MAX {
            let [byte] = *self.bytes(1)? else { break };
            let part = u64::from(byte & 0x7f);
            if place == VARINT_BYTES_MAX - 1 && byte > 1 || place > 0 && byte == 0 {
                break;
            }
            number |= part << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(KvError::damaged(self.table, "a number is malformed"))
    }

    /// Reads this many bytes.
    pub(in crate::kv) fn bytes(&mut self, bytes: usize) -> Result<&'row [u8], KvError> {
        let (field, rest) =
            self.rest.split_at_checked(bytes).ok_or(KvError::damaged(self.table, "it is too short"))?;
        self.rest = rest;
        Ok(field)
    }

    /// Reads a number, and as many bytes.
    pub(in crate::kv) fn counted(&mut self) -> Result<&'row [u8], KvError> {
        let bytes = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        self.bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<u64, KvError> {
        VarintReader { table: Table::Keys, rest: bytes }.number()
    }

    #[test]
    fn each_number_has_one_encoding() {
        for number in [0, 1, 127, 128, 300, 1 << 35, u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            push(&mut bytes, number);
            assert!(bytes.len() <= VARINT_BYTES_MAX);
            assert_eq!(read(&bytes).expect("its own bytes"), number);
            assert!(read(&bytes[..bytes.len() - 1]).is_err(), "{number} cut off");
            *bytes.last_mut().expect("a byte") |= 0x80;
            bytes.push(0);
            assert!(read(&bytes).is_err(), "{number} in more bytes than it needs");
        }
        assert!(read(&[0xff; 10]).is_err(), "more than 64 bits");
        assert!(read(&[0x80; 20]).is_err());
    }
}
