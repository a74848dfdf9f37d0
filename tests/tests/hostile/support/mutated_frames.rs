//! Valid frames, mutated.

use bytes::Bytes;
use coffee_common::{
    frame::{FRAME_VERSION, HEADER_BYTES},
    limits::FRAME_BYTES_MAX,
};
use fastrand::Rng;

/// Seeded by the lane: the same run produces the same mutations.
pub(crate) fn rng(lane: u64) -> Rng {
    Rng::with_seed(0x636f_6666_6565 ^ lane << 32)
}

/// Returns random bytes.
pub(crate) fn bytes(rng: &mut Rng, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    rng.fill(&mut bytes);
    bytes
}

/// Mutates a frame.
pub(crate) fn spoil(rng: &mut Rng, frame: &[u8]) -> Bytes {
    let mut spoiled = frame.to_vec();
    match rng.u8(0..8) {
        0 => {
            let count = rng.usize(1..300);
            spoiled = bytes(rng, count);
        }
        1 => set_length(&mut spoiled, |length| length.wrapping_add_signed(rng.i32(-9..300))),
        2 => set_length(&mut spoiled, |_| rng.u32(FRAME_BYTES_MAX as u32 + 1..)),
        3 => spoiled.truncate(rng.usize(1..frame.len())),
        4 => flip(rng, &mut spoiled, 0),
        // The header stays valid, so that the message is decoded.
        5 => flip(rng, &mut spoiled, HEADER_BYTES),
        6 => {
            let count = frame.len() - HEADER_BYTES;
            spoiled.truncate(HEADER_BYTES);
            spoiled.extend(bytes(rng, count));
        }
        _ => {
            let count = rng.usize(1..40);
            spoiled.extend(bytes(rng, count));
            let length = spoiled.len() - HEADER_BYTES;
            set_length(&mut spoiled, |_| u32::try_from(length).expect("short"));
        }
    }
    spoiled.into()
}

fn set_length(frame: &mut [u8], change: impl FnOnce(u32) -> u32) {
    let [a, b, c, d, version, ..] = frame else { return };
    let length = change(u32::from_le_bytes([*a, *b, *c, *d]));
    [*a, *b, *c, *d] = length.to_le_bytes();
    *version = FRAME_VERSION;
}

/// Flips a few bits from an offset on.
pub(crate) fn flip(rng: &mut Rng, bytes: &mut [u8], from: usize) {
    for _ in 0..rng.u8(1..6) {
        if from < bytes.len() {
            let at = rng.usize(from..bytes.len());
            bytes[at] ^= 1 << rng.u8(0..8);
        }
    }
}
