//! Makes certificates that no node should accept.

use std::{fs, path::Path};

use coffee_common::clock;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use time::{Duration, OffsetDateTime};

use crate::support::raw_client::ClientIdentity;

/// Subject alternative names (RFC 5280, section 4.2.1.6).
const ALT_NAMES: &[u64] = &[2, 5, 29, 17];

const DAY_SECONDS: i64 = 86_400;

/// Parameters of a valid certificate, to be modified.
pub(crate) fn leaf(uris: &[&[u8]]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "stranger");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    if !uris.is_empty() {
        // Encoded by hand: libraries reject some of the names to try.
        let names = uris.iter().flat_map(|uri| der(0x86, uri)).collect::<Vec<u8>>();
        let names = CustomExtension::from_oid_content(ALT_NAMES, der(0x30, &names));
        params.custom_extensions = vec![names];
    }
    valid(&mut params, -1, 1);
    params
}

/// Sets the validity, in days from now.
pub(crate) fn valid(params: &mut CertificateParams, from: i64, to: i64) {
    valid_seconds(params, from * DAY_SECONDS, to * DAY_SECONDS);
}

/// Sets the validity, in seconds from now.
pub(crate) fn valid_seconds(params: &mut CertificateParams, from: i64, to: i64) {
    let now = i64::try_from(clock::now_ms() / 1000).expect("in range");
    let now = OffsetDateTime::from_unix_timestamp(now).expect("in range");
    (params.not_before, params.not_after) = (now + Duration::seconds(from), now + Duration::seconds(to));
}

/// Encodes a tag, a length and contents (X.690).
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).expect("short").to_be_bytes();
    let header = match content.len() {
        0..=127 => vec![tag, low],
        128..=255 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&header, content].concat()
}

pub(crate) fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).expect("a key")
}

/// Parameters of a certificate that may sign others, or pretends to.
pub(crate) fn authority(name: &str, is_ca: IsCa) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = is_ca;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    valid(&mut params, -2, 2);
    params
}

/// A CA that allows intermediate CAs.
pub(crate) fn wide_ca() -> CertifiedIssuer<'static, KeyPair> {
    let params = authority("wide CA", IsCa::Ca(BasicConstraints::Unconstrained));
    CertifiedIssuer::self_signed(params, key()).expect("signs")
}

/// The CA of a folder, with its key: valid certificates that it signs are accepted.
pub(crate) fn issuer(certs: &Path) -> Issuer<'static, KeyPair> {
    named(certs, KeyPair::from_pem(&read(certs, "ca.key")).expect("a key"))
}

/// A CA of the same name, with another key.
pub(crate) fn namesake(certs: &Path) -> Issuer<'static, KeyPair> {
    named(certs, key())
}

fn named(certs: &Path, key: KeyPair) -> Issuer<'static, KeyPair> {
    Issuer::from_ca_cert_pem(&read(certs, "ca.crt"), key).expect("a CA")
}

fn read(certs: &Path, file: &str) -> String {
    fs::read_to_string(certs.join(file)).expect("it is there")
}

/// The certificate in a file, with its key.
pub(crate) fn load(certs: &Path, stem: &str) -> ClientIdentity {
    let file = |ending| certs.join(format!("{stem}.{ending}"));
    let chain = vec![CertificateDer::from_pem_file(file("crt")).expect("it is there")];
    ClientIdentity { chain, key: PrivateKeyDer::from_pem_file(file("key")).expect("it is there") }
}

/// Signs a certificate, and presents it with this chain.
pub(crate) fn signed(
    params: &CertificateParams,
    by: &Issuer<'_, KeyPair>,
    above: &[&CertificateDer<'static>],
) -> ClientIdentity {
    with_key(params, &key(), by, above)
}

/// Like [`signed`], for a given key.
pub(crate) fn with_key(
    params: &CertificateParams,
    key: &KeyPair,
    by: &Issuer<'_, KeyPair>,
    above: &[&CertificateDer<'static>],
) -> ClientIdentity {
    let mut chain = vec![params.signed_by(key, by).expect("signs").der().clone()];
    chain.extend(above.iter().copied().cloned());
    ClientIdentity { chain, key: secret(key) }
}

/// Signs a certificate with its own key.
pub(crate) fn self_signed(params: &CertificateParams) -> ClientIdentity {
    let key = key();
    ClientIdentity { chain: vec![params.self_signed(&key).expect("signs").der().clone()], key: secret(&key) }
}

pub(crate) fn secret(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

/// The reader's certificate with modified bytes.
pub(crate) fn patched(certs: &Path, change: impl FnOnce(&mut Vec<u8>)) -> ClientIdentity {
    let mut shown = load(certs, "reader-test");
    let mut der = shown.chain[0].to_vec();
    change(&mut der);
    shown.chain[0] = der.into();
    shown
}
