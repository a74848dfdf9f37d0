//! Storage: Raft's log and the state machine, in files.
//!
//! Knows the consensus library's storage traits and the domain below it;
//! nothing of networks, requests or the server above. It never calls up: it
//! answers through the callbacks that the consensus library hands in.

pub mod checkpointed;
pub mod log;
pub mod poison;
pub mod record;
