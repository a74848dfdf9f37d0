//! Helpers of these tests: `coffeed`'s offline verbs, and assertions.

pub(crate) mod coffeed;
pub(crate) mod refusal;
