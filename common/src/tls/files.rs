//! Reads credentials from disk: bounded, and no key that others can read.

use std::{
    fs::File,
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
    /// The CA's certificate.
    pub ca: PathBuf,
    /// Our own certificate.
    pub cert: PathBuf,
    /// Its private key: readable by its owner alone.
    pub key: PathBuf,
}

impl CredentialFiles {
    /// Where one of them is.
    pub fn path(&self, file: CredentialFile) -> &Path {
        match file {
            CredentialFile::Ca => &self.ca,
            CredentialFile::Certificate => &self.cert,
            CredentialFile::Key => &self.key,
        }
    }

    pub(super) fn read(&self, file: CredentialFile) -> Result<Vec<u8>, TlsError> {
        read_file(file, self.path(file))
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
    let file = File::open(path).map_err(unreadable)?;
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
