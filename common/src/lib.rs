//! What every part of coffeed says to every other.
//!
//! Identifiers and keys that are legal by construction, the commands that are
//! replicated, the protocol between a client and a node, its frames, and the
//! QUIC connections and certificates that carry them. Both the client and the
//! server stand on this crate; it knows neither, and no consensus library,
//! database or command line.

pub mod backoff;
pub mod backup;
pub mod clock;
pub mod command;
pub mod frame;
pub mod id;
pub mod key;
pub mod limits;
pub mod protocol;
pub mod quic;
pub mod random;
pub mod tls;
pub mod window;
