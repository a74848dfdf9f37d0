//! Corruption tests: flipped bits, truncated files and overwritten headers.
//!
//! Each case takes the files that a node left when it stopped or crashed, damages
//! one of them, opens the storage as the server does, and reads all of it. Either
//! the answers are the same as before, or the node reports an error without a
//! panic. A different answer is a failure.
//!
//! One outcome cannot be told from an honest one: after a power cut, a last frame of
//! the log that does not match its checksum is a torn write, and is dropped. Damage
//! to exactly that frame looks the same. It is counted separately, and must yield
//! exactly the state before that commit.
//!
//! An ordinary run has a few hundred cases. For the table of many:
//!
//! ```text
//! COFFEE_DAMAGE=10000 cargo test --release -p coffeed --lib storage::tests::corruption -- --nocapture
//! ```

mod outcomes;
mod sample;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
};

use self::{
    outcomes::{CorruptionOutcome, OutcomeTable},
    sample::{LOG, STATE, Sample, read_all},
};

/// Bit flips of an ordinary run; there are a tenth as many truncations and
/// damaged headers.
const FLIPS: usize = 300;

/// The size of redb's super-header, which is in the first page.
const HEADER_BYTES: usize = 512;

/// A repeatable random sequence (xorshift64).
struct XorShift(u64);

impl XorShift {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    Flip,
    Truncation,
    Header,
}

impl Damage {
    /// Damages `bytes`; returns a description.
    fn strike(self, bytes: &mut Vec<u8>, dice: &mut XorShift) -> String {
        match self {
            Self::Flip => {
                let (at, bit) = (place_of_flip(bytes, dice), dice.below(8));
                bytes[at] ^= 1 << bit;
                format!("bit {bit} of byte {at}")
            }
            Self::Truncation => {
                // Half of them by whole pages, as file systems lose them.
                let len = dice.below(bytes.len());
                let len = if dice.below(2) == 0 { len } else { len / 4096 * 4096 };
                bytes.truncate(len);
                format!("cut to {len} bytes")
            }
            Self::Header => {
                let (at, len) = (dice.below(HEADER_BYTES), 1 + dice.below(64));
                let noise = dice.below(3);
                for byte in bytes.iter_mut().skip(at).take(len) {
                    *byte = [0, 0xff, dice.below(256) as u8][noise];
                }
                format!("{len} bytes of the header from byte {at}")
            }
        }
    }
}

/// Anywhere, but mostly at bytes that are not zero.
fn place_of_flip(bytes: &[u8], dice: &mut XorShift) -> usize {
    let anywhere = dice.below(10) < 3;
    if anywhere {
        let limit = if dice.below(3) == 0 { HEADER_BYTES } else { bytes.len() };
        return dice.below(limit);
    }
    loop {
        let at = dice.below(bytes.len());
        if bytes[at] != 0 {
            return at;
        }
    }
}

fn judge(sample: &Sample, file: &str, bytes: Vec<u8>) -> CorruptionOutcome {
    let disk = sample.disk.with(file, bytes);
    match catch_unwind(AssertUnwindSafe(|| read_all(&disk))) {
        Ok(Ok(answers)) if answers == sample.answers => CorruptionOutcome::Harmless,
        Ok(Ok(answers)) if file == LOG && sample.torn.as_ref() == Some(&answers) => CorruptionOutcome::Torn,
        Ok(Ok(_)) => CorruptionOutcome::Wrong,
        Ok(Err(sample::Detected::AtStart(_))) => CorruptionOutcome::AtStart,
        Ok(Err(sample::Detected::AtRead(_))) => CorruptionOutcome::AtRead,
        Err(_) => CorruptionOutcome::Panic,
    }
}

#[test]
fn no_damage_at_rest_is_ever_served() {
    let flips = env::var("COFFEE_DAMAGE").ok().and_then(|flips| flips.parse().ok()).unwrap_or(FLIPS);
    let mut table = OutcomeTable::default();
    let mut failures = Vec::new();
    for sample in [Sample::stopped(), Sample::crashed()] {
        assert_eq!(read_all(&sample.disk).as_ref(), Ok(&sample.answers), "{} and whole", sample.name);
        for file in [LOG, STATE] {
            let whole = sample.disk.content(file);
            let mut dice = XorShift(0x2545_f491_4f6c_dd1d);
            for (damage, cases) in
                [(Damage::Flip, flips), (Damage::Truncation, flips / 10), (Damage::Header, flips / 10)]
            {
                // The cases of two samples and two files together.
                for _ in 0..cases.div_ceil(4) {
                    let mut bytes = whole.clone();
                    let what = damage.strike(&mut bytes, &mut dice);
                    let outcome = judge(&sample, file, bytes);
                    table.count(sample.name, file, damage, outcome);
                    if matches!(outcome, CorruptionOutcome::Wrong | CorruptionOutcome::Panic) {
                        failures.push(format!("{outcome:?}: {}, {file}: {what}", sample.name));
                    }
                }
            }
        }
    }
    table.show();
    assert!(
        failures.is_empty(),
        "{} of them:\n{}",
        failures.len(),
        failures[..failures.len().min(20)].join("\n")
    );
    assert!(table.total(CorruptionOutcome::AtStart) > 0, "damage is found");
}

/// Flips every bit of the headers, which locate everything else; an ordinary run
/// flips some of them.
#[test]
fn no_bit_of_a_header_is_trusted_blindly() {
    let step = if env::var_os("COFFEE_DAMAGE").is_some() { 1 } else { 131 };
    for sample in [Sample::stopped(), Sample::crashed()] {
        for file in [LOG, STATE] {
            let whole = sample.disk.content(file);
            for bit in (0..HEADER_BYTES * 8).step_by(step) {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let outcome = judge(&sample, file, bytes);
                let safe = !matches!(outcome, CorruptionOutcome::Wrong | CorruptionOutcome::Panic);
                assert!(safe, "{}, {file}, bit {} of byte {}: {outcome:?}", sample.name, bit % 8, bit / 8);
            }
        }
    }
}
