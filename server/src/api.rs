//! The ports of a node: what arrives from outside is decoded, admitted, passed on, answered.
//!
//! One module per protocol. They never use each other: what they share is below
//! them, in `ops` and `node`.

pub mod admin;
pub mod client;
pub mod peer;
