//! Puts files in place: whole or not at all, durable, and keys for their
//! owner's eyes from the first byte. The command writes its own files so too.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::error::CertError;

/// What to do with a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Leave it, and fail.
    #[default]
    Keep,
    /// Put the new one in its place.
    Replace,
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Everybody: a certificate.
    Public,
    /// Its owner alone: a key.
    Private,
}

/// A file that lies beside its place, complete and synced. Dropped, it goes away.
#[derive(Debug)]
pub struct Prepared {
    aside: PathBuf,
    place: PathBuf,
}

impl Prepared {
    /// Writes `bytes` beside `place`.
    ///
    /// # Errors
    ///
    /// [`CertError::Io`] if the file cannot be written.
    pub fn new(place: &Path, bytes: &[u8], secrecy: Secrecy) -> Result<Self, CertError> {
        let aside = aside(place)?;
        let prepared = Self { aside, place: place.to_owned() };
        write_new(&prepared.aside, bytes, secrecy).map_err(CertError::io("write", place))?;
        Ok(prepared)
    }

    /// Puts it in its place.
    ///
    /// # Errors
    ///
    /// [`CertError::Exists`] if a file is there that is to be kept, and
    /// [`CertError::Io`] if the file cannot be put in its place.
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
        // Published or never written: either way nothing is left to remove.
        let _ = fs::remove_file(&self.aside);
    }
}

/// A second name for a file is refused where the name is taken, in one step;
/// a rename would replace what is there. Some file systems know no second
/// names: there a look has to do.
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

/// Makes a folder that only its owner enters, unless it is there.
///
/// # Errors
///
/// [`CertError::Io`] if it cannot be made.
pub fn make_folder(path: &Path) -> Result<(), CertError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(CertError::io("create the directory", path))
}
