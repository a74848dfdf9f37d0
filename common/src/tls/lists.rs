//! The revocation lists of a side's credentials: those from its file, and those of its cluster.

use rustls_pki_types::{CertificateRevocationListDer, pem::PemObject};

use super::{
    credentials::{Credentials, now},
    der::DerReader,
    error::{CredentialFile, Problem, TlsError},
    revocations::{ListSigners, ListSource, Revocations, parse_list},
};
use crate::{
    limits::{CAS_MAX, CLUSTER_LISTS_MAX},
    protocol::RevocationListStatus,
    revocation_list::RevocationList,
};

/// Reads lists that follow each other in DER, such as a node keeps them. Nothing is verified; anything
/// that is not a list ends them.
pub fn read_lists(bytes: &[u8]) -> Vec<RevocationList> {
    let mut reader = DerReader(bytes);
    let lists = std::iter::from_fn(|| parse_list(reader.next()?.whole));
    lists.take(CLUSTER_LISTS_MAX).collect()
}

/// Returns the lists in a file, in DER. Nothing is verified.
pub fn lists_in_pem(pem: &[u8]) -> Vec<Vec<u8>> {
    let lists = CertificateRevocationListDer::pem_slice_iter(pem).map_while(Result::ok);
    lists.take(CAS_MAX).map(|list| list.to_vec()).collect()
}

impl Credentials {
    /// Returns these credentials with other revocation lists from a file: PEM, at most one per CA. They
    /// replace the previous ones from a file.
    ///
    /// # Errors
    /// The lists are not valid, or revoke this certificate.
    pub fn with_revocations(&self, crl: &[u8]) -> Result<Self, TlsError> {
        let own = self.inner();
        let lists = Revocations::from_pem(crl, &self.list_signers(), now(own.clock.as_ref())?)?;
        if lists.revoke(&own.key.cert) {
            return Err(TlsError::new(CredentialFile::Certificate, Problem::Revoked));
        }
        Ok(self.with_lists(own.revocations.replace(ListSource::File, lists), Some(crl)))
    }

    /// Returns these credentials with other revocation lists of the cluster, beside those from the
    /// file. A list counts if a trusted CA has signed it. One that revokes this certificate counts
    /// too: the others cut off the node that shows it.
    pub fn with_cluster_lists(&self, lists: &[RevocationList]) -> Self {
        let lists = Revocations::of_cluster(lists, &self.list_signers());
        self.with_lists(self.inner().revocations.replace(ListSource::Cluster, lists), None)
    }

    /// Verifies a revocation list (DER) before it is given to the cluster: a trusted CA has signed it,
    /// and it is current.
    ///
    /// # Errors
    /// It is not valid.
    pub fn check_list(&self, der: &[u8]) -> Result<RevocationList, Problem> {
        let now = now(self.inner().clock.as_ref()).map_err(|error| error.problem)?;
        self.list_signers().check(der, now)
    }

    /// Returns the revocation lists in force, the one with the highest number of each CA.
    pub fn revocation_lists(&self) -> Vec<RevocationListStatus> {
        self.inner().revocations.status()
    }

    /// Returns when the first of the revocation lists is due for replacement, in seconds since
    /// 1970; `None` without lists.
    pub fn revocations_until(&self) -> Option<u64> {
        self.inner().revocations.until()
    }

    /// Returns whether a list in force revokes the own certificate.
    pub fn is_revoked(&self) -> bool {
        self.inner().revocations.revoke(&self.inner().key.cert)
    }

    fn list_signers(&self) -> ListSigners<'_> {
        let own = self.inner();
        ListSigners { roots: &own.roots, algorithms: &own.provider.signature_verification_algorithms }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tls::testing::{Leaf, TestCa};

    const NOW: (i64, i64) = (-60, 3_600);

    fn der(pem: &str) -> Vec<u8> {
        lists_in_pem(pem.as_bytes()).remove(0)
    }

    fn with_certificate(bundle: &str, (cert, key): &(String, String)) -> Credentials {
        Credentials::from_pem(bundle.as_bytes(), cert.as_bytes(), key.as_bytes()).expect("good")
    }

    fn chain(pem: &str) -> Vec<rustls_pki_types::CertificateDer<'static>> {
        vec![rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")]
    }

    fn numbers(credentials: &Credentials) -> Vec<u64> {
        credentials.revocation_lists().iter().map(|list| list.number).collect()
    }

    #[test]
    fn a_list_is_checked_before_the_cluster_gets_it() {
        let (ca, other) = (TestCa::new(), TestCa::new());
        let ours = ca.credentials("node", "ming");
        for number in [1, 127, 128, 255, 256, 1 << 40, u64::MAX] {
            let der = der(&ca.numbered_list(number, &[], NOW));
            let list = ours.check_list(&der).expect("good");
            assert_eq!((list.number, &list.der), (number, &der));
            assert_eq!(read_lists(&[&der[..], &der].concat()), [list.clone(), list]);
        }
        let good = der(&ca.revocations(&[], NOW));
        let problem = |der: &[u8]| ours.check_list(der).expect_err("refused");
        assert_eq!(problem(&der(&other.revocations(&[], NOW))), Problem::UnknownIssuer);
        assert!(matches!(problem(&der(&ca.revocations(&[], (-60, -30)))), Problem::Expired(_)));
        assert!(matches!(problem(&der(&ca.revocations(&[], (60, 90)))), Problem::NotYetValid(_)));
        assert!(matches!(problem(&good[..good.len() - 1]), Problem::Unusable(_)));
        assert!(matches!(problem(&[]), Problem::Unusable(_)));
        for at in 0..good.len() {
            let mut forged = good.clone();
            forged[at] ^= 1;
            problem(&forged);
        }
        let leaves: Vec<String> = (0..1_800).map(|_| ca.issue(&Leaf::of("writer", "till")).0).collect();
        let leaves: Vec<&str> = leaves.iter().map(String::as_str).collect();
        let huge = der(&ca.revocations(&leaves, NOW));
        assert!(problem(&huge).to_string().contains("more than 65536 bytes"), "{} bytes", huge.len());
        assert_eq!(read_lists(&huge), []);
    }

    /// A certificate is revoked if the file or the cluster says so.
    #[test]
    fn lists_of_the_cluster_count_beside_those_of_the_file() {
        let ca = TestCa::new();
        let [till, desk, hong] = [("writer", "till"), ("writer", "desk"), ("node", "hong")]
            .map(|(role, name)| ca.issue(&Leaf::of(role, name)));
        let plain = with_certificate(&ca.pem(), &hong);
        let check = |credentials: &Credentials, (cert, _): &(String, String)| {
            credentials.check_still_trusted(&chain(cert)).is_ok()
        };
        let list = |number, revoked: &[&str]| {
            plain.check_list(&der(&ca.numbered_list(number, revoked, NOW))).expect("good")
        };
        let of_file = plain.with_revocations(ca.numbered_list(7, &[&till.0], NOW).as_bytes()).expect("good");
        let both = of_file.with_cluster_lists(&[list(3, &[&desk.0])]);
        assert!(!check(&both, &till) && !check(&both, &desk) && check(&both, &hong));
        assert_eq!((numbers(&plain), numbers(&both)), (vec![], vec![7]), "the highest number of the CA");
        // Either source is replaced without the other.
        let later = both.with_cluster_lists(&[list(9, &[])]);
        assert!(!check(&later, &till) && check(&later, &desk));
        let later = both.with_revocations(ca.numbered_list(8, &[], NOW).as_bytes()).expect("good");
        assert!(check(&later, &till) && !check(&later, &desk));
        assert_eq!(of_file.differences(&both), [], "no file differs");
        // A node does not refuse to work because it was revoked; the others see to that.
        assert!(!both.is_revoked());
        assert!(plain.with_cluster_lists(&[list(3, &[&hong.0])]).is_revoked());
    }

    #[test]
    fn a_cluster_list_counts_where_its_ca_is_trusted() {
        let (old, new) = (TestCa::new(), TestCa::new());
        let (lost, hong) = (old.issue(&Leaf::of("writer", "till")), new.issue(&Leaf::of("node", "hong")));
        let both = with_certificate(&(new.pem() + &old.pem()), &hong);
        let list = both.check_list(&der(&old.revocations(&[&lost.0], NOW))).expect("of a trusted CA");
        assert!(
            both.with_cluster_lists(std::slice::from_ref(&list))
                .check_still_trusted(&chain(&lost.0))
                .is_err()
        );
        let only_new = with_certificate(&new.pem(), &hong).with_cluster_lists(std::slice::from_ref(&list));
        assert_eq!(numbers(&only_new), [0; 0]);
        // One that has expired since stays in force.
        let expired = RevocationList { der: der(&old.revocations(&[&lost.0], (-60, -30))), ..list };
        assert!(both.with_cluster_lists(&[expired]).check_still_trusted(&chain(&lost.0)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_lists_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read_lists(&bytes), []);
        }
    }
}
