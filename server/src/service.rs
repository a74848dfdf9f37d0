//! The requests of clients, below all protocols: authorizes, admits, carries out and audits them.
//!
//! A protocol decodes a request and hands it to the `Session` of its connection, which has the
//! identity of a verified certificate. The response comes back with what it holds until it is sent.
//! Knows no protocol, no frame and no header.
//!
//! Guards that each request is authorized by its originator's role (`access`) and keys
//! (`key_access`), and that requests in flight are bounded: in number per connection and client, in
//! bytes per client and node, whatever the protocol.

pub(crate) mod access;
pub(crate) mod admission;
pub(crate) mod audit;
pub(crate) mod call;
pub(crate) mod client_write;
pub(crate) mod clients;
mod context;
pub(crate) mod dispatch;
pub(crate) mod held;
pub(crate) mod in_flight;
mod key_access;
pub(crate) mod link;
mod read;
pub(crate) mod session;
pub(crate) mod slots;
pub(crate) mod transactions;
pub(crate) mod watch;
pub(crate) mod write;

pub use self::context::Service;
pub(crate) use self::session::Session;
