//! Private keys in files.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use coffee_common::tls::{CredentialFile, ed25519_version_1, read_file};
use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::KeyPair;
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};

use super::{
    error::CertError,
    write::{Existing, Prepared, Secrecy},
};

/// Returns a key as every library reads it: PKCS#8, an Ed25519 key in version 1.
pub(super) fn to_pem(key: &KeyPair) -> String {
    let der = key.serialize_der();
    encode(ed25519_version_1(&der).unwrap_or(der))
}

fn encode(pkcs8: Vec<u8>) -> String {
    pem::encode_config(&Pem::new("PRIVATE KEY", pkcs8), EncodeConfig::new().set_line_ending(LineEnding::LF))
}

/// Writes the key of a certificate again if its form is one that not every library reads. The key
/// stays the same.
///
/// A file of another user is left alone: it would belong to this one afterwards, and be unreadable
/// for its node. So is a file that cannot be read, since nothing here needs the key.
pub(super) fn rewrite(certificate: &Path) -> Result<(), CertError> {
    let path = certificate.with_extension("key");
    let owner = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.uid());
    let Ok(bytes) = read_file(CredentialFile::Key, &path) else { return Ok(()) };
    let Ok(PrivateKeyDer::Pkcs8(key)) = PrivateKeyDer::from_pem_slice(&bytes) else { return Ok(()) };
    match ed25519_version_1(key.secret_pkcs8_der()) {
        Some(new) if new != key.secret_pkcs8_der() && owner(&path) == owner(certificate) => {
            Prepared::new(&path, encode(new).as_bytes(), Secrecy::Private)?.publish(Existing::Replace)
        }
        _ => Ok(()),
    }
}
