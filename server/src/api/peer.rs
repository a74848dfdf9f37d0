//! The peer protocol (ALPN `coffee-peer/1`): Raft's messages between members.
//!
//! One QUIC connection from each member to each other one. On it, every stream
//! opens with a [`wire::Hello`] that says which cluster and which node it is
//! meant for, and what it carries:
//!
//! - appends: one long-lived stream a session, requests written as they come,
//!   answers in the same order; heartbeats are appends without entries on
//!   streams of their own, which go first;
//! - votes, pre-votes and transfers: one question, one answer, and these go first as well;
//! - snapshots: chunks, which go last.
//!
//! So neither a large value nor a snapshot ever delays a heartbeat. Only a
//! certificate of the role `node` gets here. This module knows nothing of clients.

mod append;
mod link;
mod network;
mod serve;
mod snapshot;
#[cfg(test)]
mod tests;
pub mod wire;

pub use self::{
    network::PeerNetwork,
    serve::{PeerContext, Refusals, serve},
};
