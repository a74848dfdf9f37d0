//! coffeed: a replicated key-value store for a small fleet.

// First: its macro is for all that follow.
#[macro_use]
mod planted;

pub mod admin;
pub mod agreement;
pub mod api;
pub mod backup;
pub mod config;
pub mod forward;
#[cfg(test)]
mod golden;
pub mod heard;
pub mod kv;
pub mod membership;
pub mod metrics;
pub mod node;
pub mod peer;
pub mod propose;
pub mod raft;
pub mod reads;
pub mod replica;
pub mod server;
mod shutdown;
pub mod status;
pub mod storage;
pub mod types;

pub use config::Config;
pub use server::{Builder, Closed, ReloadError, Server, StartError};
