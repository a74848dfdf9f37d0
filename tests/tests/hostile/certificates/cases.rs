//! Certificates to try, each with the expected rejection.

use std::path::Path;

use coffee_common::{
    limits::KEY_PREFIXES_MAX,
    protocol::{ALPN_CLIENT, ALPN_PEER},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose as Eku, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, SanType,
};

use super::ACCEPTED;
use crate::support::{
    cert_forger::{self, leaf},
    raw_client::ClientIdentity,
};

// TLS alerts (RFC 8446, section 6).
const BAD_CERTIFICATE: &str = "alert 42";
const UNSUPPORTED: &str = "alert 43";
const EXPIRED: &str = "alert 45";
const UNKNOWN: &str = "alert 46";
const UNKNOWN_CA: &str = "alert 48";
const DECRYPT_ERROR: &str = "alert 51";
const REQUIRED: &str = "alert 116";
const NO_PROTOCOL: &str = "alert 120";

/// A caller.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) alpn: &'static [u8],
    pub(crate) shown: Option<ClientIdentity>,
    /// Expected error.
    pub(crate) expected: &'static str,
}

/// Issuers of the certificates.
pub(crate) struct Signers {
    /// The cluster's CA.
    pub(crate) ca: Issuer<'static, KeyPair>,
    /// Another trusted CA, which may have intermediate CAs.
    pub(crate) wide: CertifiedIssuer<'static, KeyPair>,
}

pub(crate) fn all(certs: &Path, elsewhere: &Path, signers: &Signers) -> Vec<Case> {
    let chains = chains(certs, elsewhere, signers);
    [good(certs, signers), roles(certs), names(signers), keys(signers), chains, times(signers)]
        .into_iter()
        .flatten()
        .collect()
}

fn client(name: &'static str, shown: ClientIdentity, expected: &'static str) -> Case {
    Case { name, alpn: ALPN_CLIENT, shown: Some(shown), expected }
}

fn good(certs: &Path, signers: &Signers) -> Vec<Case> {
    let p256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let reader = leaf(&[b"coffee://shops/reader/test"]);
    let below =
        intermediate(&signers.wide, "a CA below", IsCa::Ca(BasicConstraints::Constrained(0)), (-2, 2));
    vec![
        client("a reader", cert_forger::load(certs, "reader-test"), ACCEPTED),
        client(
            "a reader, forged like those below, and valid",
            cert_forger::signed(&reader, &signers.ca, &[]),
            ACCEPTED,
        ),
        client(
            "a reader with another key type",
            cert_forger::with_key(&reader, &p256, &signers.ca, &[]),
            ACCEPTED,
        ),
        client(
            "a reader below an intermediate CA",
            cert_forger::signed(&reader, &below, &[below.der()]),
            ACCEPTED,
        ),
        client("a node as a client", cert_forger::load(certs, "node-ming"), ACCEPTED),
        Case {
            alpn: ALPN_PEER,
            ..client("a node as a peer", cert_forger::load(certs, "node-hong"), ACCEPTED)
        },
    ]
}

fn roles(certs: &Path) -> Vec<Case> {
    let as_peer = |name, stem| Case {
        alpn: ALPN_PEER,
        ..client(name, cert_forger::load(certs, stem), "the peer protocol is for nodes")
    };
    let reader = || Some(cert_forger::load(certs, "reader-test"));
    vec![
        as_peer("a reader as a peer", "reader-test"),
        as_peer("a writer as a peer", "writer-test"),
        as_peer("an admin as a peer", "admin-test"),
        Case { name: "no certificate", alpn: ALPN_CLIENT, shown: None, expected: REQUIRED },
        Case { name: "no certificate, as a peer", alpn: ALPN_PEER, shown: None, expected: REQUIRED },
        Case { name: "another protocol", alpn: b"h3", shown: reader(), expected: NO_PROTOCOL },
        Case { name: "a future protocol", alpn: b"coffee/2", shown: reader(), expected: NO_PROTOCOL },
    ]
}

/// Signed by the right CA, but without a valid name.
fn names(signers: &Signers) -> Vec<Case> {
    let overlong = format!("coffee://shops/admin/{}", "a".repeat(64));
    let uris: [(&str, &[&[u8]]); 23] = [
        ("no alternative name", &[]),
        ("a foreign URI", &[b"https://admin/ops"]),
        ("two roles", &[b"coffee://shops/reader/ops", b"coffee://shops/admin/ops"]),
        ("the same role twice", &[b"coffee://shops/admin/ops", b"coffee://shops/admin/ops"]),
        ("two names, one in capitals", &[b"coffee://shops/reader/ops", b"COFFEE://shops/admin/ops"]),
        ("an admin of another cluster", &[b"coffee://staging/admin/ops"]),
        ("a node of another cluster", &[b"coffee://staging/node/hong"]),
        ("two clusters", &[b"coffee://shops/reader/ops", b"coffee://staging/reader/ops"]),
        ("no cluster, as in the former form", &[b"coffee://admin/ops"]),
        ("a cluster and nothing else, as in a CA", &[b"coffee://shops"]),
        ("no such role", &[b"coffee://shops/boss/ops"]),
        ("a role in capitals", &[b"coffee://shops/ADMIN/ops"]),
        ("a scheme in capitals", &[b"COFFEE://shops/admin/ops"]),
        ("no role", &[b"coffee://shops//ops"]),
        ("no name", &[b"coffee://shops/admin/"]),
        ("a name with NUL", &[b"coffee://shops/node/hong\0.example"]),
        ("a name that is too long", &[overlong.as_bytes()]),
        ("a name that looks alike", &["coffee://shops/node/h\u{43e}ng".as_bytes()]),
        ("a name that is not UTF-8", &[b"coffee://shops/node/h\xffng"]),
        ("a wildcard", &[b"coffee://shops/node/*"]),
        ("a name and a path", &[b"coffee://shops/node/hong/x"]),
        ("a name and a query", &[b"coffee://shops/node/hong?role=admin"]),
        ("a percent-encoded name", &[b"coffee://shops/node/h%6fng"]),
    ];
    let mut cases: Vec<Case> = uris
        .into_iter()
        .map(|(name, uris)| client(name, cert_forger::signed(&leaf(uris), &signers.ca, &[]), UNKNOWN))
        .collect();
    let mut common = leaf(&[]);
    common.distinguished_name.push(DnType::CommonName, "coffee://shops/admin/ops");
    let mut dns = leaf(&[]);
    dns.subject_alt_names = vec![SanType::DnsName("ops".try_into().expect("legal"))];
    for (name, params) in [("a role in the common name alone", common), ("a host name alone", dns)] {
        cases.push(client(name, cert_forger::signed(&params, &signers.ca, &[]), UNKNOWN));
    }
    cases
}

/// Signed by the right CA, for some keys.
fn keys(signers: &Signers) -> Vec<Case> {
    const WRITER: &[u8] = b"coffee://shops/writer/till";
    let signed = |uris: &[&[u8]]| cert_forger::signed(&leaf(uris), &signers.ca, &[]);
    let many: Vec<String> = (0..=KEY_PREFIXES_MAX).map(|n| format!("coffee-keys:{n}/")).collect();
    let many: Vec<&[u8]> = [WRITER].into_iter().chain(many.iter().map(String::as_bytes)).collect();
    let cases: [(&str, &[&[u8]], &str); 15] = [
        ("a writer of some keys", &[WRITER, b"coffee-keys:till/", b"coffee-keys:menu/"], ACCEPTED),
        ("as many prefixes as there may be", &many[..=KEY_PREFIXES_MAX], ACCEPTED),
        ("a prefix that needs escapes", &[WRITER, b"coffee-keys:caf%C3%A9/"], ACCEPTED),
        ("one prefix too many", &many, UNKNOWN),
        ("an empty prefix", &[WRITER, b"coffee-keys:"], UNKNOWN),
        ("a prefix and an empty one", &[WRITER, b"coffee-keys:till/", b"coffee-keys:"], UNKNOWN),
        ("a prefix with an escape that is none", &[WRITER, b"coffee-keys:till%zz"], UNKNOWN),
        ("a prefix that ends within an escape", &[WRITER, b"coffee-keys:till%2"], UNKNOWN),
        ("a prefix with a needless escape", &[WRITER, b"coffee-keys:t%69ll/"], UNKNOWN),
        ("a prefix that is not UTF-8", &[WRITER, b"coffee-keys:%FF"], UNKNOWN),
        ("a scheme of keys in capitals", &[WRITER, b"COFFEE-KEYS:till/"], UNKNOWN),
        ("keys without a role", &[b"coffee-keys:till/"], UNKNOWN),
        ("the keys of an admin", &[b"coffee://shops/admin/ops", b"coffee-keys:till/"], UNKNOWN),
        ("the keys of a backup", &[b"coffee://shops/backup/nightly", b"coffee-keys:till/"], UNKNOWN),
        ("the keys of a node", &[b"coffee://shops/node/hong", b"coffee-keys:till/"], UNKNOWN),
    ];
    cases.into_iter().map(|(name, uris, expected)| client(name, signed(uris), expected)).collect()
}

/// Signed by the wrong issuer, or for another purpose.
fn chains(certs: &Path, elsewhere: &Path, Signers { ca, wide }: &Signers) -> Vec<Case> {
    let admin = leaf(&[b"coffee://shops/admin/ops"]);
    let for_use = |usages: &[Eku]| {
        let mut params = admin.clone();
        params.extended_key_usages = usages.to_vec();
        cert_forger::signed(&params, ca, &[])
    };
    let namesake = cert_forger::namesake(certs);
    let is_ca = || IsCa::Ca(BasicConstraints::Constrained(0));
    let no_ca = intermediate(wide, "no CA", IsCa::ExplicitNoCa, (-2, 2));
    let silent = intermediate(wide, "a CA that does not say so", IsCa::NoCa, (-2, 2));
    let expired = intermediate(wide, "an expired CA", is_ca(), (-2, -1));
    // The upper CA allows no CA below it, and there is one.
    let upper = intermediate(wide, "the last CA", is_ca(), (-2, 2));
    let lower = intermediate(&upper, "one CA too many", is_ca(), (-2, 2));
    let unsent = intermediate(wide, "a CA that is not sent", is_ca(), (-2, 2));
    let other_key = ClientIdentity {
        key: cert_forger::secret(&cert_forger::key()),
        ..cert_forger::signed(&admin, ca, &[])
    };
    let mut critical = admin.clone();
    let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
    unknown.set_criticality(true);
    critical.custom_extensions.push(unknown);
    vec![
        client("another cluster's admin", cert_forger::load(elsewhere, "admin-test"), UNKNOWN_CA),
        client("another CA of the same name", cert_forger::signed(&admin, &namesake, &[]), DECRYPT_ERROR),
        client("self-signed", cert_forger::self_signed(&admin), UNKNOWN_CA),
        client("the CA itself", cert_forger::load(certs, "ca"), UNKNOWN),
        client("a CA as a client", cert_forger::signed(&as_ca(&admin), ca, &[]), UNKNOWN),
        client("for servers alone", for_use(&[Eku::ServerAuth]), UNSUPPORTED),
        client("for signing code", for_use(&[Eku::CodeSigning]), UNSUPPORTED),
        client("an unknown critical extension", cert_forger::signed(&critical, ca, &[]), UNKNOWN),
        client("signed by a leaf", cert_forger::signed(&admin, &no_ca, &[no_ca.der()]), UNKNOWN),
        client(
            "below a certificate that is not a CA",
            cert_forger::signed(&admin, &silent, &[silent.der()]),
            UNKNOWN,
        ),
        client("below an expired CA", cert_forger::signed(&admin, &expired, &[expired.der()]), EXPIRED),
        client(
            "below one CA too many",
            cert_forger::signed(&admin, &lower, &[upper.der(), lower.der()]),
            UNKNOWN,
        ),
        client("below a CA that is not sent", cert_forger::signed(&admin, &unsent, &[]), UNKNOWN_CA),
        client("a key that does not match", other_key, DECRYPT_ERROR),
        client(
            "a bit of the signature flipped",
            cert_forger::patched(certs, |der| flip_last(der)),
            DECRYPT_ERROR,
        ),
        client("a reader made a writer", cert_forger::patched(certs, |der| promote(der)), DECRYPT_ERROR),
        client("noise for a certificate", cert_forger::patched(certs, |der| der.fill(7)), BAD_CERTIFICATE),
        client("an empty certificate", cert_forger::patched(certs, Vec::clear), BAD_CERTIFICATE),
    ]
}

fn times(signers: &Signers) -> Vec<Case> {
    let at = |from, to| {
        let mut params = leaf(&[b"coffee://shops/admin/ops"]);
        cert_forger::valid(&mut params, from, to);
        cert_forger::signed(&params, &signers.ca, &[])
    };
    vec![
        client("expired", at(-2, -1), EXPIRED),
        client("not valid yet", at(1, 2), EXPIRED),
        client("expired before it began", at(2, -2), EXPIRED),
    ]
}

fn intermediate(
    above: &Issuer<'_, KeyPair>,
    name: &str,
    is_ca: IsCa,
    (from, to): (i64, i64),
) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = cert_forger::authority(name, is_ca);
    cert_forger::valid(&mut params, from, to);
    CertifiedIssuer::signed_by(params, cert_forger::key(), above).expect("signs")
}

fn as_ca(params: &CertificateParams) -> CertificateParams {
    let mut params = params.clone();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params
}

fn flip_last(der: &mut [u8]) {
    if let Some(last) = der.last_mut() {
        *last ^= 1;
    }
}

fn promote(der: &mut [u8]) {
    let (from, to) = (b"coffee://shops/reader/", b"coffee://shops/writer/");
    let at = der.windows(from.len()).position(|window| window == from).expect("it is a reader's");
    der[at..at + to.len()].copy_from_slice(to);
}
