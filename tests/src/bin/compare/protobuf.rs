//! As much of protobuf as five of etcd's messages need: fields of bytes, and integers.
//!
//! Source: protobuf.dev/programming-guides/encoding.

/// A field's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    /// Wire type 0.
    Integer(u64),
    /// Wire type 2: bytes, text, or a message.
    Bytes(&'a [u8]),
}

/// Adds a field with an integer.
pub(crate) fn put_integer(message: &mut Vec<u8>, number: u8, integer: u64) {
    message.push(number << 3);
    put_varint(message, integer);
}

/// Adds a field of bytes.
pub(crate) fn put_bytes(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

/// The first field with this number; `None` if there is none, or the message is damaged.
pub(crate) fn field(mut message: &[u8], number: u64) -> Option<Field<'_>> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let content = match tag & 7 {
            0 => Field::Integer(varint(&mut message)?),
            1 => Field::Bytes(bytes(&mut message, 8)?),
            2 => {
                let length = varint(&mut message)?;
                Field::Bytes(bytes(&mut message, usize::try_from(length).ok()?)?)
            }
            5 => Field::Bytes(bytes(&mut message, 4)?),
            _ => return None,
        };
        if tag >> 3 == number {
            return Some(content);
        }
    }
    None
}

fn bytes<'a>(message: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, rest) = message.split_at_checked(count)?;
    *message = rest;
    Some(head)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back() {
        let mut message = Vec::new();
        put_bytes(&mut message, 1, &[7; 300]);
        put_bytes(&mut message, 2, b"latte");
        put_integer(&mut message, 3, 300);
        assert!(message.ends_with(&[3 << 3, 0xac, 0x02]), "{message:?}");
        assert_eq!(field(&message, 1), Some(Field::Bytes(&[7; 300])));
        assert_eq!(field(&message, 2), Some(Field::Bytes(b"latte")));
        assert_eq!(field(&message, 3), Some(Field::Integer(300)));
        assert_eq!(field(&message, 4), None);
        assert_eq!(field(&message[..100], 2), None, "cut off");
    }
}
