//! Finds the CA that signed a certificate, among those of its directory.

use std::time::Duration;

use coffee_common::tls;
use rustls_pki_types::UnixTime;

use super::{CA_NAME, CertificateInfo, Holder, OLD_CA_NAME, bundle};

/// The CA that signed a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The current CA.
    Current,
    /// Another trusted CA, such as the old one during a rotation.
    Old,
    /// No CA of the directory.
    Other,
}

/// CA certificates in PEM.
pub(super) struct SigningCas {
    current: Option<String>,
    old: Vec<String>,
}

impl Signer {
    /// Returns its name: that of the CA's files, or `other`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => CA_NAME,
            Self::Old => OLD_CA_NAME,
            Self::Other => "other",
        }
    }
}

impl SigningCas {
    /// Creates the CAs of a directory from its `ca.crt` and `ca-old.crt`. The current CA
    /// is the one with the key; without a key, the first one in `ca.crt`.
    pub(super) fn new(with_key: Option<String>, trusted: &str, old: &str) -> Self {
        let current = with_key.or_else(|| bundle::split(trusted).next());
        Self { current, old: bundle::split(trusted).chain(bundle::split(old)).collect() }
    }

    /// Returns which CA signed a certificate in PEM; `None` if it is not the
    /// certificate of a node or client.
    pub(super) fn signer(&self, pem: &str, info: &CertificateInfo) -> Option<Signer> {
        if !matches!(info.holder, Holder::Leaf(_)) {
            return None;
        }
        // Verified as of its last moment: an expired certificate has a signer, too.
        let at = UnixTime::since_unix_epoch(Duration::from_secs(info.not_after.unsigned_abs()));
        let signed = |ca: &String| tls::check_certificate(ca.as_bytes(), pem.as_bytes(), at).is_ok();
        Some(if self.current.as_ref().is_some_and(signed) {
            Signer::Current
        } else if self.old.iter().any(signed) {
            Signer::Old
        } else {
            Signer::Other
        })
    }
}
