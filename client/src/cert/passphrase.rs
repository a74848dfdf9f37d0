//! Private keys of CAs under a passphrase: PKCS #8 with PBES2 (RFC 8018), as OpenSSL writes and reads
//! them.

use std::fmt;

use pem::{EncodeConfig, LineEnding, Pem};
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo, pkcs5::pbes2};

use super::error::CertError;

/// Iterations of PBKDF2 with HMAC-SHA-256: a guess costs an attacker as many hashes.
const ITERATIONS: u32 = 600_000;

/// The label of such a key in PEM (RFC 7468, section 11).
const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// A passphrase: not empty, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Vec<u8>);

impl Passphrase {
    /// Returns it as text, if every program encodes its characters alike.
    pub(super) fn ascii(&self) -> Result<&str, CertError> {
        std::str::from_utf8(&self.0).ok().filter(|text| text.is_ascii()).ok_or(CertError::PassphraseForm)
    }

    /// Takes the bytes without a line end, such as the first line of a file.
    ///
    /// # Errors
    /// [`CertError::EmptyPassphrase`] if there are none.
    pub fn new(bytes: &[u8]) -> Result<Self, CertError> {
        let bytes = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if bytes.is_empty() { Err(CertError::EmptyPassphrase) } else { Ok(Self(bytes.to_vec())) }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// Returns whether a key in PEM has a passphrase.
pub(super) fn is_locked(key: &str) -> bool {
    pem::parse(key).is_ok_and(|pem| pem.tag() == LABEL)
}

/// Puts a key in PEM under a passphrase.
pub(super) fn lock(key: &str, passphrase: &Passphrase) -> Result<String, CertError> {
    let failed = |error: &dyn fmt::Display| CertError::Signing(error.to_string());
    let pem = pem::parse(key).map_err(|error| failed(&error))?;
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    for random in [&mut salt, &mut iv] {
        getrandom::fill(random).map_err(|error| failed(&error))?;
    }
    let scheme = pbes2::Parameters::pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, &iv);
    let key = PrivateKeyInfo::try_from(pem.contents()).map_err(|error| failed(&error))?;
    let locked = scheme
        .map_err(|error| failed(&error))
        .and_then(|scheme| key.encrypt_with_params(scheme, &passphrase.0).map_err(|error| failed(&error)))?;
    Ok(encode(LABEL, locked.as_bytes()))
}

/// Returns a key in PEM without its passphrase.
pub(super) fn unlock(key: &str, passphrase: &Passphrase) -> Result<String, CertError> {
    let pem = pem::parse(key).map_err(|_| CertError::WrongPassphrase)?;
    let locked = EncryptedPrivateKeyInfo::try_from(pem.contents())
        .map_err(|error| CertError::Malformed(format!("the key under a passphrase: {error}")))?;
    let key = locked.decrypt(&passphrase.0).map_err(|_| CertError::WrongPassphrase)?;
    Ok(encode("PRIVATE KEY", key.as_bytes()))
}

fn encode(label: &str, der: &[u8]) -> String {
    pem::encode_config(&Pem::new(label, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}
