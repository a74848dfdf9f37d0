//! The content of a certificate.

use coffee_common::{
    id::ClusterName,
    protocol::Identity,
    tls::identity::{IdentityError, cluster_of_ca, owner_of},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::{AltName, DAY_SECONDS, bundle, error::CertError, now_seconds};

/// The content of a certificate, for display. Not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The holder.
    pub holder: Holder,
    /// The cluster that it is for; `None` for a CA of several clusters, and for a certificate
    /// without an identity.
    pub cluster: Option<ClusterName>,
    /// Further host names and addresses.
    pub alt_names: Vec<AltName>,
    /// Start of its validity in Unix seconds.
    pub not_before: i64,
    /// End of its validity in Unix seconds.
    pub not_after: i64,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// The issuer's name in DER.
    pub(super) issuer: Vec<u8>,
}

/// The holder of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A CA.
    Ca,
    /// A node or a client.
    Leaf(Identity),
    /// Not an identity of this system.
    Unknown(IdentityError),
}

impl CertificateInfo {
    /// Parses the first certificate in some PEM.
    ///
    /// # Errors
    /// [`CertError::Malformed`] if it cannot be parsed.
    pub fn of_pem(pem: &[u8]) -> Result<Self, CertError> {
        let parsed = Parsed::from_pem(pem)?;
        Ok(Self {
            holder: parsed.holder,
            cluster: parsed.cluster,
            alt_names: parsed.alt_names,
            not_before: parsed.not_before,
            not_after: parsed.not_after,
            serial: parsed.serial,
            issuer: parsed.issuer,
        })
    }

    /// Parses all certificates in some PEM, such as those of `ca.crt` during a rotation.
    ///
    /// # Errors
    /// [`CertError::Malformed`] if one cannot be parsed.
    pub fn all_of_pem(pem: &str) -> Result<Vec<Self>, CertError> {
        bundle::split(pem).map(|certificate| Self::of_pem(certificate.as_bytes())).collect()
    }

    /// Returns how many whole days it remains valid; negative once it has expired.
    pub fn days_left(&self) -> i64 {
        (self.not_after - now_seconds()).div_euclid(DAY_SECONDS)
    }
}

/// A parsed certificate.
pub(super) struct Parsed {
    pub(super) der: CertificateDer<'static>,
    pub(super) holder: Holder,
    pub(super) cluster: Option<ClusterName>,
    pub(super) common_name: String,
    pub(super) alt_names: Vec<AltName>,
    /// The names of issuer and subject in DER.
    pub(super) issuer: Vec<u8>,
    pub(super) name: Vec<u8>,
    /// SubjectPublicKeyInfo in DER.
    pub(super) public_key: Vec<u8>,
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    pub(super) serial: String,
}

impl Parsed {
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, CertError> {
        let der = CertificateDer::from_pem_slice(pem)
            .map_err(|_| CertError::Malformed("it is not in PEM format".to_owned()))?;
        let (_, x509) =
            X509Certificate::from_der(&der).map_err(|error| CertError::Malformed(error.to_string()))?;
        let (holder, cluster) = match (x509.is_ca(), owner_of(&der)) {
            (true, _) => (Holder::Ca, uris(&x509).find_map(cluster_of_ca)),
            (false, Ok(owner)) => (Holder::Leaf(owner.identity), Some(owner.cluster)),
            (false, Err(problem)) => (Holder::Unknown(problem), None),
        };
        Ok(Self {
            holder,
            cluster,
            common_name: common_name(&x509),
            alt_names: alt_names(&x509),
            issuer: x509.issuer().as_raw().to_vec(),
            name: x509.subject().as_raw().to_vec(),
            public_key: x509.public_key().raw.to_vec(),
            not_before: x509.validity().not_before.timestamp(),
            not_after: x509.validity().not_after.timestamp(),
            serial: format!("{:x}", x509.serial),
            der: der.clone(),
        })
    }
}

fn common_name(x509: &X509Certificate<'_>) -> String {
    x509.subject().iter_common_name().find_map(|name| name.as_str().ok()).unwrap_or_default().to_owned()
}

fn general_names<'a>(x509: &'a X509Certificate<'a>) -> impl Iterator<Item = &'a GeneralName<'a>> {
    let extension = x509.subject_alternative_name().ok().flatten();
    extension.into_iter().flat_map(|extension| &extension.value.general_names)
}

fn alt_names(x509: &X509Certificate<'_>) -> Vec<AltName> {
    general_names(x509).filter_map(alt_name).collect()
}

fn uris<'a>(x509: &'a X509Certificate<'a>) -> impl Iterator<Item = &'a str> {
    general_names(x509).filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    })
}

fn alt_name(name: &GeneralName<'_>) -> Option<AltName> {
    match name {
        GeneralName::DNSName(host) => Some(AltName::Dns((*host).to_owned())),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(Into::into);
            let sixteen = <[u8; 16]>::try_from(*bytes).map(Into::into);
            four.or(sixteen).ok().map(AltName::Ip)
        }
        _ => None,
    }
}
