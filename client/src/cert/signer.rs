//! Finds the CA that signed a certificate, among those of its directory.

use std::{path::Path, time::Duration};

use coffee_common::tls::{self, CredentialFile};
use rustls_pki_types::UnixTime;

use super::{
    CertificateInfo, Holder, bundle,
    store::{CA_NAME, OLD_CA_NAME, load_ca, read_text},
};

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

/// The CA certificates of a directory in PEM. Those that cannot be read are left out.
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
    /// Loads the CAs of a directory. The current CA is the one with the key; where the
    /// key is not kept, the first one in `ca.crt`.
    pub(super) fn load(folder: &Path) -> Self {
        let read = |name| read_text(CredentialFile::Ca, &folder.join(format!("{name}.crt")));
        let trusted = read(CA_NAME).unwrap_or_default();
        let with_key = load_ca(folder, CA_NAME).ok().map(|ca| ca.pair().certificate.clone());
        let current = with_key.or_else(|| bundle::split(&trusted).next());
        let old = bundle::split(&trusted).chain(read(OLD_CA_NAME)).collect();
        Self { current, old }
    }

    /// Returns which CA signed a certificate; `None` if the certificate is not that of a
    /// node or client.
    pub(super) fn signer(&self, certificate: &Path, info: &CertificateInfo) -> Option<Signer> {
        if !matches!(info.holder, Holder::Leaf(_)) {
            return None;
        }
        let pem = read_text(CredentialFile::Certificate, certificate).ok()?;
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
