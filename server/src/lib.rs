//! coffeed: a replicated key-value store for a small fleet.

pub mod config;
#[cfg(test)]
mod golden;
pub mod kv;
pub mod peer;
pub mod raft;
pub mod storage;
pub mod types;
