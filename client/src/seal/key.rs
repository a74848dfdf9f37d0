//! The pair of keys for sealed files: X25519 in PEM, as OpenSSL writes and reads them (RFC 8410).

use std::{
    fmt,
    path::{Path, PathBuf},
};

use coffee_common::tls::{CredentialFile, TlsError, read_file};
use pem::{EncodeConfig, LineEnding, Pem};
use ring::digest::{SHA256, digest};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{KEY_BYTES, RECIPIENT_BYTES, SealError};
use crate::cert::{
    CertError, Existing,
    write::{Prepared, Secrecy},
};

/// Everything before the key in a SubjectPublicKeyInfo.
const PUBLIC: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00];

/// Everything before the key in PKCS #8.
const PRIVATE: &[u8] =
    &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20];

/// Why a file with a key cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum SealKeyError {
    /// The file cannot be read, or others can read it.
    #[error(transparent)]
    File(#[from] TlsError),
    /// A file cannot be written, or exists.
    #[error(transparent)]
    Write(#[from] CertError),
    /// The file has no such key.
    #[error("{}: {problem}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: SealError,
    },
}

/// The public key: seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingKey(PublicKey);

/// The private key: opens.
#[derive(Clone)]
pub struct UnsealingKey(StaticSecret);

impl SealingKey {
    /// Reads a public key from a file.
    ///
    /// # Errors
    /// [`SealKeyError::File`] if the file cannot be read, [`SealKeyError::Key`] if it has no such key.
    pub fn load(path: &Path) -> Result<Self, SealKeyError> {
        let pem = read_file(CredentialFile::Certificate, path)?;
        let wrong = || SealKeyError::Key { path: path.to_owned(), problem: SealError::NotAKey("public") };
        key_in(&pem, "PUBLIC KEY", PUBLIC).map(|key| Self(PublicKey::from(key))).ok_or_else(wrong)
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.0
    }

    /// Returns what tells this key from others, in a sealed file.
    pub(super) fn mark(&self) -> [u8; RECIPIENT_BYTES] {
        let mut mark = [0; RECIPIENT_BYTES];
        mark.copy_from_slice(&digest(&SHA256, self.0.as_bytes()).as_ref()[..RECIPIENT_BYTES]);
        mark
    }

    fn to_pem(&self) -> String {
        encode("PUBLIC KEY", PUBLIC, self.0.as_bytes())
    }
}

impl UnsealingKey {
    /// Makes a key.
    ///
    /// # Errors
    /// [`SealError::Random`] without random numbers.
    pub fn create() -> Result<Self, SealError> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| SealError::Random(error.to_string()))?;
        Ok(Self::from(key))
    }

    /// Reads a private key from a file that only its owner can read.
    ///
    /// # Errors
    /// [`SealKeyError::File`] if the file cannot be read or others can read it, [`SealKeyError::Key`] if it
    /// has no such key.
    pub fn load(path: &Path) -> Result<Self, SealKeyError> {
        let pem = read_file(CredentialFile::Key, path)?;
        let wrong = || SealKeyError::Key { path: path.to_owned(), problem: SealError::NotAKey("private") };
        key_in(&pem, "PRIVATE KEY", PRIVATE).map(Self::from).ok_or_else(wrong)
    }

    /// Returns the public key.
    pub fn sealing_key(&self) -> SealingKey {
        SealingKey(PublicKey::from(&self.0))
    }

    pub(super) fn secret(&self) -> &StaticSecret {
        &self.0
    }

    fn to_pem(&self) -> String {
        encode("PRIVATE KEY", PRIVATE, self.0.as_bytes())
    }
}

impl From<[u8; KEY_BYTES]> for UnsealingKey {
    fn from(key: [u8; KEY_BYTES]) -> Self {
        Self(StaticSecret::from(key))
    }
}

impl fmt::Debug for UnsealingKey {
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnsealingKey")
    }
}

/// Makes a pair: the private key in the file `private`, the public one beside it with the extension
/// `pub`. Returns the path of the latter.
///
/// # Errors
/// [`SealKeyError::Write`] if one is there and `existing` keeps it, or a file cannot be written.
pub fn create_keys(private: &Path, existing: Existing) -> Result<PathBuf, SealKeyError> {
    let public = private.with_extension("pub");
    let failed = |problem| SealKeyError::Key { path: private.to_owned(), problem };
    if public == private {
        return Err(CertError::Exists(public).into());
    }
    let key = UnsealingKey::create().map_err(failed)?;
    let new_public = Prepared::new(&public, key.sealing_key().to_pem().as_bytes(), Secrecy::Public)?;
    Prepared::new(private, key.to_pem().as_bytes(), Secrecy::Private)?.publish(existing)?;
    new_public.publish(existing)?;
    Ok(public)
}

fn encode(label: &str, before: &[u8], key: &[u8]) -> String {
    let pem = Pem::new(label, [before, key].concat());
    pem::encode_config(&pem, EncodeConfig::new().set_line_ending(LineEnding::LF))
}

fn key_in(pem: &[u8], label: &str, before: &[u8]) -> Option<[u8; KEY_BYTES]> {
    let pem = pem::parse(pem).ok().filter(|pem| pem.tag() == label)?;
    pem.contents().strip_prefix(before)?.try_into().ok()
}
