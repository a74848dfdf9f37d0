//! Writes files atomically and durably, and keys readable only by their owner from
//! the first byte. The command writes its own files the same way.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::error::CertError;

/// How to treat an existing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Keep it, and fail.
    #[default]
    Keep,
    /// Replace it.
    Replace,
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Everyone: a certificate.
    Public,
    /// Only its owner: a key.
    Private,
}

/// A complete, synced temporary file next to its destination. Deleted when dropped.
#[derive(Debug)]
pub struct Prepared {
    aside: PathBuf,
    place: PathBuf,
}

impl Prepared {
    /// Writes `bytes` to a temporary file next to `place`.
    ///
    /// # Errors
    /// [`CertError::Io`] if the file cannot be written.
    pub fn new(place: &Path, bytes: &[u8], secrecy: Secrecy) -> Result<Self, CertError> {
        let aside = aside(place)?;
        let prepared = Self { aside, place: place.to_owned() };
        write_new(&prepared.aside, bytes, secrecy).map_err(CertError::io("write", place))?;
        Ok(prepared)
    }

    /// Moves the file to its destination.
    ///
    /// # Errors
    /// [`CertError::Exists`] if the destination exists and must be kept,
    /// [`CertError::Io`] if the file cannot be moved.
    pub fn publish(self, existing: Existing) -> Result<(), CertError> {
        let put = match existing {
            Existing::Replace => fs::rename(&self.aside, &self.place),
            Existing::Keep => put_unless_there(&self.aside, &self.place),
        };
        put.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CertError::Exists(self.place.clone()),
            _ => CertError::io("write", &self.place)(error),
        })?;
        sync_folder(&self.place).map_err(CertError::io("sync the directory of", &self.place))
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // Published or never written: in both cases there is nothing to remove.
        let _ = fs::remove_file(&self.aside);
    }
}

/// A hard link fails atomically if the name exists, while a rename would replace
/// the file. On file systems without hard links, a check before the rename must do.
fn put_unless_there(aside: &Path, place: &Path) -> io::Result<()> {
    match fs::hard_link(aside, place) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) if place.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(aside, place),
        Ok(()) => Ok(()),
    }
}

fn aside(place: &Path) -> Result<PathBuf, CertError> {
    let mut mark = [0; 8];
    getrandom::fill(&mut mark).map_err(|error| CertError::Signing(error.to_string()))?;
    let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(place.with_file_name(format!(".{name}.{:016x}", u64::from_le_bytes(mark))))
}

fn write_new(path: &Path, bytes: &[u8], secrecy: Secrecy) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(
        &mut options,
        match secrecy {
            Secrecy::Public => 0o644,
            Secrecy::Private => 0o600,
        },
    );
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Creates a directory that only its owner may enter, unless it exists.
///
/// # Errors
/// [`CertError::Io`] if it cannot be created.
pub fn make_folder(path: &Path) -> Result<(), CertError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(CertError::io("create the directory", path))
}
