//! Certificate revocation lists (RFC 5280, section 5).
//!
//! A list is verified once, when it is read: a trusted CA must have signed it, and it must be
//! current. Later a certificate is only looked up by issuer and serial number, so the length of a
//! list does not slow handshakes. A CA without a list has revoked nothing. A list that expires
//! while in use stays in force: no one is locked out because a file was not copied in time.

use rustls::{RootCertStore, crypto::WebPkiSupportedAlgorithms};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime, pem::PemObject};
use webpki::{
    CertRevocationList, EndEntityCert, OwnedCertRevocationList, RawPublicKeyEntity, spki_for_anchor,
};

use super::{
    der::{DerReader, SEQUENCE},
    error::{Ago, CredentialFile, Problem, TlsError},
};
use crate::limits::CAS_MAX;

/// The revocation lists of the trusted CAs.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    lists: Vec<CertRevocationList<'static>>,
    /// The earliest `nextUpdate` of the lists, in seconds since 1970.
    until: Option<u64>,
}

/// The parts of a list that webpki does not expose.
struct Parts<'a> {
    signed: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    this_update: u64,
    next_update: u64,
}

impl Revocations {
    /// Reads lists in PEM, at most one per CA.
    pub(super) fn from_pem(
        pem: &[u8],
        roots: &RootCertStore,
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<Self, TlsError> {
        let wrong = |problem: Problem| TlsError::new(CredentialFile::Revocations, problem);
        let found: Result<Vec<_>, _> =
            CertificateRevocationListDer::pem_slice_iter(pem).take(CAS_MAX + 1).collect();
        let found = found.ok().filter(|found| !found.is_empty());
        let found = found.ok_or_else(|| wrong(Problem::NotPem("revocation list")))?;
        if found.len() > CAS_MAX {
            return Err(wrong(Problem::TooMany(CAS_MAX)));
        }
        let mut all = Self::default();
        for der in &found {
            let (list, until) = judge(der, roots, now, algorithms).map_err(wrong)?;
            if all.lists.iter().any(|other| other.issuer() == list.issuer()) {
                return Err(wrong(Problem::TwoLists));
            }
            all.lists.push(list);
            all.until = Some(all.until.map_or(until, |first| first.min(until)));
        }
        Ok(all)
    }

    /// Returns when the first list is due for replacement.
    pub(super) fn until(&self) -> Option<u64> {
        self.until
    }

    /// Returns whether one of these certificates was revoked. A certificate that cannot be parsed
    /// counts as revoked.
    pub(super) fn revoke<'a>(&self, chain: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> bool {
        !self.lists.is_empty() && chain.into_iter().any(|certificate| self.revokes(certificate))
    }

    fn revokes(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok(certificate) = EndEntityCert::try_from(certificate) else { return true };
        let mut own = self.lists.iter().filter(|list| list.issuer() == certificate.issuer());
        own.any(|list| !matches!(list.find_serial(certificate.serial()), Ok(None)))
    }
}

/// Parses a list, verifies its signature and that it is current, and returns it with its
/// `nextUpdate`.
fn judge(
    der: &CertificateRevocationListDer<'_>,
    roots: &RootCertStore,
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(CertRevocationList<'static>, u64), Problem> {
    let list =
        OwnedCertRevocationList::from_der(der).map_err(|error| Problem::Unusable(error.to_string()))?;
    let list = CertRevocationList::from(list);
    let parts = Parts::of(der).ok_or_else(|| Problem::Unusable("it is malformed".to_owned()))?;
    let mut makers = roots.roots.iter().filter(|root| root.subject.as_ref() == list.issuer());
    if !makers.any(|root| parts.are_signed_by(root, algorithms)) {
        return Err(Problem::UnknownIssuer);
    }
    let at = |seconds| Ago::between(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)), now);
    if parts.next_update <= now.as_secs() {
        return Err(Problem::Expired(at(parts.next_update)));
    }
    if parts.this_update > now.as_secs() {
        return Err(Problem::NotYetValid(at(parts.this_update)));
    }
    Ok((list, parts.next_update))
}

impl<'a> Parts<'a> {
    fn of(der: &'a [u8]) -> Option<Self> {
        let mut outer = DerReader(DerReader(der).expect(SEQUENCE)?.content);
        let signed = outer.expect(SEQUENCE)?;
        let algorithm = outer.expect(SEQUENCE)?.content;
        let signature = outer.bits()?;
        let mut inner = DerReader(signed.content);
        // Version, algorithm, issuer.
        for _ in 0..3 {
            inner.next()?;
        }
        let (this_update, next_update) = (inner.time()?, inner.time()?);
        Some(Self { signed: signed.whole, algorithm, signature, this_update, next_update })
    }

    fn are_signed_by(&self, root: &TrustAnchor<'_>, algorithms: &WebPkiSupportedAlgorithms) -> bool {
        let key = spki_for_anchor(root);
        let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
        let mut fitting =
            algorithms.all.iter().filter(|known| known.signature_alg_id().as_ref() == self.algorithm);
        fitting.any(|known| key.verify_signature(*known, self.signed, self.signature).is_ok())
    }
}
