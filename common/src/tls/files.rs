//! Reads credentials from disk: each file once, bounded, and no key that others can read.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::error::{CredentialFile, Problem, TlsError};

/// No certificate or key file is larger than this.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Where the credentials are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialFiles {
    /// The CA's certificate; several of them while one CA takes the place of another.
    pub ca: PathBuf,
    /// Our own certificate.
    pub cert: PathBuf,
    /// Its private key: readable by its owner alone.
    pub key: PathBuf,
    /// What the CAs have revoked; `None` believes all that they signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<PathBuf>,
}

impl CredentialFiles {
    /// Those without which nobody is anybody; nothing is revoked.
    pub fn new(ca: impl Into<PathBuf>, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { ca: ca.into(), cert: cert.into(), key: key.into(), crl: None }
    }

    /// Where one of them is, if it is named.
    pub fn path(&self, file: CredentialFile) -> Option<&Path> {
        match file {
            CredentialFile::Ca => Some(&self.ca),
            CredentialFile::Certificate => Some(&self.cert),
            CredentialFile::Key => Some(&self.key),
            CredentialFile::Revocations => self.crl.as_deref(),
        }
    }
}

/// Reads a file of certificates or a key, and refuses a key that others can get at.
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
        refuse_open_key(&file)?;
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 {
        0 => Err(Problem::Empty),
        length if length > FILE_BYTES_MAX => Err(Problem::TooLarge(FILE_BYTES_MAX)),
        _ => Ok(bytes),
    }
}

/// Waits for nothing: a pipe in the place of a file would be waited for, for
/// as long as nobody writes into it.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("it is no regular file")) }
}

/// Looks at the file that was opened, not at the path again: nobody can swap
/// it in between.
#[cfg(unix)]
fn refuse_open_key(file: &File) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|error| Problem::Unreadable(error.to_string()))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(Problem::TooOpen { mode }) }
}

#[cfg(not(unix))]
fn refuse_open_key(_file: &File) -> Result<(), Problem> {
    Ok(())
}
