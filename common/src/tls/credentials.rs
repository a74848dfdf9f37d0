//! A side's own certificate and key, the CAs that it trusts, and what they revoked.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use ring::{digest, hmac};
use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, ring::default_provider},
    sign::CertifiedKey,
    time_provider::{DefaultTimeProvider, TimeProvider},
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};
use webpki::{EndEntityCert, KeyUsage};

use super::{
    error::{Ago, CredentialFile, Problem, TlsError},
    files::{CredentialFiles, read_file},
    identity::{IdentityError, Owner, owner_of},
    key::read_key,
    revocations::Revocations,
};
use crate::{
    id::ClusterName,
    limits::CAS_MAX,
    protocol::{Identity, Role},
};

/// The most certificates in a chain: the own one, and those between it and the CA.
const CHAIN_MAX: usize = 8;

/// The certificate that a node or a client presents, and the CAs that it trusts. Cheap to clone.
///
/// Every instance was verified: a trusted CA signed the certificate and did not revoke it, it is
/// valid now, the key belongs to it, and it has an identity.
#[derive(Clone)]
pub struct Credentials(Arc<CredentialsInner>);

pub(super) struct CredentialsInner {
    pub(super) owner: Owner,
    serial: String,
    /// When the certificate expires, in seconds since 1970.
    until: u64,
    pub(super) roots: Arc<RootCertStore>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) key: Arc<CertifiedKey>,
    pub(super) clock: Arc<dyn TimeProvider>,
    pub(super) provider: Arc<CryptoProvider>,
    lasting_secret: hmac::Tag,
    digests: FileDigests,
}

/// The digests of the files, to detect changes.
struct FileDigests {
    ca: digest::Digest,
    cert: digest::Digest,
    crl: Option<digest::Digest>,
}

impl Credentials {
    /// Reads each file once, and verifies the contents.
    ///
    /// # Errors
    /// A file cannot be read, or its contents are not valid credentials.
    pub fn load(files: &CredentialFiles) -> Result<Self, TlsError> {
        let ca = read_file(CredentialFile::Ca, &files.ca)?;
        let cert = read_file(CredentialFile::Certificate, &files.cert)?;
        let key = read_file(CredentialFile::Key, &files.key)?;
        let crl = files.crl.as_ref().map(|path| read_file(CredentialFile::Revocations, path)).transpose()?;
        let name_file =
            |error: TlsError| TlsError { path: files.path(error.file).map(Path::to_owned), ..error };
        let credentials = Self::from_pem(&ca, &cert, &key).map_err(name_file)?;
        match crl {
            Some(crl) => credentials.with_revocations(&crl).map_err(name_file),
            None => Ok(credentials),
        }
    }

    /// Verifies credentials in PEM.
    ///
    /// # Errors
    /// They are not valid credentials.
    pub fn from_pem(ca: &[u8], cert: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Self::from_pem_with_clock(ca, cert, key, Arc::new(DefaultTimeProvider))
    }

    /// Like [`Credentials::from_pem`], with the clock for verifying certificates, one's own and
    /// later those of peers. A simulation provides its own clock.
    ///
    /// # Errors
    /// They are not valid credentials, or the clock is not set.
    pub fn from_pem_with_clock(
        ca: &[u8],
        cert: &[u8],
        key: &[u8],
        clock: Arc<dyn TimeProvider>,
    ) -> Result<Self, TlsError> {
        let owner = check_certificate(ca, cert, now(clock.as_ref())?)?;
        Self::assemble(ca, cert, key, clock, owner)
    }

    /// Returns these credentials with other revocation lists. `file` is the file that they are from;
    /// without it, the file stays the same.
    pub(super) fn with_lists(&self, revocations: Revocations, file: Option<&[u8]>) -> Self {
        let own = self.inner();
        let crl = file.map(digest_of).or(own.digests.crl);
        Self(Arc::new(CredentialsInner {
            owner: own.owner.clone(),
            serial: own.serial.clone(),
            until: own.until,
            roots: Arc::clone(&own.roots),
            revocations: Arc::new(revocations),
            key: Arc::clone(&own.key),
            clock: Arc::clone(&own.clock),
            provider: Arc::clone(&own.provider),
            lasting_secret: own.lasting_secret,
            digests: FileDigests { crl, ..own.digests },
        }))
    }

    /// Creates credentials that claim to be `identity` of the default cluster, without verification.
    #[cfg(test)]
    pub(crate) fn unchecked(ca: &[u8], cert: &[u8], key: &[u8], identity: Identity) -> Self {
        let owner = Owner { cluster: ClusterName::default(), identity };
        Self::assemble(ca, cert, key, Arc::new(DefaultTimeProvider), owner).expect("PEM of a pair")
    }

    fn assemble(
        ca: &[u8],
        cert: &[u8],
        key: &[u8],
        clock: Arc<dyn TimeProvider>,
        owner: Owner,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let roots = Arc::new(read_roots(ca)?);
        let chain = read_certificates(CredentialFile::Certificate, cert, CHAIN_MAX)?;
        let (serial, until) = (serial_of(&chain), end_of(&chain));
        let (key, lasting_secret) = read_key(key, chain, &provider)?;
        let digests = FileDigests { ca: digest_of(ca), cert: digest_of(cert), crl: None };
        Ok(Self(Arc::new(CredentialsInner {
            owner,
            serial,
            until,
            roots,
            revocations: Arc::default(),
            key: Arc::new(key),
            clock,
            provider,
            lasting_secret,
            digests,
        })))
    }

    /// Returns the identity in the own certificate.
    pub fn identity(&self) -> &Identity {
        &self.0.owner.identity
    }

    /// Returns the cluster for which the own certificate was issued. Peers of another one are refused.
    pub fn cluster(&self) -> &ClusterName {
        &self.0.owner.cluster
    }

    /// Returns when the own certificate expires, in seconds since 1970.
    pub fn valid_until(&self) -> u64 {
        self.0.until
    }

    /// Returns the serial number of the own certificate, in hexadecimal.
    pub fn serial(&self) -> &str {
        &self.0.serial
    }

    /// Returns the time of the clock that verifies certificates, in seconds since 1970.
    pub fn now(&self) -> u64 {
        self.0.clock.current_time().map_or(0, |now| now.as_secs())
    }

    /// Returns the files whose contents differ from those of `other`.
    pub fn differences(&self, other: &Self) -> Vec<CredentialFile> {
        let (one, other) = (self.inner(), other.inner());
        let same = |one: digest::Digest, other: digest::Digest| one.as_ref() == other.as_ref();
        let crls = match (one.digests.crl, other.digests.crl) {
            (Some(one), Some(other)) => same(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        [
            (same(one.digests.ca, other.digests.ca), CredentialFile::Ca),
            (same(one.digests.cert, other.digests.cert), CredentialFile::Certificate),
            (one.lasting_secret.as_ref() == other.lasting_secret.as_ref(), CredentialFile::Key),
            (crls, CredentialFile::Revocations),
        ]
        .into_iter()
        .filter_map(|(same, file)| (!same).then_some(file))
        .collect()
    }

    /// Verifies the chain of a connected peer again, since trust may have changed: fails if its CA
    /// is no longer trusted or has revoked it. Expiry is ignored.
    pub(crate) fn check_still_trusted(&self, chain: &[CertificateDer<'_>]) -> Result<(), Problem> {
        let own = self.inner();
        let [end_entity, intermediates @ ..] = chain else { return Err(Problem::Empty) };
        if own.revocations.revoke(chain) {
            return Err(Problem::Revoked);
        }
        let unusable = |error: webpki::Error| Problem::Unusable(error.to_string());
        let end_entity = EndEntityCert::try_from(end_entity).map_err(unusable)?;
        let at = |time| {
            verify(&end_entity, intermediates, &own.roots, time, KeyUsage::client_auth(), &own.provider)
        };
        let verdict = match at(UnixTime::since_unix_epoch(Duration::from_secs(self.now()))) {
            Err(webpki::Error::CertExpired { not_after, .. }) => at(not_after),
            Err(webpki::Error::CertNotValidYet { not_before, .. }) => at(not_before),
            verdict => verdict,
        };
        match verdict {
            Err(error) if is_of_another_ca(&error) => Err(Problem::UnknownIssuer),
            _ => Ok(()),
        }
    }

    /// Returns a secret derived from the private key. It is the same after a restart, and does not
    /// reveal the key.
    pub(crate) fn lasting_secret(&self) -> &[u8] {
        self.0.lasting_secret.as_ref()
    }

    /// Returns the clock that verifies certificates.
    pub(crate) fn clock(&self) -> &Arc<dyn TimeProvider> {
        &self.0.clock
    }

    pub(super) fn inner(&self) -> &CredentialsInner {
        &self.0
    }
}

impl fmt::Debug for Credentials {
    /// Shows the identity, and nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = self.identity();
        write!(f, "Credentials({} {} of {})", identity.role.as_str(), identity.name, self.cluster())
    }
}

/// Verifies that a certificate is signed by the CA, valid at `at`, and made for its role's use, and
/// returns its owner. All inputs are PEM.
///
/// # Errors
/// The certificate or the CA is malformed, or the verification fails.
pub fn check_certificate(ca: &[u8], cert: &[u8], at: UnixTime) -> Result<Owner, TlsError> {
    let chain = read_certificates(CredentialFile::Certificate, cert, CHAIN_MAX)?;
    check_own(&chain, &read_roots(ca)?, at, &default_provider())
}

pub(super) fn now(clock: &dyn TimeProvider) -> Result<UnixTime, TlsError> {
    clock.current_time().ok_or_else(|| {
        TlsError::new(CredentialFile::Certificate, Problem::Unusable("the clock is not set".to_owned()))
    })
}

fn digest_of(file: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, file)
}

/// Returns the serial number of the first certificate of a chain, in hexadecimal.
pub(crate) fn serial_of(chain: &[CertificateDer<'_>]) -> String {
    let certificate = chain.first().and_then(|first| EndEntityCert::try_from(first).ok());
    let serial = certificate.as_ref().map(|certificate| certificate.serial()).unwrap_or_default();
    serial.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns when the first certificate of a chain expires, in seconds since 1970; 0 if it is none.
/// webpki only tells this for an expired certificate, so it is verified at the end of time.
pub(crate) fn end_of(chain: &[CertificateDer<'_>]) -> u64 {
    let end_of_time = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    let certificate = chain.first().and_then(|first| EndEntityCert::try_from(first).ok());
    let no_roots = RootCertStore::empty();
    let verdict = certificate.map(|certificate| {
        verify(&certificate, &[], &no_roots, end_of_time, KeyUsage::client_auth(), &default_provider())
    });
    match verdict {
        Some(Err(webpki::Error::CertExpired { not_after, .. })) => not_after.as_secs(),
        _ => 0,
    }
}

fn read_certificates(
    file: CredentialFile,
    pem: &[u8],
    most: usize,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |problem: Problem| TlsError::new(file, problem);
    if pem.is_empty() {
        return Err(wrong(Problem::Empty));
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).take(most + 1).collect();
    match certificates {
        Ok(found) if found.len() > most => Err(wrong(Problem::TooMany(most))),
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(wrong(Problem::NotPem("certificate"))),
    }
}

fn read_roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(CredentialFile::Ca, pem, CAS_MAX)? {
        // It would be trusted as a CA, whatever it says.
        let wrong = |problem: Problem| TlsError::new(CredentialFile::Ca, problem);
        match owner_of(&certificate) {
            Ok(owner) => return Err(wrong(Problem::NotACa(owner.identity))),
            Err(former @ IdentityError::NoCluster) => return Err(wrong(Problem::Identity(former))),
            Err(_) => {}
        }
        roots
            .add(certificate)
            .map_err(|error| TlsError::new(CredentialFile::Ca, Problem::Unusable(error.to_string())))?;
    }
    Ok(roots)
}

/// Verifies the own certificate as peers will, to find problems before they do.
fn check_own(
    chain: &[CertificateDer<'static>],
    roots: &RootCertStore,
    now: UnixTime,
    provider: &CryptoProvider,
) -> Result<Owner, TlsError> {
    let wrong = |problem| TlsError::new(CredentialFile::Certificate, problem);
    let [own, intermediates @ ..] = chain else { return Err(wrong(Problem::Empty)) };
    let owner = owner_of(own).map_err(|error| wrong(Problem::Identity(error)))?;
    let end_entity =
        EndEntityCert::try_from(own).map_err(|error| wrong(Problem::Unusable(error.to_string())))?;
    let usages = match owner.identity.role {
        Role::Node => &[KeyUsage::client_auth(), KeyUsage::server_auth()][..],
        Role::Reader | Role::Writer | Role::Admin | Role::Backup => &[KeyUsage::client_auth()][..],
    };
    for usage in usages {
        verify(&end_entity, intermediates, roots, now, *usage, provider)
            .map_err(|error| wrong(problem_of(&error, now)))?;
    }
    Ok(owner)
}

fn verify(
    end_entity: &EndEntityCert<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &RootCertStore,
    at: UnixTime,
    usage: KeyUsage,
    provider: &CryptoProvider,
) -> Result<(), webpki::Error> {
    let algorithms = provider.signature_verification_algorithms.all;
    end_entity.verify_for_usage(algorithms, &roots.roots, intermediates, at, usage, None, None).map(drop)
}

fn is_of_another_ca(error: &webpki::Error) -> bool {
    use webpki::Error as E;
    matches!(error, E::UnknownIssuer | E::CaUsedAsEndEntity | E::InvalidSignatureForPublicKey)
}

fn problem_of(error: &webpki::Error, now: UnixTime) -> Problem {
    use webpki::Error as E;
    match error {
        E::CertExpired { not_after, .. } => Problem::Expired(Ago::between(*not_after, now)),
        E::CertNotValidYet { not_before, .. } => Problem::NotYetValid(Ago::between(*not_before, now)),
        of_another if is_of_another_ca(of_another) => Problem::UnknownIssuer,
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => Problem::WrongPurpose,
        other => Problem::Unusable(other.to_string()),
    }
}
