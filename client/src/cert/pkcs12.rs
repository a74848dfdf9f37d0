//! PKCS #12 files (RFC 7292): a certificate, its key and the CAs under one passphrase, as browsers and
//! the key stores of Windows and macOS import them.
//!
//! Key and certificates are encrypted with PBES2 (RFC 8018: PBKDF2 with HMAC-SHA-256, AES-256-CBC), the
//! whole is authenticated with HMAC-SHA-256: the forms that OpenSSL 3 writes.

use std::{fmt, path::Path};

use pkcs8::{
    ObjectIdentifier,
    der::Encode,
    pkcs5::{EncryptionScheme, pbes2},
};
use ring::{digest, hmac};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{
    CA_NAME, CertificateAndKey, Existing, Issued, Subject,
    error::CertError,
    folder::CaFolder,
    passphrase::Passphrase,
    store::{file_name, note, put_pair, refuse_existing},
    write::{Prepared, Secrecy},
};

/// Iterations of each derivation from the passphrase. Some programs refuse files with more than 300,000.
const ITERATIONS: u32 = 300_000;

const SALT_BYTES: usize = 16;

// Tags of DER (X.690).
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const BMP_STRING: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const CONTEXT_0: u8 = 0xa0;
/// An OCTET STRING that is tagged implicitly.
const CONTEXT_0_OCTETS: u8 = 0x80;

const DATA: &str = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
const SHROUDED_KEY_BAG: &str = "1.2.840.113549.1.12.10.1.2";
const CERTIFICATE_BAG: &str = "1.2.840.113549.1.12.10.1.3";
const X509_CERTIFICATE: &str = "1.2.840.113549.1.9.22.1";
const FRIENDLY_NAME: &str = "1.2.840.113549.1.9.20";
const LOCAL_KEY_ID: &str = "1.2.840.113549.1.9.21";
const SHA_256: &str = "2.16.840.1.101.3.4.2.1";

/// Creates a client's key and certificate with the directory's CA, and a PKCS #12 file with both and the
/// trusted CAs. The key is ECDSA (P-256): browsers offer no certificate with an Ed25519 key.
///
/// # Errors
/// [`CertError::PassphraseForm`] if the passphrase is not ASCII; otherwise as
/// [`issue_node`](super::issue_node).
pub fn issue_with_p12<'a>(
    folder: impl Into<CaFolder<'a>>,
    subject: &Subject,
    days: u32,
    existing: Existing,
    file: &Path,
    passphrase: &Passphrase,
) -> Result<Issued, CertError> {
    let folder = folder.into();
    let ca = folder.load(CA_NAME)?;
    let name = file_name(&subject.identity);
    if existing == Existing::Keep {
        refuse_existing(file)?;
    }
    let mut bundle = None;
    let issued = put_pair(folder.path, &name, existing, || {
        let pair = ca.issue_p256(subject, days)?;
        let bytes = encode(&name, &pair, ca.certificate(), passphrase)?;
        bundle = Some(Prepared::new(file, &bytes, Secrecy::Private)?);
        note(folder.path, &name, &pair.info()?)?;
        Ok(pair)
    })?;
    if let Some(bundle) = bundle {
        bundle.publish(existing)?;
    }
    Ok(issued.signed())
}

/// Returns the file with a pair and the certificates of CAs in PEM. Programs show it under `name`.
fn encode(
    name: &str,
    pair: &CertificateAndKey,
    cas: &str,
    passphrase: &Passphrase,
) -> Result<Vec<u8>, CertError> {
    let text = passphrase.ascii()?;
    let key = pem::parse(&pair.key).map_err(failed)?;
    let own = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).map_err(failed)?;
    // They tie the key to its certificate.
    let attributes = attributes(name, &own)?;
    let mut bags = vec![certificate_bag(&own, &attributes)?];
    for ca in CertificateDer::pem_slice_iter(cas.as_bytes()) {
        bags.push(certificate_bag(&ca.map_err(failed)?, &[])?);
    }
    let (algorithm, encrypted) = encrypt(&der(SEQUENCE, &bags), text)?;
    let content = der(SEQUENCE, &[oid(DATA)?, algorithm, der(CONTEXT_0_OCTETS, &[encrypted])]);
    let encrypted_data = der(SEQUENCE, &[der(INTEGER, &[vec![0]]), content]);
    let certificates = der(SEQUENCE, &[oid(ENCRYPTED_DATA)?, der(CONTEXT_0, &[encrypted_data])]);

    let (algorithm, encrypted) = encrypt(key.contents(), text)?;
    let shrouded = der(SEQUENCE, &[algorithm, der(OCTET_STRING, &[encrypted])]);
    let keys = data(&der(SEQUENCE, &[bag(SHROUDED_KEY_BAG, shrouded, &attributes)?]))?;

    let safe = der(SEQUENCE, &[certificates, keys]);
    Ok(der(SEQUENCE, &[der(INTEGER, &[vec![3]]), data(&safe)?, mac(&safe, text)?]))
}

fn failed(error: impl fmt::Display) -> CertError {
    CertError::Signing(error.to_string())
}

/// Returns an element of DER: tag, length and contents.
fn der(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let contents = parts.concat();
    let length = contents.len();
    let mut element = vec![tag];
    if length < 0x80 {
        element.extend(u8::try_from(length));
    } else {
        let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        element.extend(u8::try_from(bytes.len()).map(|count| 0x80 | count));
        element.extend(bytes);
    }
    element.extend(contents);
    element
}

fn oid(dotted: &str) -> Result<Vec<u8>, CertError> {
    ObjectIdentifier::new(dotted).map_err(failed)?.to_der().map_err(failed)
}

/// Returns bytes as a ContentInfo that is not encrypted.
fn data(bytes: &[u8]) -> Result<Vec<u8>, CertError> {
    let octets = der(OCTET_STRING, &[bytes.to_vec()]);
    Ok(der(SEQUENCE, &[oid(DATA)?, der(CONTEXT_0, &[octets])]))
}

/// Returns a SafeBag: an object with attributes.
fn bag(kind: &str, value: Vec<u8>, attributes: &[Vec<u8>]) -> Result<Vec<u8>, CertError> {
    let mut parts = vec![oid(kind)?, der(CONTEXT_0, &[value])];
    if !attributes.is_empty() {
        parts.push(der(SET, attributes));
    }
    Ok(der(SEQUENCE, &parts))
}

fn certificate_bag(certificate: &CertificateDer<'_>, attributes: &[Vec<u8>]) -> Result<Vec<u8>, CertError> {
    let octets = der(OCTET_STRING, &[certificate.to_vec()]);
    let value = der(SEQUENCE, &[oid(X509_CERTIFICATE)?, der(CONTEXT_0, &[octets])]);
    bag(CERTIFICATE_BAG, value, attributes)
}

/// Returns the attributes of a key and its certificate, in the order that DER requires of a set.
fn attributes(name: &str, certificate: &CertificateDer<'_>) -> Result<Vec<Vec<u8>>, CertError> {
    let id = digest::digest(&digest::SHA256, certificate).as_ref().to_vec();
    let attribute = |kind: &str, value: Vec<u8>| -> Result<Vec<u8>, CertError> {
        Ok(der(SEQUENCE, &[oid(kind)?, der(SET, &[value])]))
    };
    let mut attributes = vec![
        attribute(FRIENDLY_NAME, der(BMP_STRING, &[utf_16(name)]))?,
        attribute(LOCAL_KEY_ID, der(OCTET_STRING, &[id]))?,
    ];
    attributes.sort();
    Ok(attributes)
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// Encrypts with a new salt. Returns the AlgorithmIdentifier and the encrypted bytes.
fn encrypt(plain: &[u8], passphrase: &str) -> Result<(Vec<u8>, Vec<u8>), CertError> {
    let (salt, iv) = (random::<SALT_BYTES>()?, random()?);
    let scheme = pbes2::Parameters::pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, &iv).map_err(failed)?;
    let encrypted = scheme.encrypt(passphrase, plain).map_err(failed)?;
    Ok((EncryptionScheme::from(scheme).to_der().map_err(failed)?, encrypted))
}

/// Returns the MacData over an AuthenticatedSafe.
fn mac(safe: &[u8], passphrase: &str) -> Result<Vec<u8>, CertError> {
    let salt = random::<SALT_BYTES>()?;
    let key = mac_key(passphrase, &salt, ITERATIONS);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), safe);
    let algorithm = der(SEQUENCE, &[oid(SHA_256)?, der(NULL, &[])]);
    let info = der(SEQUENCE, &[algorithm, der(OCTET_STRING, &[tag.as_ref().to_vec()])]);
    // As short as it can be without a first bit that would make it negative.
    let mut iterations = ITERATIONS.to_be_bytes().to_vec();
    while iterations.len() > 1 && iterations[0] == 0 && iterations[1] < 0x80 {
        iterations.remove(0);
    }
    Ok(der(SEQUENCE, &[info, der(OCTET_STRING, &[salt.to_vec()]), der(INTEGER, &[iterations])]))
}

/// Derives the key of the MAC: RFC 7292, appendix B.2, with SHA-256 and ID 3. One block is enough.
fn mac_key(passphrase: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
    const BLOCK: usize = 64;
    const ID: u8 = 3;
    let fill = |bytes: &[u8]| -> Vec<u8> {
        bytes.iter().copied().cycle().take(bytes.len().div_ceil(BLOCK) * BLOCK).collect()
    };
    let passphrase = [utf_16(passphrase), vec![0, 0]].concat();
    let input = [vec![ID; BLOCK], fill(salt), fill(&passphrase)].concat();
    let hash = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes);
    let first = hash(&input);
    (1..iterations).fold(first, |key, _| hash(key.as_ref())).as_ref().to_vec()
}

fn random<const N: usize>() -> Result<[u8; N], CertError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_der() {
        let head = |length: usize| {
            der(OCTET_STRING, &[vec![0; length]])[1..].iter().copied().take(3).collect::<Vec<_>>()
        };
        assert_eq!(head(0), [0]);
        assert_eq!(head(127)[0], 127);
        assert_eq!(head(128)[..2], [0x81, 128]);
        assert_eq!(head(256), [0x82, 1, 0]);
    }

    /// The vector is that of the crate `pkcs12`.
    #[test]
    fn the_key_of_the_mac_is_derived_as_others_do() {
        let key = mac_key("ge@\u{e4}heim", &[1, 2, 3, 4, 5, 6, 7, 8], 100);
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "136355ed9434516682534f46d63956db5ff06b844702c2c1f3b46321e2524a4d");
    }

    #[test]
    fn a_passphrase_must_be_ascii() {
        let passphrase = |text: &str| Passphrase::new(text.as_bytes()).expect("not empty");
        assert_eq!(passphrase("one two").ascii().expect("ASCII"), "one two");
        assert!(matches!(passphrase("Käse").ascii(), Err(CertError::PassphraseForm)));
    }
}
