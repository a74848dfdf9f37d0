//! The types and protocols that clients and nodes of coffeed share.
//!
//! These are identifiers and keys that are valid by construction, the replicated commands, the
//! protocol between a client and a node with its frames, and the QUIC connections and certificates
//! that carry them. Both the client and the server depend on this crate. It knows neither of them,
//! and no consensus library, database or command line.

// Its tests are run as part of this version alone (tests/next).
#![cfg(not(all(test, coffee_twin)))]
#![deny(missing_docs)]

pub mod backoff;
pub mod backup;
pub mod bounded;
pub mod budget;
pub mod clock;
pub mod command;
pub mod entry;
pub mod envelope;
pub mod feature_level;
pub mod frame;
pub mod history_limit;
pub mod id;
pub mod key;
pub mod key_scope;
pub mod limits;
pub mod protocol;
pub mod protocol_versions;
pub mod quic;
pub mod random;
pub mod revocation_list;
pub mod setting;
pub mod text;
pub mod tls;
pub mod transaction;
pub mod units;
pub mod window;
