//! Certificates, keys and lists of strangers, for fuzzing.

use std::time::Duration;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{
    der::DerReader,
    identity::{self, from_uri, owner_of},
    key::ed25519_version_1,
    percent, read_lists,
    revocations::{ListSigners, Revocations},
};

/// Reads the bytes as a certificate, a key, a list of revoked certificates, and DER of any kind.
pub fn der(bytes: &[u8]) {
    let certificate = CertificateDer::from(bytes);
    let _ = owner_of(&certificate);
    let _ = super::serial_of(&[certificate]);
    if let Some(key) = ed25519_version_1(bytes) {
        assert_eq!(ed25519_version_1(&key), Some(key.clone()), "version 1 stays as it is");
    }
    let mut elements = DerReader(bytes);
    while let Some(element) = elements.next() {
        assert!(element.content.len() <= element.whole.len(), "an element contains its content");
    }
    drop(read_lists(bytes));
}

/// Reads the bytes as lists in PEM, as URIs of certificates, and as percent-encoded text.
pub fn text(bytes: &[u8]) {
    let provider = rustls::crypto::ring::default_provider();
    let (roots, now) =
        (RootCertStore::empty(), UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000)));
    let signers = ListSigners { roots: &roots, algorithms: &provider.signature_verification_algorithms };
    let list = Revocations::from_pem(bytes, &signers, now);
    assert!(list.is_err(), "no CA has signed it");
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(owner) = from_uri(text) {
        assert_eq!(from_uri(&identity::to_uri(&owner)), Ok(owner), "an identity has one form");
    }
    let _ = identity::cluster_of_ca(text);
    if let Some(decoded) = percent::decode(text) {
        assert_eq!(percent::decode(&percent::encode(&decoded)), Some(decoded), "text has one form");
    }
}

#[test]
fn any_bytes_are_read_or_refused() {
    for bytes in [&b""[..], b"\x30\x03\x02\x01\x05", b"coffee://shops/node/ming", b"a%20b"] {
        der(bytes);
        text(bytes);
    }
}
