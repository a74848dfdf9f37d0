//! Frames: the unit that reaches the disk by one write, completely or not at all. Pure.
//!
//! ```text
//! frame    crc32c 4 | length 4 | sequence 8 | number 8 | records
//! ```
//!
//! The checksum covers the frame's offset in the file and everything after the
//! checksum. The sequence is the chunk's, so a frame from an earlier use of the chunk
//! is never taken for a new one. Frames are numbered across all chunks.

use std::ops::Range;

pub(super) const HEADER_BYTES: usize = 24;

/// Frames start at multiples of this.
const ALIGNMENT: usize = 8;

/// A complete frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) sequence: u64,
    pub(super) number: u64,
    /// The range of its records in the chunk.
    pub(super) records: Range<usize>,
}

impl Frame {
    /// The offset of the next frame.
    pub(super) fn next(&self) -> usize {
        aligned(self.records.end)
    }
}

/// The next offset at which a frame may start.
pub(super) fn aligned(at: usize) -> usize {
    at.next_multiple_of(ALIGNMENT)
}

/// Fills in the header of a frame, which occupies its first bytes.
pub(super) fn seal(frame: &mut [u8], offset: u64, sequence: u64, number: u64) {
    let length = (frame.len() - HEADER_BYTES) as u32;
    frame[4..8].copy_from_slice(&length.to_le_bytes());
    frame[8..16].copy_from_slice(&sequence.to_le_bytes());
    frame[16..24].copy_from_slice(&number.to_le_bytes());
    let checksum = checksum(offset, &frame[4..]);
    frame[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// Decodes the frame at `at` of a chunk whose offset in the file is `offset`;
/// `None` if there is no complete one.
pub(super) fn open(chunk: &[u8], at: usize, offset: u64) -> Option<Frame> {
    let bytes = chunk.get(at..)?;
    let (head, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let length = word(4) as usize;
    if length == 0 || length > rest.len() {
        return None;
    }
    let whole = word(0) == checksum(offset + at as u64, &bytes[4..HEADER_BYTES + length]);
    let records = at + HEADER_BYTES..at + HEADER_BYTES + length;
    (whole || planted!("torn-tail-accepted")).then(|| Frame {
        sequence: long(head, 8),
        number: long(head, 16),
        records,
    })
}

fn long(head: &[u8], at: usize) -> u64 {
    head[at..at + 8].try_into().map_or(0, u64::from_le_bytes)
}

/// Whether there is a complete frame of this chunk with a number higher than
/// `number`, from `at` on.
pub(super) fn any_later(chunk: &[u8], at: usize, offset: u64, sequence: u64, number: u64) -> bool {
    let end = chunk.len().saturating_sub(HEADER_BYTES);
    (aligned(at)..end).step_by(ALIGNMENT).any(|at| {
        let head = &chunk[at..at + HEADER_BYTES];
        long(head, 8) == sequence && long(head, 16) > number && open(chunk, at, offset).is_some()
    })
}

fn checksum(offset: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&offset.to_le_bytes()), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(offset: u64, number: u64, records: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; HEADER_BYTES];
        frame.extend_from_slice(records);
        seal(&mut frame, offset, 9, number);
        frame
    }

    #[test]
    fn every_flipped_bit_and_every_other_place_is_noticed() {
        let chunk = frame(4096, 5, b"two records");
        let found = open(&chunk, 0, 4096).expect("whole");
        assert_eq!(found, Frame { sequence: 9, number: 5, records: HEADER_BYTES..HEADER_BYTES + 11 });
        assert_eq!(found.next(), 40);
        assert_eq!(open(&chunk, 0, 8192), None);
        for bit in 0..chunk.len() * 8 {
            let mut chunk = chunk.clone();
            chunk[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&chunk, 0, 4096), None, "bit {bit}");
        }
        for len in 0..chunk.len() {
            assert_eq!(open(&chunk[..len], 0, 4096), None, "{len} bytes");
        }
    }

    #[test]
    fn a_later_frame_is_found_wherever_it_lies() {
        let mut chunk = vec![0xff; 80];
        chunk.extend(frame(1000 + 80, 6, b"records"));
        assert!(any_later(&chunk, 8, 1000, 9, 5));
        assert!(!any_later(&chunk, 8, 1000, 9, 6), "not a later one");
        assert!(!any_later(&chunk, 8, 1000, 8, 5), "of an earlier use");
        assert!(!any_later(&chunk, 88, 1000, 9, 5), "it is before");
    }
}
