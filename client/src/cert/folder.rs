//! A directory with a CA, and the passphrase of its keys.

use std::path::{Path, PathBuf};

use coffee_common::tls::{CredentialFile, Problem, TlsError, read_file};

use super::{
    CA_NAME, OLD_CA_NAME,
    ca::{Ca, CertificateAndKey},
    error::CertError,
    passphrase::{self, Passphrase},
    write::{Existing, Prepared, Secrecy},
};

/// A directory with a CA. It is made of its path; if the CA's keys have a passphrase, use
/// [`CaFolder::unlocked`].
#[derive(Debug, Clone, Copy)]
pub struct CaFolder<'a> {
    pub(super) path: &'a Path,
    passphrase: Option<&'a Passphrase>,
}

impl<'a> From<&'a Path> for CaFolder<'a> {
    fn from(path: &'a Path) -> Self {
        Self { path, passphrase: None }
    }
}

impl<'a> From<&'a PathBuf> for CaFolder<'a> {
    fn from(path: &'a PathBuf) -> Self {
        path.as_path().into()
    }
}

impl<'a> CaFolder<'a> {
    /// Uses a passphrase for the CA's keys: to read those that have one, and for one that is created.
    pub fn unlocked(path: &'a Path, passphrase: Option<&'a Passphrase>) -> Self {
        Self { path, passphrase }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.path
    }

    /// Returns the path of a file of the CA with this name.
    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.path.join(name).with_extension(extension)
    }

    /// Loads a CA by the name of its files.
    pub(super) fn load(&self, name: &str) -> Result<Ca, CertError> {
        let certificate = read_text(CredentialFile::Ca, &self.file(name, "crt"));
        let certificate = certificate.map_err(|error| self.or_no_ca(error))?;
        let key = self.key_text(name)?;
        let key = match (passphrase::is_locked(&key), self.passphrase) {
            (false, _) => key,
            (true, Some(passphrase)) => passphrase::unlock(&key, passphrase)?,
            (true, None) => return Err(CertError::Locked(self.file(name, "key"))),
        };
        Ca::from_pair(CertificateAndKey { certificate, key })
    }

    /// Returns the key of a CA as it is in its file.
    pub(super) fn key_text(&self, name: &str) -> Result<String, CertError> {
        read_text(CredentialFile::Key, &self.file(name, "key")).map_err(|error| self.or_no_ca(error))
    }

    /// Returns the file's content for the key of a new CA.
    pub(super) fn new_key_text(&self, key: &str) -> Result<String, CertError> {
        match self.passphrase {
            Some(passphrase) => passphrase::lock(key, passphrase),
            None => Ok(key.to_owned()),
        }
    }

    pub(super) fn or_no_ca(&self, error: CertError) -> CertError {
        match error {
            CertError::File(TlsError { problem: Problem::NotFound, .. }) => {
                CertError::NoCa(self.path.to_owned())
            }
            other => other,
        }
    }
}

/// Returns whether the key of the directory's CA has a passphrase; `false` without a key.
pub fn is_locked(folder: &Path) -> bool {
    CaFolder::from(folder).key_text(CA_NAME).is_ok_and(|key| passphrase::is_locked(&key))
}

/// Changes, sets or (`None`) removes the passphrase of the CA's key, and of the old CA's during a
/// rotation. Returns the files that were written. The keys stay the same.
///
/// # Errors
/// [`CertError::NoCa`] if there is no CA, [`CertError::Locked`] and [`CertError::WrongPassphrase`] if
/// the present passphrase is missing or another one.
pub fn set_passphrase(folder: CaFolder<'_>, new: Option<&Passphrase>) -> Result<Vec<PathBuf>, CertError> {
    let current = folder.load(CA_NAME)?;
    let old = match folder.load(OLD_CA_NAME) {
        Ok(old) => Some(old),
        Err(CertError::NoCa(_)) => None,
        Err(error) => return Err(error),
    };
    let changed = CaFolder { passphrase: new, ..folder };
    let mut written = Vec::new();
    for (name, ca) in [(OLD_CA_NAME, old.as_ref()), (CA_NAME, Some(&current))] {
        let Some(ca) = ca else { continue };
        let file = folder.file(name, "key");
        let text = changed.new_key_text(&ca.pair().key)?;
        Prepared::new(&file, text.as_bytes(), Secrecy::Private)?.publish(Existing::Replace)?;
        written.push(file);
    }
    Ok(written)
}

pub(super) fn read_text(file: CredentialFile, path: &Path) -> Result<String, CertError> {
    String::from_utf8(read_file(file, path)?).map_err(|_| {
        let problem =
            Problem::NotPem(if file == CredentialFile::Key { "private key" } else { "certificate" });
        TlsError { file, path: Some(path.to_owned()), problem }.into()
    })
}
