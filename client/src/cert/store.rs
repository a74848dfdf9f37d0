//! A folder of certificates.

use std::{
    fs,
    path::{Path, PathBuf},
};

use coffee_common::{
    id::NodeName,
    protocol::{Identity, Role},
    tls::{CredentialFile, CredentialFiles, Problem, TlsError, read_file},
};

use super::{
    AltName, CertificateInfo, Existing, Holder, Subject,
    ca::{Ca, Pair},
    error::CertError,
    write::{Prepared, Secrecy, make_folder},
};

/// The name of the CA's files, without `.crt` and `.key`.
pub const CA_NAME: &str = "ca";

/// More files than this are not looked at.
const FILES_MAX: usize = 10_000;

/// A certificate in a folder.
#[derive(Debug)]
pub struct Issued {
    /// Where the certificate is.
    pub certificate: PathBuf,
    /// Where its key is, if it is there too.
    pub key: Option<PathBuf>,
    /// What it says, or why it cannot be read.
    pub info: Result<CertificateInfo, CertError>,
}

impl Issued {
    /// The files that make up [`coffee_common::tls::Credentials`], with the
    /// CA's certificate from the same folder; `None` where the key is missing.
    pub fn credential_files(&self) -> Option<CredentialFiles> {
        let ca = self.certificate.with_file_name(format!("{CA_NAME}.crt"));
        Some(CredentialFiles { ca, cert: self.certificate.clone(), key: self.key.clone()? })
    }

    fn at(certificate: PathBuf) -> Self {
        let key = Some(certificate.with_extension("key")).filter(|key| key.is_file());
        let info = read_file(CredentialFile::Certificate, &certificate)
            .map_err(CertError::from)
            .and_then(|pem| CertificateInfo::of_pem(&pem));
        Self { certificate, key, info }
    }
}

/// The name of an identity's files, without `.crt` and `.key`.
pub fn file_name(identity: &Identity) -> String {
    format!("{}-{}", identity.role.as_str(), identity.name)
}

/// Makes a CA in a folder, and the folder itself if need be.
pub fn create_ca(folder: &Path, existing: Existing) -> Result<Issued, CertError> {
    make_folder(folder)?;
    put_pair(folder, CA_NAME, existing, || Ok(Ca::create()?.pair().clone()))
}

/// Makes a node's key and certificate with the CA of the folder.
pub fn issue_node(
    folder: &Path,
    name: &NodeName,
    alt_names: &[AltName],
    days: u32,
    existing: Existing,
) -> Result<Issued, CertError> {
    issue(folder, &Subject::node(name.clone(), alt_names.to_vec()), days, existing)
}

/// Makes a client's key and certificate with the CA of the folder.
pub fn issue_client(
    folder: &Path,
    role: Role,
    name: &NodeName,
    days: u32,
    existing: Existing,
) -> Result<Issued, CertError> {
    issue(folder, &Subject::client(role, name.clone())?, days, existing)
}

fn issue(folder: &Path, subject: &Subject, days: u32, existing: Existing) -> Result<Issued, CertError> {
    let ca = load_ca(folder)?;
    put_pair(folder, &file_name(&subject.identity), existing, || ca.issue(subject, days))
}

/// Makes a certificate valid for `days` from now, with the CA in `folder`.
/// Only the certificate's own file changes: its key stays, and need not be
/// there. A CA's certificate (`ca.crt`) is renewed for as long as a new one.
pub fn renew(folder: &Path, certificate: &Path, days: u32) -> Result<Issued, CertError> {
    let ca = load_ca(folder)?;
    let old = read_text(CredentialFile::Certificate, certificate)?;
    let new = match CertificateInfo::of_pem(old.as_bytes())?.holder {
        Holder::Ca if old == ca.certificate() => ca.renewed()?.certificate().to_owned(),
        Holder::Ca => return Err(CertError::Malformed("it belongs to another CA".to_owned())),
        Holder::Leaf(_) => ca.reissue(&old, days).map_err(|error| name_file(error, certificate))?,
        Holder::Unknown(problem) => return Err(problem.into()),
    };
    Prepared::new(certificate, new.as_bytes(), Secrecy::Public)?.publish(Existing::Replace)?;
    Ok(Issued::at(certificate.to_owned()))
}

fn name_file(error: CertError, path: &Path) -> CertError {
    match error {
        CertError::File(error) => CertError::File(TlsError { path: Some(path.to_owned()), ..error }),
        other => other,
    }
}

/// The certificates of a folder, ordered by file name, the unreadable ones too.
pub fn list(folder: &Path) -> Result<Vec<Issued>, CertError> {
    let failed = || CertError::io("read the folder", folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed())?.take(FILES_MAX) {
        let path = entry.map_err(failed())?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|extension| extension == "crt") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found.into_iter().map(Issued::at).collect())
}

fn load_ca(folder: &Path) -> Result<Ca, CertError> {
    let path = |extension| folder.join(CA_NAME).with_extension(extension);
    let missing = |error| match error {
        CertError::File(TlsError { problem: Problem::NotFound, .. }) => CertError::NoCa(folder.to_owned()),
        other => other,
    };
    let certificate = read_text(CredentialFile::Ca, &path("crt")).map_err(missing)?;
    let key = read_text(CredentialFile::Key, &path("key")).map_err(missing)?;
    Ca::from_pair(Pair { certificate, key })
}

fn read_text(file: CredentialFile, path: &Path) -> Result<String, CertError> {
    String::from_utf8(read_file(file, path)?).map_err(|_| {
        let problem =
            Problem::NotPem(if file == CredentialFile::Key { "private key" } else { "certificate" });
        TlsError { file, path: Some(path.to_owned()), problem }.into()
    })
}

/// Makes a pair and puts both files in place, the key first: a certificate
/// that is there always has its key.
fn put_pair(
    folder: &Path,
    name: &str,
    existing: Existing,
    make: impl FnOnce() -> Result<Pair, CertError>,
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

fn refuse_existing(path: &Path) -> Result<(), CertError> {
    // Not `exists`, which takes a dangling link for a free name.
    if path.symlink_metadata().is_ok() { Err(CertError::Exists(path.to_owned())) } else { Ok(()) }
}
