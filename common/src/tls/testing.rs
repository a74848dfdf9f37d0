//! Certificates for the tests of this crate: a CA in memory and what it signs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    ExtendedKeyUsagePurpose as Eku, IsCa, KeyIdMethod, KeyPair, PKCS_ED25519, RevokedCertParams, SanType,
    SerialNumber,
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};

use super::{Credentials, TimeProvider};
use crate::protocol::Identity;

/// A CA in memory.
pub(crate) struct TestCa(CertifiedIssuer<'static, KeyPair>);

/// The contents of a test certificate.
pub(crate) struct Leaf {
    pub(crate) uris: Vec<String>,
    pub(crate) usages: Vec<Eku>,
    /// The validity period, in seconds from now.
    pub(crate) valid: (i64, i64),
}

impl Leaf {
    /// Returns the contents of a valid certificate.
    pub(crate) fn of(role: &str, name: &str) -> Self {
        let mut usages = vec![Eku::ClientAuth];
        if role == "node" {
            usages.push(Eku::ServerAuth);
        }
        Self { uris: vec![format!("coffee://shops/{role}/{name}")], usages, valid: (-300, 3_600) }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["leaf".to_owned()]).expect("legal name");
        let uris = self.uris.iter().map(|uri| SanType::URI(uri.as_str().try_into().expect("ASCII")));
        params.subject_alt_names.extend(uris);
        params.extended_key_usages.clone_from(&self.usages);
        let now = time::OffsetDateTime::from_unix_timestamp(now_seconds()).expect("in range");
        params.not_before = now + time::Duration::seconds(self.valid.0);
        params.not_after = now + time::Duration::seconds(self.valid.1);
        params
    }

    /// Returns the certificate, signed by itself, and its key.
    pub(crate) fn self_signed(&self) -> (String, String) {
        let key = ed25519();
        (self.params().self_signed(&key).expect("signs").pem(), key.serialize_pem())
    }
}

impl TestCa {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // As with real CAs, no two share a name.
        let name = format!("test CA {}", MADE.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        Self(CertifiedIssuer::self_signed(params, ed25519()).expect("signs"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate, and returns it with its key.
    pub(crate) fn issue(&self, leaf: &Leaf) -> (String, String) {
        let key = ed25519();
        let certificate = leaf.params().signed_by(&key, &self.0).expect("signs");
        (certificate.pem(), key.serialize_pem())
    }

    /// Returns valid credentials of this CA.
    pub(crate) fn credentials(&self, role: &str, name: &str) -> Credentials {
        let (cert, key) = self.issue(&Leaf::of(role, name));
        Credentials::from_pem(self.pem().as_bytes(), cert.as_bytes(), key.as_bytes())
            .expect("good credentials")
    }

    /// Returns a list that revokes these certificates (PEM); the validity period is in seconds from
    /// now.
    pub(crate) fn revocations(&self, revoked: &[&str], valid: (i64, i64)) -> String {
        self.numbered_list(1, revoked, valid)
    }

    /// The same, with this CRL number.
    pub(crate) fn numbered_list(&self, number: u64, revoked: &[&str], valid: (i64, i64)) -> String {
        let at = |seconds| {
            let now = time::OffsetDateTime::from_unix_timestamp(now_seconds()).expect("in range");
            now + time::Duration::seconds(seconds)
        };
        let revoked = revoked.iter().map(|pem| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&serial(pem)),
            revocation_time: at(0),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: at(valid.0),
            next_update: at(valid.1),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).expect("signs").pem().expect("encodes")
    }

    /// Returns credentials without verification, such as a careless or hostile peer would present.
    pub(crate) fn unchecked(&self, leaf: &Leaf, identity: Identity) -> Credentials {
        let (cert, key) = self.issue(leaf);
        Credentials::unchecked(self.pem().as_bytes(), cert.as_bytes(), key.as_bytes(), identity)
    }
}

fn serial(pem: &str) -> Vec<u8> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    webpki::EndEntityCert::try_from(&der).expect("a certificate").serial().to_vec()
}

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct TestClock(u64);

impl TestClock {
    /// Creates a clock set to `offset` seconds from now.
    pub(crate) fn at(offset: i64) -> Arc<Self> {
        Arc::new(Self(now_seconds().saturating_add(offset).unsigned_abs()))
    }
}

impl TimeProvider for TestClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

fn ed25519() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).expect("a key")
}

fn now_seconds() -> i64 {
    i64::try_from(crate::clock::now_ms() / 1000).expect("in range")
}
