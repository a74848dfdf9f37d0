//! coffeed: a replicated key-value store for a small fleet.

pub mod types;
