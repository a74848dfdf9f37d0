//! Revokes the certificates of a name.

use std::path::{Path, PathBuf};

use super::{
    CA_NAME, Existing, Holder, Issued, OLD_CA_NAME, REVOCATIONS_FILE,
    ca::Ca,
    error::CertError,
    folder::CaFolder,
    issued, now_seconds,
    revoke::Lists,
    write::{Prepared, Secrecy},
};

/// The result of revoking a name.
#[derive(Debug)]
pub struct Revoked {
    /// The file with the revocation lists.
    pub file: PathBuf,
    /// The newly revoked serial numbers in hexadecimal.
    pub serials: Vec<String>,
}

/// Revokes every unexpired certificate of a name (`node-ming`, `admin-ops`);
/// without a name only rewrites the list. Writes a list for each CA whose key is in
/// the directory.
///
/// # Errors
/// [`CertError::NeverIssued`] if the name has no certificate, [`CertError::NoCa`]
/// without a CA.
pub fn revoke<'a>(folder: impl Into<CaFolder<'a>>, name: Option<&str>) -> Result<Revoked, CertError> {
    let folder = folder.into();
    let cas = our_cas(folder)?;
    let serials = match name {
        Some(name) => serials_of(folder.path, name)?,
        None => Vec::new(),
    };
    let (lists, serials) = Lists::load(folder.path)?.revoke(&cas, &serials)?;
    let file = folder.path.join(REVOCATIONS_FILE);
    Prepared::new(&file, lists.as_bytes(), Secrecy::Public)?.publish(Existing::Replace)?;
    Ok(Revoked { file, serials })
}

/// Whether [`revoke`] would revoke the certificates of a name, as far as this directory shows: the CA's
/// key can be used, and the name has certificates. Changes nothing.
///
/// # Errors
/// As [`revoke`].
pub fn can_revoke<'a>(folder: impl Into<CaFolder<'a>>, name: &str) -> Result<(), CertError> {
    let folder = folder.into();
    our_cas(folder)?;
    serials_of(folder.path, name).map(drop)
}

/// Returns the CAs whose keys are here: one, or two during a rotation.
fn our_cas(folder: CaFolder<'_>) -> Result<Vec<Ca>, CertError> {
    let current = folder.load(CA_NAME)?;
    match folder.load(OLD_CA_NAME) {
        Ok(old) if !old.is(&current) => Ok(vec![current, old]),
        Ok(_) | Err(CertError::NoCa(_)) => Ok(vec![current]),
        Err(error) => Err(error),
    }
}

/// Returns the registered serial numbers of a name, and that of its file, which may
/// be older than the register.
fn serials_of(folder: &Path, name: &str) -> Result<Vec<String>, CertError> {
    let mut serials = issued::serials(folder, name, now_seconds())?;
    let certificate = folder.join(format!("{name}.crt"));
    if certificate.is_file() {
        let info = Issued::at(certificate).info?;
        match info.holder {
            Holder::Leaf(_) if !serials.contains(&info.serial) => serials.push(info.serial),
            Holder::Leaf(_) => {}
            Holder::Ca => {
                return Err(CertError::Malformed(
                    "it belongs to a CA, which is rotated, not revoked".to_owned(),
                ));
            }
            Holder::Unknown(problem) => return Err(problem.into()),
        }
    }
    if serials.is_empty() { Err(CertError::NeverIssued(name.to_owned())) } else { Ok(serials) }
}
