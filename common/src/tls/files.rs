//! Reads credentials from disk: each file once, with a bound on its size, and no key that others
//! can read.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::error::{CredentialFile, Problem, TlsError};

/// The largest certificate or key file, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// The paths of the credential files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialFiles {
    /// The certificates of the trusted CAs: one, or several during a replacement.
    pub ca: PathBuf,
    /// This side's own certificate.
    pub cert: PathBuf,
    /// The private key of the certificate, readable only by its owner.
    pub key: PathBuf,
    /// The revocation lists of the CAs; `None` accepts every certificate that they signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<PathBuf>,
}

impl CredentialFiles {
    /// Names the required files; no certificate is revoked.
    pub fn new(ca: impl Into<PathBuf>, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { ca: ca.into(), cert: cert.into(), key: key.into(), crl: None }
    }

    /// Returns the path of a file, if it is configured.
    pub fn path(&self, file: CredentialFile) -> Option<&Path> {
        match file {
            CredentialFile::Ca => Some(&self.ca),
            CredentialFile::Certificate => Some(&self.cert),
            CredentialFile::Key => Some(&self.key),
            CredentialFile::Revocations => self.crl.as_deref(),
        }
    }
}

/// Reads a certificate, key or revocation file.
///
/// # Errors
/// The file cannot be read, is empty or too large, or is a key that other users can access.
pub fn read_file(file: CredentialFile, path: &Path) -> Result<Vec<u8>, TlsError> {
    read(path, file == CredentialFile::Key).map_err(|problem| TlsError {
        file,
        path: Some(path.to_owned()),
        problem,
    })
}

fn read(path: &Path, is_key: bool) -> Result<Vec<u8>, Problem> {
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Problem::NotFound,
        _ => Problem::Unreadable(error.to_string()),
    };
    let file = open(path).map_err(unreadable)?;
    if is_key {
        reject_open_key(&file)?;
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 {
        0 => Err(Problem::Empty),
        length if length > FILE_BYTES_MAX => Err(Problem::TooLarge(FILE_BYTES_MAX)),
        _ => Ok(bytes),
    }
}

/// Opens without blocking: opening a named pipe would wait for a writer.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("it is not a regular file")) }
}

/// Checks the opened file instead of the path, so the file cannot be swapped in between.
#[cfg(unix)]
fn reject_open_key(file: &File) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|error| Problem::Unreadable(error.to_string()))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(Problem::TooOpen { mode }) }
}

#[cfg(not(unix))]
fn reject_open_key(_file: &File) -> Result<(), Problem> {
    Ok(())
}
