//! Private keys in PKCS#8.
//!
//! An Ed25519 key is written in version 1 (RFC 5208; RFC 8410, section 7), which every library reads.
//! Version 2 (RFC 5958) adds the public key: OpenSSL 3 and what is built on it reject that. Both are
//! read here, and count as the same key.

use ring::hmac;
use rustls::{crypto::CryptoProvider, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{
    der::{DerReader, INTEGER, OCTET_STRING, SEQUENCE},
    error::{CredentialFile, Problem, TlsError},
};

/// The content of an AlgorithmIdentifier: the object identifier 1.3.101.112.
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

/// Everything in version 1 before the 32 bytes of the key.
const VERSION_1: &[u8] =
    &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Returns an Ed25519 key in PKCS#8 version 1; `None` if it is another key, or none.
pub fn ed25519_version_1(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let mut fields = DerReader(DerReader(pkcs8).expect(SEQUENCE)?.content);
    fields.expect(INTEGER)?;
    let algorithm = fields.expect(SEQUENCE)?.content;
    let key = DerReader(fields.expect(OCTET_STRING)?.content).expect(OCTET_STRING)?.content;
    (algorithm == ED25519 && key.len() == 32).then(|| [VERSION_1, key].concat())
}

/// Reads the key of a chain, and derives the secret of [`super::Credentials::lasting_secret`].
pub(super) fn read_key(
    pem: &[u8],
    chain: Vec<CertificateDer<'static>>,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, hmac::Tag), TlsError> {
    let wrong = |problem| TlsError::new(CredentialFile::Key, problem);
    if pem.is_empty() {
        return Err(wrong(Problem::Empty));
    }
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| wrong(Problem::NotPem("private key")))?;
    // The same for both versions: a file that is written again holds the same key.
    let version_1 = ed25519_version_1(key.secret_der());
    let hmac_key = hmac::Key::new(hmac::HMAC_SHA256, version_1.as_deref().unwrap_or(key.secret_der()));
    let secret = hmac::sign(&hmac_key, b"coffeed lasting secret");
    let key = provider.key_provider.load_private_key(key).map_err(|_| wrong(Problem::UnusableKey))?;
    let key = CertifiedKey::new(chain, key);
    key.keys_match().map_err(|_| wrong(Problem::KeyMismatch))?;
    Ok((key, secret))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

    use super::*;

    #[test]
    fn version_1_is_the_same_key() {
        let pair = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let written = pair.serialize_der();
        assert_ne!(written.len(), 48, "version 2 has more: otherwise this test shows nothing");
        let short = ed25519_version_1(&written).expect("an Ed25519 key");
        assert_eq!(short.len(), 48);
        let again = KeyPair::try_from(short.clone()).expect("a key");
        assert_eq!(again.public_key_raw(), pair.public_key_raw());
        assert_eq!(ed25519_version_1(&short), Some(short));
    }

    #[test]
    fn other_keys_stay_as_they_are() {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        assert_eq!(ed25519_version_1(&pair.serialize_der()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_key_or_none(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(key) = ed25519_version_1(&bytes) {
                prop_assert_eq!(key.len(), 48);
            }
        }
    }
}
