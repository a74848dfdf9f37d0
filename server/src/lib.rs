//! coffeed: a replicated key-value store for a small fleet.

// First: its macro is for all that follow.
#[macro_use]
mod planted;

pub mod api;
pub mod config;
#[cfg(test)]
mod golden_test;
pub mod kv;
pub mod metrics;
pub mod node;
pub mod ops;
pub mod raft_types;
pub mod server;
pub mod storage;

pub use config::Config;
pub use server::{Builder, Closed, ReloadError, Server, StartError};

/// The example of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
