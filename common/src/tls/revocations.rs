//! Certificate revocation lists (RFC 5280, section 5).
//!
//! A list is verified once, when it is read: a trusted CA must have signed it, and a list from a file
//! must be current. Later a certificate is only looked up by issuer and serial number, so the length
//! of a list does not slow handshakes. A CA without a list has revoked nothing. A list that expires
//! while in use stays in force: no one is locked out because a file was not copied in time. Lists
//! come from a file and from the cluster; a certificate that either of them revokes is revoked.

use std::{collections::BTreeMap, sync::Arc};

use rustls::{RootCertStore, crypto::WebPkiSupportedAlgorithms};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime, pem::PemObject};
use webpki::{
    CertRevocationList, EndEntityCert, OwnedCertRevocationList, RawPublicKeyEntity, spki_for_anchor,
};

use super::{
    der::{DerReader, INTEGER, OCTET_STRING, SEQUENCE},
    error::{Ago, CredentialFile, Problem, TlsError},
};
use crate::{
    limits::{CAS_MAX, ISSUER_BYTES_MAX, REVOCATION_LIST_BYTES_MAX},
    protocol::RevocationListStatus,
    revocation_list::RevocationList,
};

/// The tags and object identifiers of the parts of a list (RFC 5280, sections 5.1 and 5.2.3, and
/// appendix A.1).
const EXTENSIONS: u8 = 0xa0;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const CRL_NUMBER: [u8; 3] = [0x55, 0x1d, 0x14];
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// The revocation lists of the trusted CAs.
#[derive(Debug, Default, Clone)]
pub(super) struct Revocations {
    lists: Vec<Arc<ListInForce>>,
}

/// Where a list comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListSource {
    /// The file in the configuration.
    File,
    /// The state of the cluster.
    Cluster,
}

#[derive(Debug)]
struct ListInForce {
    list: CertRevocationList<'static>,
    source: ListSource,
    number: u64,
    /// Its `nextUpdate`, in seconds since 1970.
    until: u64,
}

/// The parts of a list that webpki does not expose.
struct Parts<'a> {
    signed: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    this_update: u64,
    next_update: u64,
    number: Option<u64>,
}

/// The CAs that may sign a list, and how.
pub(super) struct ListSigners<'a> {
    pub(super) roots: &'a RootCertStore,
    pub(super) algorithms: &'a WebPkiSupportedAlgorithms,
}

impl Revocations {
    /// Reads lists in PEM, at most one per CA.
    pub(super) fn from_pem(pem: &[u8], signers: &ListSigners<'_>, now: UnixTime) -> Result<Self, TlsError> {
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
            let (list, parts) = signers.verify(der).map_err(wrong)?;
            parts.check_current(now).map_err(wrong)?;
            if all.lists.iter().any(|other| other.list.issuer() == list.issuer()) {
                return Err(wrong(Problem::TwoLists));
            }
            all.lists.push(Arc::new(ListInForce::new(list, &parts, ListSource::File)));
        }
        Ok(all)
    }

    /// Takes the lists of the cluster that a trusted CA has signed, and leaves out the others: a node
    /// may trust a new CA later than the others. One that has expired is in force as well.
    pub(super) fn of_cluster(lists: &[RevocationList], signers: &ListSigners<'_>) -> Self {
        let verify = |list: &RevocationList| {
            let (verified, parts) = signers.verify(&list.der).ok()?;
            Some(Arc::new(ListInForce::new(verified, &parts, ListSource::Cluster)))
        };
        Self { lists: lists.iter().filter_map(verify).collect() }
    }

    /// Returns these lists without those of another source, and with others.
    pub(super) fn replace(&self, source: ListSource, new: Self) -> Self {
        let kept = self.lists.iter().filter(|list| list.source != source).cloned();
        Self { lists: kept.chain(new.lists).collect() }
    }

    /// Returns when the first list is due for replacement.
    pub(super) fn until(&self) -> Option<u64> {
        self.lists.iter().map(|list| list.until).min()
    }

    /// Returns the highest number of each CA.
    pub(super) fn status(&self) -> Vec<RevocationListStatus> {
        let mut numbers: BTreeMap<&[u8], u64> = BTreeMap::new();
        for list in &self.lists {
            let number = numbers.entry(list.list.issuer()).or_default();
            *number = list.number.max(*number);
        }
        let status = |(issuer, number)| RevocationListStatus { ca: common_name(issuer), number };
        let mut all: Vec<_> = numbers.into_iter().map(status).collect();
        all.sort_unstable();
        all
    }

    /// Returns whether one of these certificates was revoked. A certificate that cannot be parsed
    /// counts as revoked.
    pub(super) fn revoke<'a>(&self, chain: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> bool {
        !self.lists.is_empty() && chain.into_iter().any(|certificate| self.revokes(certificate))
    }

    fn revokes(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok(certificate) = EndEntityCert::try_from(certificate) else { return true };
        let mut own = self.lists.iter().filter(|list| list.list.issuer() == certificate.issuer());
        own.any(|list| !matches!(list.list.find_serial(certificate.serial()), Ok(None)))
    }
}

impl ListInForce {
    fn new(list: CertRevocationList<'static>, parts: &Parts<'_>, source: ListSource) -> Self {
        Self { list, source, number: parts.number.unwrap_or_default(), until: parts.next_update }
    }
}

impl ListSigners<'_> {
    /// Verifies a list that is to be given to the cluster.
    pub(super) fn check(&self, der: &[u8], now: UnixTime) -> Result<RevocationList, Problem> {
        let (_, parts) = self.verify(der)?;
        parts.check_current(now)?;
        parse_list(der).ok_or_else(|| {
            Problem::Unusable(format!(
                "it has more than {REVOCATION_LIST_BYTES_MAX} bytes, or no number below 2^64"
            ))
        })
    }

    /// Parses a list, and verifies its signature.
    fn verify<'a>(&self, der: &'a [u8]) -> Result<(CertRevocationList<'static>, Parts<'a>), Problem> {
        let list =
            OwnedCertRevocationList::from_der(der).map_err(|error| Problem::Unusable(error.to_string()))?;
        let list = CertRevocationList::from(list);
        let parts = Parts::of(der).ok_or_else(|| Problem::Unusable("it is malformed".to_owned()))?;
        let mut makers = self.roots.roots.iter().filter(|root| root.subject.as_ref() == list.issuer());
        match makers.any(|root| parts.are_signed_by(root, self.algorithms)) {
            true => Ok((list, parts)),
            false => Err(Problem::UnknownIssuer),
        }
    }
}

/// Parses a list without verifying it.
pub(super) fn parse_list(der: &[u8]) -> Option<RevocationList> {
    let list = CertRevocationList::from(OwnedCertRevocationList::from_der(der).ok()?);
    let (issuer, number) = (list.issuer().to_vec(), Parts::of(der)?.number?);
    let fits = issuer.len() <= ISSUER_BYTES_MAX && der.len() <= REVOCATION_LIST_BYTES_MAX;
    fits.then(|| RevocationList { issuer, number, der: der.to_vec() })
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
        let number = crl_number(inner);
        Some(Self { signed: signed.whole, algorithm, signature, this_update, next_update, number })
    }

    /// Checks that the list is valid now.
    fn check_current(&self, now: UnixTime) -> Result<(), Problem> {
        let at =
            |seconds| Ago::between(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)), now);
        if self.next_update <= now.as_secs() {
            return Err(Problem::Expired(at(self.next_update)));
        }
        if self.this_update > now.as_secs() {
            return Err(Problem::NotYetValid(at(self.this_update)));
        }
        Ok(())
    }

    fn are_signed_by(&self, root: &TrustAnchor<'_>, algorithms: &WebPkiSupportedAlgorithms) -> bool {
        let key = spki_for_anchor(root);
        let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
        let mut fitting =
            algorithms.all.iter().filter(|known| known.signature_alg_id().as_ref() == self.algorithm);
        fitting.any(|known| key.verify_signature(*known, self.signed, self.signature).is_ok())
    }
}

/// Finds the number among the extensions at the end of a list (RFC 5280, section 5.2.3).
fn crl_number(mut rest: DerReader<'_>) -> Option<u64> {
    let extensions = std::iter::from_fn(|| rest.next()).find(|element| element.tag == EXTENSIONS)?;
    let mut extensions = DerReader(DerReader(extensions.content).expect(SEQUENCE)?.content);
    while let Some(extension) = extensions.expect(SEQUENCE) {
        let mut fields = DerReader(extension.content);
        if fields.expect(OBJECT_IDENTIFIER)?.content != CRL_NUMBER {
            continue;
        }
        let mut value = fields.next()?;
        if value.tag == BOOLEAN {
            value = fields.next()?;
        }
        let value = if value.tag == OCTET_STRING { value.content } else { return None };
        let digits = DerReader(value).expect(INTEGER)?.content;
        let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
        return (digits.len() <= 8).then(|| digits.iter().fold(0, |n, digit| n << 8 | u64::from(*digit)));
    }
    None
}

/// Returns the common name in a name in DER; the name in hexadecimal if it has none.
fn common_name(issuer: &[u8]) -> String {
    let find = || {
        let mut names = DerReader(issuer);
        std::iter::from_fn(|| names.next()).find_map(|name| {
            let mut fields = DerReader(DerReader(name.content).expect(SEQUENCE)?.content);
            let is_common = fields.expect(OBJECT_IDENTIFIER)?.content == COMMON_NAME;
            is_common.then(|| fields.next())?.map(|text| String::from_utf8_lossy(text.content).into_owned())
        })
    };
    find().unwrap_or_else(|| issuer.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}
