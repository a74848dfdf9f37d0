//! A directory of certificates.

use std::{
    fs,
    path::{Path, PathBuf},
};

use coffee_common::{
    id::{ClusterName, NodeName},
    key_scope::KeyScope,
    protocol::{Identity, Role},
    tls::{CredentialFile, CredentialFiles, TlsError, read_file},
};

use super::{
    AltName, CA_NAME, CertificateInfo, Existing, Holder, OLD_CA_NAME, REVOCATIONS_FILE, Signer, Subject,
    ca::{Ca, CertificateAndKey},
    error::CertError,
    folder::{CaFolder, read_text},
    issued, key,
    revoke::Lists,
    signer::SigningCas,
    write::{Prepared, Secrecy, make_folder},
};

/// The ending of the names of certificates for TCP listeners.
const FOR_TCP: &str = ".tcp";

/// Maximum number of files that are read.
const FILES_MAX: usize = 10_000;

/// A certificate in a directory.
#[derive(Debug)]
pub struct Issued {
    /// Path of the certificate.
    pub certificate: PathBuf,
    /// Path of its key, if the key is there.
    pub key: Option<PathBuf>,
    /// The content of the certificate, or why it cannot be read.
    pub info: Result<CertificateInfo, CertError>,
    /// Whether its CA has revoked it, according to this directory.
    pub revoked: bool,
    /// The CA that signed it; `None` for a CA, and for a file that is not the
    /// certificate of a node or client.
    pub signer: Option<Signer>,
}

impl Issued {
    /// Returns the files that make up [`coffee_common::tls::Credentials`], with the
    /// CA's certificate and revocation list from the same directory; `None` if the key
    /// is missing.
    pub fn credential_files(&self) -> Option<CredentialFiles> {
        let ca = self.certificate.with_file_name(format!("{CA_NAME}.crt"));
        let crl = Some(self.certificate.with_file_name(REVOCATIONS_FILE)).filter(|crl| crl.is_file());
        Some(CredentialFiles { ca, cert: self.certificate.clone(), key: self.key.clone()?, crl })
    }

    /// Returns the name of its files, without `.crt` and `.key`.
    pub fn name(&self) -> String {
        self.certificate.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Returns whether it is for TCP listeners, beside another one of its holder.
    pub fn is_for_tcp(&self) -> bool {
        self.name().ends_with(FOR_TCP)
    }

    pub(super) fn at(certificate: PathBuf) -> Self {
        let key = Some(certificate.with_extension("key")).filter(|key| key.is_file());
        let info = read_file(CredentialFile::Certificate, &certificate)
            .map_err(CertError::from)
            .and_then(|pem| CertificateInfo::of_pem(&pem));
        Self { certificate, key, info, revoked: false, signer: None }
    }

    /// Returns the same, signed by the current CA.
    pub(super) fn signed(self) -> Self {
        Self { signer: Some(Signer::Current), ..self }
    }
}

/// Returns the name of an identity's files, without `.crt` and `.key`.
pub fn file_name(identity: &Identity) -> String {
    format!("{}-{}", identity.role.as_str(), identity.name)
}

/// Creates the CA of a cluster in a directory, and the directory if necessary. Without
/// `cluster` it is that of the replaced CA, or the default one.
///
/// # Errors
/// [`CertError::Exists`] if there is a CA of this cluster and `existing` keeps it,
/// [`CertError::OtherCluster`] if there is one of another cluster and `existing` keeps
/// it, [`CertError::Io`] if a file cannot be written.
pub fn create_ca<'a>(
    folder: impl Into<CaFolder<'a>>,
    cluster: Option<&ClusterName>,
    existing: Existing,
) -> Result<Issued, CertError> {
    let folder = folder.into();
    make_folder(folder.path)?;
    let found = self::cluster(folder.path).ok();
    let cluster = cluster.or(found.as_ref()).cloned().unwrap_or_default();
    match found {
        Some(found) if found != cluster && existing == Existing::Keep => {
            Err(CertError::OtherCluster { folder: folder.path.to_owned(), found })
        }
        _ => put_pair(folder.path, CA_NAME, existing, || {
            let CertificateAndKey { certificate, key } = Ca::create(&cluster)?.pair().clone();
            Ok(CertificateAndKey { certificate, key: folder.new_key_text(&key)? })
        }),
    }
}

/// Returns the cluster for which the directory's CA issues: the first one in `ca.crt`, whether its key
/// is there or not.
///
/// # Errors
/// [`CertError::NoCa`] if there is no CA, [`CertError::NoCluster`] if it has none.
pub fn cluster(folder: &Path) -> Result<ClusterName, CertError> {
    let pem = read_text(CredentialFile::Ca, &folder.join(format!("{CA_NAME}.crt")));
    let pem = pem.map_err(|error| CaFolder::from(folder).or_no_ca(error))?;
    CertificateInfo::of_pem(pem.as_bytes())?.cluster.ok_or(CertError::NoCluster)
}

/// Creates a node's key and certificate with the directory's CA.
///
/// # Errors
/// [`CertError::NoCa`] if there is none; otherwise as [`create_ca`] and
/// [`Ca::issue`].
pub fn issue_node<'a>(
    folder: impl Into<CaFolder<'a>>,
    name: &NodeName,
    alt_names: &[AltName],
    days: u32,
    existing: Existing,
) -> Result<Issued, CertError> {
    issue(folder, &Subject::node(name.clone(), alt_names.to_vec()), days, existing)
}

/// Creates a client's key and certificate with the directory's CA, for all keys.
///
/// # Errors
/// [`CertError::NotAClient`] for the role of a node; otherwise as [`issue_node`].
pub fn issue_client<'a>(
    folder: impl Into<CaFolder<'a>>,
    role: Role,
    name: &NodeName,
    days: u32,
    existing: Existing,
) -> Result<Issued, CertError> {
    issue(folder, &Subject::client(role, name.clone(), KeyScope::default())?, days, existing)
}

/// Creates a key and certificate with the directory's CA.
///
/// # Errors
/// As [`issue_node`].
pub fn issue<'a>(
    folder: impl Into<CaFolder<'a>>,
    subject: &Subject,
    days: u32,
    existing: Existing,
) -> Result<Issued, CertError> {
    let folder = folder.into();
    let ca = folder.load(CA_NAME)?;
    let name = file_name(&subject.identity);
    let issued = put_pair(folder.path, &name, existing, || {
        let pair = ca.issue(subject, days)?;
        note(folder.path, &name, &pair.info()?)?;
        Ok(pair)
    })?;
    Ok(issued.signed())
}

/// Creates a key and certificate of a node for TCP listeners with the directory's CA: `node-ming.tcp`. See
/// [`Ca::issue_p256`].
///
/// # Errors
/// As [`issue_node`].
pub fn issue_node_for_tcp<'a>(
    folder: impl Into<CaFolder<'a>>,
    name: &NodeName,
    alt_names: &[AltName],
    days: u32,
    existing: Existing,
) -> Result<Issued, CertError> {
    let folder = folder.into();
    let ca = folder.load(CA_NAME)?;
    let subject = Subject::node(name.clone(), alt_names.to_vec());
    let name = file_name(&subject.identity);
    let issued = put_pair(folder.path, &format!("{name}{FOR_TCP}"), existing, || {
        let pair = ca.issue_p256(&subject, days)?;
        note(folder.path, &name, &pair.info()?)?;
        Ok(pair)
    })?;
    Ok(issued.signed())
}

/// Returns the certificate for TCP listeners beside the certificate of a node, if it is there.
pub fn for_tcp(certificate: &Path) -> Option<PathBuf> {
    let stem = certificate.file_stem()?.to_str()?;
    let beside = certificate.with_file_name(format!("{stem}{FOR_TCP}.crt"));
    (!stem.ends_with(FOR_TCP) && beside.is_file()).then_some(beside)
}

/// Registers a certificate before it is handed out, so that it can always be
/// revoked.
pub(super) fn note(folder: &Path, name: &str, info: &CertificateInfo) -> Result<(), CertError> {
    issued::note(folder, &info.serial, info.not_after, name)
}

/// Makes a certificate valid for `days` from now with the CA in `folder`.
///
/// Only the certificate's file changes: its key stays, and is not needed. A key in the
/// former form is written again, in one that other programs read. The CA's own
/// certificate (`ca.crt`) is renewed for [`CA_DAYS`](super::CA_DAYS).
///
/// # Errors
/// [`CertError::Revoked`] for a revoked certificate, whose key may be stolen;
/// otherwise as [`issue_node`].
pub fn renew<'a>(
    folder: impl Into<CaFolder<'a>>,
    certificate: &Path,
    days: u32,
) -> Result<Issued, CertError> {
    let folder = folder.into();
    let ca = folder.load(CA_NAME)?;
    let old = read_text(CredentialFile::Certificate, certificate)?;
    let info = CertificateInfo::of_pem(old.as_bytes())?;
    let new = match &info.holder {
        Holder::Ca if old == ca.certificate() => ca.renewed()?.certificate().to_owned(),
        Holder::Ca => return Err(CertError::Malformed("it belongs to another CA".to_owned())),
        Holder::Leaf(identity) => {
            let name = file_name(identity);
            if Lists::load(folder.path)?.revokes(&info.issuer, &info.serial) {
                return Err(CertError::Revoked(name));
            }
            let new = ca.reissue(&old, days).map_err(|error| name_file(error, certificate))?;
            note(folder.path, &name, &CertificateInfo::of_pem(new.as_bytes())?)?;
            new
        }
        Holder::Unknown(problem) => return Err((*problem).into()),
    };
    Prepared::new(certificate, new.as_bytes(), Secrecy::Public)?.publish(Existing::Replace)?;
    key::rewrite(certificate)?;
    let renewed = Issued::at(certificate.to_owned());
    Ok(if matches!(info.holder, Holder::Leaf(_)) { renewed.signed() } else { renewed })
}

/// Makes every certificate of the directory valid for `days` from now, except those
/// of CAs and revoked ones.
///
/// # Errors
/// As [`renew`]; stops at the first error.
pub fn renew_all<'a>(folder: impl Into<CaFolder<'a>>, days: u32) -> Result<Vec<Issued>, CertError> {
    let folder = folder.into();
    let is_leaf = |issued: &Issued| {
        issued.info.as_ref().is_ok_and(|info| matches!(info.holder, Holder::Leaf(_))) && !issued.revoked
    };
    let leaves = list(folder.path)?.into_iter().filter(is_leaf);
    leaves.map(|issued| renew(folder, &issued.certificate, days)).collect()
}

fn name_file(error: CertError, path: &Path) -> CertError {
    match error {
        CertError::File(error) => CertError::File(TlsError { path: Some(path.to_owned()), ..error }),
        other => other,
    }
}

/// Returns the certificates of a directory by file name, unreadable ones included.
///
/// # Errors
/// [`CertError::Io`] if the directory cannot be read.
pub fn list(folder: &Path) -> Result<Vec<Issued>, CertError> {
    let failed = || CertError::io("read the directory", folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed())?.take(FILES_MAX) {
        let path = entry.map_err(failed())?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|extension| extension == "crt") {
            found.push(path);
        }
    }
    found.sort();
    let lists = Lists::load(folder)?;
    let cas = signing_cas(folder);
    let judged = |certificate| {
        let issued = Issued::at(certificate);
        let info = issued.info.as_ref().ok();
        let revoked = info.is_some_and(|info| lists.revokes(&info.issuer, &info.serial));
        let signer = info.and_then(|info| {
            let pem = read_text(CredentialFile::Certificate, &issued.certificate).ok()?;
            cas.signer(&pem, info)
        });
        Issued { revoked, signer, ..issued }
    };
    Ok(found.into_iter().map(judged).collect())
}

/// Returns the CAs of a directory. Those that cannot be read are left out.
fn signing_cas(folder: &Path) -> SigningCas {
    let with_key = CaFolder::from(folder).load(CA_NAME).ok().map(|ca| ca.pair().certificate.clone());
    let read = |name| read_text(CredentialFile::Ca, &folder.join(format!("{name}.crt"))).unwrap_or_default();
    SigningCas::new(with_key, &read(CA_NAME), &read(OLD_CA_NAME))
}

/// Creates a pair and puts both files in place, the key first: an existing
/// certificate always has its key.
pub(super) fn put_pair(
    folder: &Path,
    name: &str,
    existing: Existing,
    make: impl FnOnce() -> Result<CertificateAndKey, CertError>,
) -> Result<Issued, CertError> {
    let certificate = folder.join(format!("{name}.crt"));
    let key = folder.join(format!("{name}.key"));
    if existing == Existing::Keep {
        refuse_existing(&certificate)?;
        refuse_existing(&key)?;
    }
    let pair = make()?;
    let new_certificate = Prepared::new(&certificate, pair.certificate.as_bytes(), Secrecy::Public)?;
    let new_key = Prepared::new(&key, pair.key.as_bytes(), Secrecy::Private)?;
    new_key.publish(existing)?;
    new_certificate.publish(existing)?;
    Ok(Issued::at(certificate))
}

pub(super) fn refuse_existing(path: &Path) -> Result<(), CertError> {
    // Not `exists`, which reports a dangling link as a free name.
    if path.symlink_metadata().is_ok() { Err(CertError::Exists(path.to_owned())) } else { Ok(()) }
}
