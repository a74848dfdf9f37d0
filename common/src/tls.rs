//! Certificates: the identity at each end of a connection, and how it is verified.
//!
//! Turns files, or PEM in memory, into [`Credentials`], and those into what QUIC needs: TLS 1.3
//! only, certificates on both sides, private CAs (one, or two during a replacement), no session
//! tickets and no early data. Every connection therefore authenticates both ends. The cluster, the
//! role and the name are in a URI of the certificate ([`identity`]); no other field of it is trusted.
//!
//! Knows no connection and no socket. Guards that an [`Identity`] from this module comes from a
//! certificate that a trusted CA signed and did not revoke, that is valid now and made for that
//! use. The crypto provider is passed explicitly everywhere; a process-wide one is neither read nor
//! installed.

mod config;
mod credentials;
mod der;
mod error;
pub(crate) mod expiry;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod identity;
mod key;
mod lists;
mod percent;
mod revocations;
mod tcp;
mod verify;

pub use credentials::{Credentials, check_certificate};
pub use error::{CredentialFile, Problem, TlsError};
pub use files::{CredentialFiles, read_file};
pub use key::ed25519_version_1;
pub use lists::{lists_in_pem, read_lists};
pub use rustls::time_provider::TimeProvider;
pub use tcp::{CallerCertificate, tcp_server_config};

pub(crate) use config::{client_config, server_config};
pub(crate) use credentials::{end_of, serial_of};
pub(crate) use error::alert_sentence;
pub(crate) use identity::identity_of_chain;
pub(crate) use verify::RefusalReason;

/// A certificate that expires within this many days is worth a warning.
pub const WARN_DAYS: i64 = 30;

#[cfg(doc)]
use crate::protocol::Identity;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
