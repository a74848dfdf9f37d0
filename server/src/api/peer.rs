//! The peer protocol (ALPN `coffee-peer/1`): Raft's messages between members.
//!
//! Each member dials one QUIC connection to each other member. Each stream starts with a
//! [`wire::Hello`] that names the cluster, the sender, the receiver, and the stream's purpose:
//!
//! - appends: one long-lived stream per session. Requests are written as they come, and responses
//!   return in the same order;
//! - heartbeats, votes, pre-votes and transfers: one request and one response, at the highest
//!   priority;
//! - snapshots: chunks, at the lowest priority.
//!
//! So neither a large value nor a snapshot delays a heartbeat. Only certificates of the role `node`
//! are accepted. This module knows nothing of clients.

mod append;
mod bounds;
mod heartbeat;
mod link;
mod links;
mod network;
mod serve;
mod session;
mod snapshot;
#[cfg(test)]
mod tests;
mod versions;
pub mod wire;

#[cfg(any(test, fuzzing))]
pub use self::serve::fuzz;
pub use self::{
    network::PeerNetwork,
    serve::{ConfirmMember, LeaderLog, PeerContext, Refusals, serve},
    versions::PeerVersions,
};
