//! TLS over TCP: the configuration of a listener, and the certificate of a caller.
//!
//! The same rules as over QUIC.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;

use super::{
    config::server_config,
    credentials::{Credentials, end_of, serial_of},
    error::Problem,
    expiry,
    identity::{IdentityError, identity_of_chain},
};
use crate::protocol::Identity;

/// Returns the configuration for accepting over TCP. `alpns` are the protocols that are spoken, the
/// preferred one first.
///
/// # Errors
/// The credentials cannot be used.
pub fn tcp_server_config(
    credentials: &Credentials,
    alpns: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    server_config(credentials, alpns).map(Arc::new)
}

/// The certificate of a caller whose handshake succeeded.
#[derive(Debug)]
pub struct CallerCertificate {
    identity: Identity,
    serial: String,
    valid_until: u64,
    chain: Vec<CertificateDer<'static>>,
}

impl CallerCertificate {
    /// Reads the chain of a verified caller.
    ///
    /// # Errors
    /// It has no identity.
    pub fn of_chain(chain: &[CertificateDer<'static>]) -> Result<Self, IdentityError> {
        Ok(Self {
            identity: identity_of_chain(chain)?,
            serial: serial_of(chain),
            valid_until: end_of(chain),
            chain: chain.to_vec(),
        })
    }

    /// Returns the identity in the certificate.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns its serial number, in hexadecimal.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Verifies the caller again, since trust may have changed: fails if its CA is no longer trusted or
    /// has revoked it. Expiry is ignored.
    ///
    /// # Errors
    /// It is not trusted any more.
    pub fn check_still_trusted(&self, credentials: &Credentials) -> Result<(), Problem> {
        credentials.check_still_trusted(&self.chain)
    }

    /// Waits until the certificate has expired, by the clock that verifies certificates. A jump of that
    /// clock is noticed within a minute.
    pub async fn expired(&self, credentials: &Credentials) {
        expiry::wait(self.valid_until, || credentials.now()).await;
    }
}
