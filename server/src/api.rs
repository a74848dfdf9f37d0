//! The network interfaces of a node: client requests over QUIC and HTTP, peer messages, and monitoring.
//!
//! One module per protocol. They never depend on each other: what they share is in `service`, `ops`
//! and `node`; and `page`, which is served by more than one of them.

pub mod admin;
pub mod client;
pub mod http;
pub mod page;
pub mod peer;
