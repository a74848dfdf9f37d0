//! Requests for certificates (PKCS #10, RFC 2986): a key is made where it is used, and stays there.
//!
//! A request carries the public key and the wanted names, signed with the key. The CA takes nothing
//! else from it: role, name and keys are parsed and checked as those of any certificate, and whether
//! it may sign or authenticate whom is decided by the role, whatever the request asks for.

use std::path::{Path, PathBuf};

use coffee_common::{
    id::ClusterName,
    key_scope::KeyScope,
    protocol::{Identity, Role},
    tls::{
        CredentialFile,
        identity::{Owner, owner_in},
    },
};
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SanType,
};
use ring::digest::{SHA256, digest};

use super::{
    AltName, CA_NAME, CertificateInfo, Existing, Issued, Subject,
    ca::alt_names,
    error::CertError,
    folder::{CaFolder, read_text},
    key,
    store::{file_name, note, refuse_existing},
    write::{Prepared, Secrecy, make_folder},
};

/// A request for a certificate. Its signature was verified: the sender has the key.
#[derive(Debug)]
pub struct CertificateRequest {
    cluster: ClusterName,
    subject: Subject,
    key: rcgen::PublicKey,
}

/// A key, and the request for its certificate.
#[derive(Debug)]
pub struct Requested {
    /// Path of the request.
    pub request: PathBuf,
    /// Path of the key.
    pub key: PathBuf,
    /// The digest of the public key, as in [`CertificateRequest::fingerprint`].
    pub fingerprint: String,
}

impl CertificateRequest {
    /// Reads a request from a file.
    ///
    /// # Errors
    /// [`CertError::File`] if it cannot be read; otherwise as [`CertificateRequest::from_pem`].
    pub fn load(path: &Path) -> Result<Self, CertError> {
        Self::from_pem(&read_text(CredentialFile::Certificate, path)?)
    }

    /// Parses a request in PEM, and verifies that its key signed it.
    ///
    /// # Errors
    /// [`CertError::Request`] if it is malformed, or its key is not one that every node accepts;
    /// [`CertError::Identity`] if it has no valid identity.
    pub fn from_pem(pem: &str) -> Result<Self, CertError> {
        let malformed = |error: rcgen::Error| CertError::Request(error.to_string());
        let request = CertificateSigningRequestParams::from_pem(pem).map_err(malformed)?;
        let key = request.public_key;
        let usable = match key.der_bytes().len() {
            32 => *key.algorithm() == PKCS_ED25519,
            65 => *key.algorithm() == PKCS_ECDSA_P256_SHA256,
            _ => false,
        };
        if !usable {
            return Err(CertError::Request("its key is neither Ed25519 nor ECDSA with P-256".to_owned()));
        }
        let names = &request.params.subject_alt_names;
        let uris = names.iter().filter_map(|name| match name {
            SanType::URI(uri) => Some(uri.as_str()),
            _ => None,
        });
        let Owner { cluster, identity } = owner_in(uris)?;
        let own_name = AltName::Dns(identity.name.as_str().to_owned());
        let hosts = names.iter().filter_map(|name| match name {
            SanType::DnsName(host) => Some(host.as_str().parse()),
            SanType::IpAddress(address) => Some(Ok(AltName::Ip(*address))),
            _ => None,
        });
        let hosts: Vec<AltName> = hosts.collect::<Result<_, _>>()?;
        let alt_names = hosts.into_iter().filter(|name| *name != own_name).collect();
        Ok(Self { cluster, subject: Subject { identity, alt_names }, key })
    }

    /// Returns the cluster that it names.
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// Returns the subject that it names.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Returns the request, for these of its keys alone.
    ///
    /// # Errors
    /// [`CertError::KeysNotAsked`] if it does not ask for all of them, [`CertError::KeysOfAdmin`] if
    /// the keys of its role are not restricted.
    pub fn narrowed(mut self, keys: KeyScope) -> Result<Self, CertError> {
        let Identity { role, keys: asked, .. } = &mut self.subject.identity;
        match role {
            Role::Reader | Role::Writer if asked.includes(&keys) => *asked = keys,
            Role::Reader | Role::Writer => return Err(CertError::KeysNotAsked(asked.clone())),
            Role::Admin | Role::Backup | Role::Node if keys.is_all() => {}
            Role::Admin | Role::Backup | Role::Node => return Err(CertError::KeysOfAdmin),
        }
        Ok(self)
    }

    /// Returns the request, for these of its hosts alone. The node's own name, which every certificate
    /// of a node has, may be among them.
    ///
    /// # Errors
    /// [`CertError::HostNotAsked`] if it does not ask for one of them.
    pub fn narrowed_to_hosts(mut self, hosts: &[AltName]) -> Result<Self, CertError> {
        let Subject { identity, alt_names } = &mut self.subject;
        let own_name = AltName::Dns(identity.name.as_str().to_owned());
        let is_own = |host: &AltName| identity.role == Role::Node && *host == own_name;
        if let Some(host) = hosts.iter().find(|host| !alt_names.contains(host) && !is_own(host)) {
            return Err(CertError::HostNotAsked(host.to_string()));
        }
        alt_names.retain(|asked| hosts.contains(asked));
        Ok(self)
    }

    /// Returns the SHA-256 digest of the public key (SubjectPublicKeyInfo) in hexadecimal, to compare
    /// by phone.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.key)
    }

    /// Returns the public key.
    pub(super) fn key(&self) -> &impl PublicKeyData {
        &self.key
    }
}

fn fingerprint(key: &impl PublicKeyData) -> String {
    let digest = digest(&SHA256, &key.subject_public_key_info());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a key in a directory, which is created if necessary, and a request for its certificate
/// beside it: `node-ming.key` and `node-ming.csr`. Needs no CA.
///
/// # Errors
/// [`CertError::Exists`] if one is there and `existing` keeps it, [`CertError::Io`] if a file cannot
/// be written.
pub fn request(
    folder: &Path,
    cluster: &ClusterName,
    subject: &Subject,
    existing: Existing,
) -> Result<Requested, CertError> {
    make_folder(folder)?;
    let file = |extension: &str| folder.join(format!("{}.{extension}", file_name(&subject.identity)));
    let (request, key) = (file("csr"), file("key"));
    if existing == Existing::Keep {
        refuse_existing(&request)?;
        refuse_existing(&key)?;
    }
    let pair = KeyPair::generate_for(&PKCS_ED25519)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject.identity.name.as_str());
    params.subject_alt_names = alt_names(cluster, subject)?;
    let pem = params.serialize_request(&pair)?.pem()?.replace('\r', "");
    let new_request = Prepared::new(&request, pem.as_bytes(), Secrecy::Public)?;
    Prepared::new(&key, key::to_pem(&pair).as_bytes(), Secrecy::Private)?.publish(existing)?;
    new_request.publish(existing)?;
    Ok(Requested { request, key, fingerprint: fingerprint(&pair) })
}

/// Signs a request with the CA in `folder`, where the certificate is written, valid for `days`.
///
/// # Errors
/// [`CertError::OtherCluster`] if it is for another cluster, [`CertError::OtherKey`] if the directory
/// has another key for this name; otherwise as [`super::issue`].
pub fn sign<'a>(
    folder: impl Into<CaFolder<'a>>,
    request: &CertificateRequest,
    days: u32,
    existing: Existing,
) -> Result<Issued, CertError> {
    let folder = folder.into();
    let ca = folder.load(CA_NAME)?;
    if ca.cluster() != request.cluster() {
        return Err(CertError::OtherCluster { folder: folder.path.to_owned(), found: ca.cluster().clone() });
    }
    let name = file_name(&request.subject.identity);
    let certificate = folder.path.join(format!("{name}.crt"));
    if existing == Existing::Keep {
        refuse_existing(&certificate)?;
    }
    refuse_other_key(&certificate.with_extension("key"), request)?;
    let pem = ca.sign(&request.subject, request.key(), days)?;
    note(folder.path, &name, &CertificateInfo::of_pem(pem.as_bytes())?)?;
    Prepared::new(&certificate, pem.as_bytes(), Secrecy::Public)?.publish(existing)?;
    Ok(Issued::at(certificate).signed())
}

/// A key beside the certificate would be taken for its own.
fn refuse_other_key(path: &Path, request: &CertificateRequest) -> Result<(), CertError> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let key = KeyPair::from_pem(&read_text(CredentialFile::Key, path)?);
    match key.is_ok_and(|key| key.subject_public_key_info() == request.key.subject_public_key_info()) {
        true => Ok(()),
        false => Err(CertError::OtherKey(path.to_owned())),
    }
}
