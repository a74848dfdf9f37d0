//! Our own certificate, its key, and the CA that we trust.

use std::{fmt, sync::Arc, time::Duration};

use ring::hmac;
use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, ring::default_provider},
    sign::CertifiedKey,
    time_provider::{DefaultTimeProvider, TimeProvider},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};
use webpki::{EndEntityCert, KeyUsage};

use super::{
    error::{Ago, CredentialFile, Problem, TlsError},
    files::CredentialFiles,
    identity::identity_of,
};
use crate::protocol::{Identity, Role};

/// Most certificates in one file.
const CHAIN_MAX: usize = 8;

/// What a node or a client shows of itself, and whom it believes. Cheap to clone.
///
/// One that exists was checked: the CA signed the certificate, its time is
/// now, the key belongs to it, and it names somebody.
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

pub(super) struct Inner {
    pub(super) identity: Identity,
    pub(super) roots: Arc<RootCertStore>,
    pub(super) key: Arc<CertifiedKey>,
    pub(super) clock: Arc<dyn TimeProvider>,
    pub(super) provider: Arc<CryptoProvider>,
    lasting_secret: hmac::Tag,
}

impl Credentials {
    /// Reads and checks the three files.
    pub fn load(files: &CredentialFiles) -> Result<Self, TlsError> {
        let ca = files.read(CredentialFile::Ca)?;
        let cert = files.read(CredentialFile::Certificate)?;
        let key = files.read(CredentialFile::Key)?;
        Self::from_pem(&ca, &cert, &key)
            .map_err(|error| TlsError { path: Some(files.path(error.file).to_owned()), ..error })
    }

    /// Checks what is in memory, in PEM.
    pub fn from_pem(ca: &[u8], cert: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Self::from_pem_with_clock(ca, cert, key, Arc::new(DefaultTimeProvider))
    }

    /// As [`Credentials::from_pem`], with the clock that judges certificates,
    /// ours now and those of others later: a simulation brings its own.
    pub fn from_pem_with_clock(
        ca: &[u8],
        cert: &[u8],
        key: &[u8],
        clock: Arc<dyn TimeProvider>,
    ) -> Result<Self, TlsError> {
        let now = clock.current_time().ok_or_else(|| {
            TlsError::new(CredentialFile::Certificate, Problem::Unusable("the clock is not set".to_owned()))
        })?;
        let identity = check_certificate(ca, cert, now)?;
        Self::assemble(ca, cert, key, clock, identity)
    }

    /// Credentials that claim to be `identity`, whatever their certificate says.
    #[cfg(test)]
    pub(crate) fn unchecked(ca: &[u8], cert: &[u8], key: &[u8], identity: Identity) -> Self {
        Self::assemble(ca, cert, key, Arc::new(DefaultTimeProvider), identity).expect("PEM of a pair")
    }

    fn assemble(
        ca: &[u8],
        cert: &[u8],
        key: &[u8],
        clock: Arc<dyn TimeProvider>,
        identity: Identity,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let roots = Arc::new(read_roots(ca)?);
        let chain = read_certificates(CredentialFile::Certificate, cert)?;
        let (key, lasting_secret) = read_key(key, chain, &provider)?;
        let key = Arc::new(key);
        Ok(Self(Arc::new(Inner { identity, roots, key, clock, provider, lasting_secret })))
    }

    /// Who we are, as our own certificate says.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Whether the certificate is still valid that far from now: worth a
    /// warning where it is not.
    pub fn is_valid_in(&self, ahead: Duration) -> bool {
        let own = self.inner();
        own.clock.current_time().is_some_and(|now| {
            let then = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + ahead);
            check_own(&own.key.cert, &own.roots, then, &own.provider).is_ok()
        })
    }

    /// A secret that follows from the private key: the same after a restart,
    /// and of no help in finding the key.
    pub(crate) fn lasting_secret(&self) -> &[u8] {
        self.0.lasting_secret.as_ref()
    }

    /// The clock that judges certificates.
    pub(crate) fn clock(&self) -> &Arc<dyn TimeProvider> {
        &self.0.clock
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for Credentials {
    /// Names whom they are for; nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} {})", self.0.identity.role.as_str(), self.0.identity.name)
    }
}

/// Whom a certificate is for, once it has proven to be signed by the CA,
/// valid at `at`, and made for its role's use. All in PEM.
pub fn check_certificate(ca: &[u8], cert: &[u8], at: UnixTime) -> Result<Identity, TlsError> {
    let chain = read_certificates(CredentialFile::Certificate, cert)?;
    check_own(&chain, &read_roots(ca)?, at, &default_provider())
}

fn read_certificates(file: CredentialFile, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let not_pem = || TlsError::new(file, Problem::NotPem("certificate"));
    if pem.is_empty() {
        return Err(TlsError::new(file, Problem::Empty));
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).take(CHAIN_MAX).collect();
    certificates.ok().filter(|found| !found.is_empty()).ok_or_else(not_pem)
}

fn read_roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(CredentialFile::Ca, pem)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError::new(CredentialFile::Ca, Problem::Unusable(error.to_string())))?;
    }
    Ok(roots)
}

fn read_key(
    pem: &[u8],
    chain: Vec<CertificateDer<'static>>,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, hmac::Tag), TlsError> {
    let wrong = |problem| TlsError::new(CredentialFile::Key, problem);
    if pem.is_empty() {
        return Err(wrong(Problem::Empty));
    }
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| wrong(Problem::NotPem("private key")))?;
    let hmac_key = hmac::Key::new(hmac::HMAC_SHA256, key.secret_der());
    let secret = hmac::sign(&hmac_key, b"coffeed lasting secret");
    let key = provider.key_provider.load_private_key(key).map_err(|_| wrong(Problem::UnusableKey))?;
    let key = CertifiedKey::new(chain, key);
    key.keys_match().map_err(|_| wrong(Problem::KeyMismatch))?;
    Ok((key, secret))
}

/// What others will check when they see our certificate, found out before they do.
fn check_own(
    chain: &[CertificateDer<'static>],
    roots: &RootCertStore,
    now: UnixTime,
    provider: &CryptoProvider,
) -> Result<Identity, TlsError> {
    let wrong = |problem| TlsError::new(CredentialFile::Certificate, problem);
    let [own, intermediates @ ..] = chain else { return Err(wrong(Problem::Empty)) };
    let identity = identity_of(own).map_err(|error| wrong(Problem::Identity(error)))?;
    let end_entity =
        EndEntityCert::try_from(own).map_err(|error| wrong(Problem::Unusable(error.to_string())))?;
    let usages = match identity.role {
        Role::Node => &[KeyUsage::client_auth(), KeyUsage::server_auth()][..],
        Role::Reader | Role::Writer | Role::Admin => &[KeyUsage::client_auth()][..],
    };
    for usage in usages {
        end_entity
            .verify_for_usage(
                provider.signature_verification_algorithms.all,
                &roots.roots,
                intermediates,
                now,
                *usage,
                None,
                None,
            )
            .map_err(|error| wrong(problem_of(&error, now)))?;
    }
    Ok(identity)
}

fn problem_of(error: &webpki::Error, now: UnixTime) -> Problem {
    use webpki::Error as E;
    match error {
        E::CertExpired { not_after, .. } => Problem::Expired(Ago::between(*not_after, now)),
        E::CertNotValidYet { not_before, .. } => Problem::NotYetValid(Ago::between(*not_before, now)),
        E::UnknownIssuer | E::CaUsedAsEndEntity | E::InvalidSignatureForPublicKey => Problem::UnknownIssuer,
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => Problem::WrongPurpose,
        other => Problem::Unusable(other.to_string()),
    }
}
