//! Certificates: who a connection is with, and how that is made sure.
//!
//! Turns files (or PEM in memory) into [`Credentials`], and those into what
//! QUIC needs: TLS 1.3 alone, certificates on both sides, private CAs (one, or
//! two while one takes the place of the other), no session tickets and no early
//! data, so that every connection proves who is there. The role and the name stand in a URI of the certificate
//! ([`identity`]); no other field of it is believed.
//!
//! Knows no connection and no socket. Guards: an [`Identity`] that leaves this
//! module came out of a certificate that a CA of ours signed and did not
//! revoke, in its time, for that use. The provider of cryptography is handed over explicitly everywhere; a
//! process-wide one is neither read nor installed.

mod config;
mod credentials;
mod der;
mod error;
mod files;
pub mod identity;
mod revocations;
mod verify;

pub use credentials::{Credentials, check_certificate};
pub use error::{CredentialFile, Problem, TlsError};
pub use files::{CredentialFiles, read_file};
pub use rustls::time_provider::TimeProvider;

pub(crate) use config::{client_config, server_config};
pub(crate) use credentials::serial_of;
pub(crate) use error::alert_sentence;
pub(crate) use identity::identity_of_chain;
pub(crate) use verify::RefusalReason;

/// A certificate that ends within so many days is worth a warning.
pub const WARN_DAYS: i64 = 30;

#[cfg(doc)]
use crate::protocol::Identity;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
