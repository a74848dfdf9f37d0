//! A CA in memory, and what it signs. No files.

use std::{fmt, sync::Arc};

use coffee_common::{
    id::{ClusterName, NodeName},
    protocol::{Identity, Role},
    tls::{
        self, Credentials, TlsError,
        identity::{self, Owner},
    },
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
    PublicKeyData, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use rustls_pki_types::UnixTime;
use time::OffsetDateTime;

use super::{
    AltName, BACKDATED_SECONDS, CA_DAYS, DAY_SECONDS, LEAF_DAYS, Subject, bundle,
    error::CertError,
    info::{CertificateInfo, Holder, Parsed},
    key, now_seconds,
};

/// A certificate and its private key in PEM.
#[derive(Clone)]
pub struct CertificateAndKey {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// A certificate authority in memory. Cheap to clone.
#[derive(Clone)]
pub struct Ca(Arc<CaShared>);

struct CaShared {
    /// The CA's own certificate and key.
    pair: CertificateAndKey,
    /// All trusted CA certificates, this CA's included.
    bundle: String,
    /// The CA's name in DER.
    name: Vec<u8>,
    /// The cluster for which it issues.
    cluster: ClusterName,
    issuer: Issuer<'static, KeyPair>,
    not_after: i64,
}

impl Ca {
    /// Creates a CA of a cluster, valid for [`CA_DAYS`].
    ///
    /// # Errors
    /// [`CertError::Signing`] if key or certificate cannot be generated.
    pub fn create(cluster: &ClusterName) -> Result<Self, CertError> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let serial = random()?;
        let mut name = DistinguishedName::new();
        // CAs have distinct names, so that a certificate of another CA fails with "unknown CA"
        // rather than "bad signature".
        let mark = serial.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
        name.push(DnType::CommonName, format!("coffeed CA {mark}"));
        let certificate = ca_params(name, cluster, &serial)?.self_signed(&key)?.pem();
        Self::from_pair(CertificateAndKey { certificate, key: key::to_pem(&key) })
    }

    /// Loads a CA. If `pair` contains several certificates, the key belongs to one of
    /// them and the others are trusted too.
    ///
    /// # Errors
    /// [`CertError::CaKeyMismatch`] if the key belongs to none of the certificates,
    /// [`CertError::NoCluster`] if its certificate names no cluster,
    /// [`CertError::Malformed`] if one cannot be parsed.
    pub fn from_pair(pair: CertificateAndKey) -> Result<Self, CertError> {
        let key = KeyPair::from_pem(&pair.key).map_err(|_| CertError::CaKeyMismatch)?;
        let own = |certificate: &String| {
            let parsed = Parsed::from_pem(certificate.as_bytes());
            parsed.is_ok_and(|parsed| parsed.public_key == key.subject_public_key_info())
        };
        let certificate = match bundle::split(&pair.certificate).find(own) {
            Some(certificate) => certificate,
            None => {
                // Reports what is wrong with a single one.
                Parsed::from_pem(pair.certificate.as_bytes())?;
                return Err(CertError::CaKeyMismatch);
            }
        };
        let parsed = Parsed::from_pem(certificate.as_bytes())?;
        let issuer = Issuer::from_ca_cert_der(&parsed.der, key)?;
        let (bundle, pair) = (pair.certificate, CertificateAndKey { certificate, key: pair.key });
        let Parsed { name, cluster, not_after, .. } = parsed;
        let cluster = cluster.ok_or(CertError::NoCluster)?;
        Ok(Self(Arc::new(CaShared { pair, bundle, name, cluster, issuer, not_after })))
    }

    /// Returns the same CA, which also trusts these CAs.
    pub(super) fn beside(&self, others: &str) -> Result<Self, CertError> {
        let certificate = format!("{}{others}", self.0.pair.certificate);
        Self::from_pair(CertificateAndKey { certificate, key: self.0.pair.key.clone() })
    }

    /// Returns the CA's certificate and key.
    pub fn pair(&self) -> &CertificateAndKey {
        &self.0.pair
    }

    /// Returns the PEM that every node and client needs: the CA's certificate and those
    /// of the other trusted CAs.
    pub fn certificate(&self) -> &str {
        &self.0.bundle
    }

    /// Returns the certificates of the other trusted CAs.
    pub(super) fn others(&self) -> String {
        bundle::split(&self.0.bundle).filter(|certificate| *certificate != self.0.pair.certificate).collect()
    }

    /// Returns the cluster for which it issues.
    pub fn cluster(&self) -> &ClusterName {
        &self.0.cluster
    }

    /// Returns the CA's name in DER.
    pub(super) fn name(&self) -> &[u8] {
        &self.0.name
    }

    /// Returns the end of its validity in Unix seconds.
    pub(super) fn not_after(&self) -> i64 {
        self.0.not_after
    }

    /// Returns whether both CAs have the same key.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.issuer.key().subject_public_key_info() == other.0.issuer.key().subject_public_key_info()
    }

    /// Signs a revocation list and returns it in PEM.
    pub(super) fn sign_list(&self, list: &CertificateRevocationListParams) -> Result<String, CertError> {
        Ok(list.signed_by(&self.0.issuer)?.pem()?)
    }

    /// Returns the same CA, valid for [`CA_DAYS`] from now. Name and key stay the same,
    /// so everything it signed remains valid under the old certificate and the new one.
    ///
    /// # Errors
    /// [`CertError::Signing`] if the certificate cannot be signed.
    pub fn renewed(&self) -> Result<Self, CertError> {
        let parsed = Parsed::from_pem(self.0.pair.certificate.as_bytes())?;
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, parsed.common_name);
        let certificate =
            ca_params(name, &self.0.cluster, &random()?)?.self_signed(self.0.issuer.key())?.pem();
        Self::from_pair(CertificateAndKey {
            certificate: certificate + &self.others(),
            key: self.0.pair.key.clone(),
        })
    }

    /// Creates a key and a certificate for it, valid for `days`.
    ///
    /// # Errors
    /// [`CertError::Days`] and [`CertError::CaExpired`] if the validity is not
    /// possible, [`CertError::Signing`] if signing fails.
    pub fn issue(&self, subject: &Subject, days: u32) -> Result<CertificateAndKey, CertError> {
        self.issue_for(KeyPair::generate_for(&PKCS_ED25519)?, subject, days)
    }

    /// Like [`Ca::issue`], with an ECDSA key (P-256): for TCP listeners and browsers, since BoringSSL and
    /// programs with it, such as Chromium and gRPC, refuse servers and offer no clients with Ed25519.
    ///
    /// # Errors
    /// As [`Ca::issue`].
    pub fn issue_p256(&self, subject: &Subject, days: u32) -> Result<CertificateAndKey, CertError> {
        self.issue_for(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?, subject, days)
    }

    fn issue_for(&self, key: KeyPair, subject: &Subject, days: u32) -> Result<CertificateAndKey, CertError> {
        let certificate = self.sign(subject, &key, days)?;
        Ok(CertificateAndKey { certificate, key: key::to_pem(&key) })
    }

    /// Signs the public key of an existing certificate again, for the same subject,
    /// valid for `days` from now. The private key is not needed and does not change, so
    /// only one file changes and certificate and key match at every moment.
    ///
    /// # Errors
    /// [`CertError::File`] if this CA did not sign the certificate; otherwise as
    /// [`Ca::issue`].
    pub fn reissue(&self, certificate: &str, days: u32) -> Result<String, CertError> {
        let parsed = Parsed::from_pem(certificate.as_bytes())?;
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(parsed.not_after.unsigned_abs()));
        tls::check_certificate(self.certificate().as_bytes(), certificate.as_bytes(), at)?;
        let key = SubjectPublicKeyInfo::from_der(&parsed.public_key)?;
        self.sign(&parsed.subject()?, &key, days)
    }

    /// Creates credentials of this CA in memory, valid for [`LEAF_DAYS`].
    ///
    /// # Errors
    /// As [`Ca::issue`].
    pub fn credentials(&self, role: Role, name: &NodeName) -> Result<Credentials, CertError> {
        let identity = Identity::new(role, name.clone());
        let pair = self.issue(&Subject { identity, alt_names: Vec::new() }, LEAF_DAYS)?;
        Ok(pair.credentials(self.certificate())?)
    }

    /// Signs a public key, valid for `days`.
    pub(super) fn sign(
        &self,
        subject: &Subject,
        key: &impl PublicKeyData,
        days: u32,
    ) -> Result<String, CertError> {
        if !(1..=CA_DAYS).contains(&days) {
            return Err(CertError::Days(days));
        }
        let now = now_seconds();
        if self.0.not_after <= now {
            return Err(CertError::CaExpired((now - self.0.not_after) / DAY_SECONDS));
        }
        let mut params = leaf_params(&self.0.cluster, subject)?;
        // A certificate never outlives its CA.
        let not_after = (now + i64::from(days) * DAY_SECONDS).min(self.0.not_after);
        set_validity(&mut params, now, not_after)?;
        params.serial_number = Some(SerialNumber::from_slice(&random()?));
        Ok(params.signed_by(key, &self.0.issuer)?.pem())
    }
}

impl CertificateAndKey {
    /// Returns credentials of this certificate and key, under a CA's certificate in
    /// PEM.
    ///
    /// # Errors
    /// [`TlsError`] if the three do not belong together.
    pub fn credentials(&self, ca: &str) -> Result<Credentials, TlsError> {
        Credentials::from_pem(ca.as_bytes(), self.certificate.as_bytes(), self.key.as_bytes())
    }

    /// Returns the content of the certificate.
    ///
    /// # Errors
    /// [`CertError::Malformed`] if it cannot be parsed.
    pub fn info(&self) -> Result<CertificateInfo, CertError> {
        CertificateInfo::of_pem(self.certificate.as_bytes())
    }
}

impl fmt::Debug for CertificateAndKey {
    /// Omits the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAndKey").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.issuer.fmt(f)
    }
}

fn ca_params(
    name: DistinguishedName,
    cluster: &ClusterName,
    serial: &[u8],
) -> Result<CertificateParams, CertError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.subject_alt_names = vec![SanType::URI(identity::ca_uri(cluster).try_into()?)];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from_slice(serial));
    let now = now_seconds();
    set_validity(&mut params, now, now + i64::from(CA_DAYS) * DAY_SECONDS)?;
    Ok(params)
}

fn leaf_params(cluster: &ClusterName, subject: &Subject) -> Result<CertificateParams, CertError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject.identity.name.as_str());
    params.subject_alt_names = alt_names(cluster, subject)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if subject.identity.role == Role::Node {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Returns the names in the certificate of a subject.
pub(super) fn alt_names(cluster: &ClusterName, subject: &Subject) -> Result<Vec<SanType>, CertError> {
    let owner = Owner { cluster: cluster.clone(), identity: subject.identity.clone() };
    let mut names = vec![SanType::URI(identity::to_uri(&owner).try_into()?)];
    for uri in identity::keys_uris(&subject.identity.keys) {
        names.push(SanType::URI(uri.try_into()?));
    }
    if subject.identity.role == Role::Node {
        names.push(SanType::DnsName(subject.identity.name.as_str().try_into()?));
    }
    for name in &subject.alt_names {
        names.push(match name {
            AltName::Dns(host) => SanType::DnsName(host.as_str().try_into()?),
            AltName::Ip(address) => SanType::IpAddress(*address),
        });
    }
    Ok(names)
}

fn set_validity(params: &mut CertificateParams, now: i64, not_after: i64) -> Result<(), CertError> {
    let at = |seconds| {
        OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| {
            CertError::Signing("the clock shows a year that certificates do not know".to_owned())
        })
    };
    params.not_before = at(now - BACKDATED_SECONDS)?;
    params.not_after = at(not_after)?;
    Ok(())
}

/// Returns a serial number: random, positive, 16 bytes (RFC 5280, section 4.1.2.2).
fn random() -> Result<[u8; 16], CertError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| CertError::Signing(error.to_string()))?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(bytes)
}

impl Parsed {
    /// Returns the subject of the certificate.
    fn subject(&self) -> Result<Subject, CertError> {
        let Holder::Leaf(identity) = &self.holder else {
            return Err(CertError::Malformed("it belongs to a CA".to_owned()));
        };
        let own_name = AltName::Dns(identity.name.as_str().to_owned());
        let alt_names = self.alt_names.iter().filter(|name| **name != own_name).cloned().collect();
        Ok(Subject { identity: identity.clone(), alt_names })
    }
}
