//! The keys and values of a run.

use bytes::Bytes;
use coffee_common::random::SplitMix64;

/// Number of distinct values: they are slices of one block of random bytes.
const OFFSETS: usize = 64 << 10;

/// Keys of one length, with values of one size.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
    count: u64,
    digits: usize,
    value_bytes: usize,
    block: Bytes,
}

impl Keys {
    /// Creates `count` keys (at least one) of `key_bytes` bytes: the prefix and a
    /// number. Returns `None` if the numbers do not fit.
    pub fn new(prefix: String, count: u64, key_bytes: usize, value_bytes: usize) -> Option<Self> {
        let needed = count.checked_sub(1)?.to_string().len();
        let digits = key_bytes.checked_sub(prefix.len()).filter(|digits| *digits >= needed)?;
        let mut chance = SplitMix64::from_entropy();
        let words = (value_bytes + OFFSETS).div_ceil(8);
        let block: Vec<u8> = (0..words).flat_map(|_| chance.next_u64().to_le_bytes()).collect();
        Some(Self { prefix, count, digits, value_bytes, block: block.into() })
    }

    /// Returns the number of keys.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the common prefix of the keys.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns a key by its number.
    pub fn key(&self, number: u64) -> String {
        format!("{}{number:0width$}", self.prefix, width = self.digits)
    }

    pub(super) fn any_key(&self, chance: &mut SplitMix64) -> String {
        self.key(chance.below(self.count))
    }

    /// Returns random bytes without copying.
    pub(super) fn any_value(&self, chance: &mut SplitMix64) -> Bytes {
        let start = usize::try_from(chance.below(OFFSETS as u64)).unwrap_or(0);
        self.block.slice(start..start + self.value_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_length_asked_for() {
        let keys = Keys::new("b/".into(), 1000, 7, 8).unwrap();
        assert_eq!((keys.key(0).as_str(), keys.key(999).as_str()), ("b/00000", "b/00999"));
        assert!(Keys::new("b/".into(), 1000, 5, 8).is_some());
        assert!(Keys::new("b/".into(), 1001, 5, 8).is_none(), "1000 has four digits");
        assert!(Keys::new("b/".into(), 1, 2, 8).is_none(), "one digit at least");
    }

    #[test]
    fn values_have_the_size_asked_for_and_differ() {
        for size in [0, 1, 256, 1 << 20] {
            let keys = Keys::new("b/".into(), 1, 8, size).unwrap();
            let mut chance = SplitMix64::from_entropy();
            let values: Vec<Bytes> = (0..8).map(|_| keys.any_value(&mut chance)).collect();
            assert!(values.iter().all(|value| value.len() == size));
            assert!(size < 256 || values.windows(2).any(|pair| pair[0] != pair[1]));
        }
    }

    #[test]
    fn every_key_has_its_turn() {
        let keys = Keys::new("b/".into(), 10, 8, 0).unwrap();
        let mut chance = SplitMix64::from_entropy();
        let seen: std::collections::BTreeSet<String> = (0..1000).map(|_| keys.any_key(&mut chance)).collect();
        assert_eq!(seen.len(), 10);
    }
}
