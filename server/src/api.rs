//! The network interfaces of a node: client requests, peer messages, and monitoring.
//!
//! One module per protocol. They never depend on each other: what they share is in `ops` and
//! `node`.

pub mod admin;
pub mod client;
pub mod peer;
