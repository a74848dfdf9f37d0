//! A small pseudo-random generator: SplitMix64 (Steele, Lea and Flood, 2014).
//!
//! It spreads load and retries; it is not for secrets. The same seed gives the
//! same numbers on every machine, so simulations can be replayed.

use std::hash::{BuildHasher, RandomState};

/// The increment of the state between two numbers: 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A seedable generator with 64 bits of state.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Creates a generator whose sequence follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Creates a generator with a seed from the standard library's hash tables,
    /// which differs between processes and calls.
    pub fn from_entropy() -> Self {
        Self(RandomState::new().hash_one(0))
    }

    /// Returns the next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        finalize(self.0)
    }

    /// Returns a number below `bound`, uniform but for a bias of `bound` / 2^64;
    /// 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }
}

/// Returns the number that follows `state`: the first of [`SplitMix64::new`]`(state)`.
pub fn mix(state: u64) -> u64 {
    finalize(state.wrapping_add(GAMMA))
}

/// Returns the `n`-th number after `seed` without computing those before it;
/// for `n` from 1, what the `n`-th call of [`SplitMix64::next_u64`] returns.
pub fn nth(seed: u64, n: u64) -> u64 {
    finalize(seed.wrapping_add(n.wrapping_mul(GAMMA)))
}

fn finalize(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the reference implementation for seed 1234567.
    const REFERENCE: [u64; 3] =
        [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];

    #[test]
    fn the_sequence_is_that_of_the_reference_implementation() {
        let mut random = SplitMix64::new(1_234_567);
        assert_eq!([(); 3].map(|()| random.next_u64()), REFERENCE);
        assert_eq!([1, 2, 3].map(|n| nth(1_234_567, n)), REFERENCE);
        assert_eq!(mix(1_234_567), REFERENCE[0]);
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_each_value() {
        let mut random = SplitMix64::from_entropy();
        let seen: std::collections::BTreeSet<u64> = (0..1_000).map(|_| random.below(10)).collect();
        assert_eq!(seen, (0..10).collect());
        assert_eq!(random.below(0), 0);
    }
}
