//! The files of a data directory: its lock, and durable changes.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use super::{DataDirError, IDENTITY, LOG, RESERVE, REVOCATIONS, STATE, UNFINISHED};
use crate::storage::{
    atomic_file::{self, parent},
    private_file,
};

const LOCK: &str = "LOCK";

/// Creates a folder that only its owner may read, and its parents, if they do
/// not exist.
pub(super) fn create_folder(path: &Path) -> Result<(), DataDirError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(DataDirError::NotADirectory { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(DataDirError::NotADirectory { path: parent(path).to_owned() });
        }
        Err(source) => return Err(DataDirError::Io { path: path.to_owned(), source }),
    }
    let parent = parent(path);
    create_folder(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            return Err(DataDirError::Io { path: path.to_owned(), source });
        }
        _ => {}
    }
    sync_folder(parent)
}

/// Locks a folder, and writes the process id into the lock file.
pub(super) fn lock(folder: &Path) -> Result<File, DataDirError> {
    reject_links(folder)?;
    let path = folder.join(LOCK);
    let mut file = try_lock(folder, private_file::open_or_create(&path).map_err(DataDirError::io(&path))?)?;
    // For the message of a process that finds the directory in use. The lock holds without it, also
    // on a full disk.
    let _ =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Locks a folder and writes nothing. Without a lock file, no process uses it.
pub(super) fn lock_to_read(folder: &Path) -> Result<File, DataDirError> {
    reject_links(folder)?;
    let path = folder.join(LOCK);
    let file = match private_file::open_to_read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(folder),
        opened => opened,
    };
    try_lock(folder, file.map_err(DataDirError::io(&path))?)
}

fn try_lock(folder: &Path, file: File) -> Result<File, DataDirError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.take(20).read_to_string(&mut pid);
            let pid = Some(pid.trim().to_owned()).filter(|pid| !pid.is_empty());
            Err(DataDirError::InUse { path: folder.to_owned(), pid })
        }
        Err(TryLockError::Error(source)) => Err(DataDirError::Io { path: folder.join(LOCK), source }),
    }
}

/// Rejects a folder with a link in place of a file. None is followed when the files are opened; this
/// names it before anything is changed.
fn reject_links(folder: &Path) -> Result<(), DataDirError> {
    for name in [LOCK, IDENTITY, LOG, STATE, RESERVE, REVOCATIONS, UNFINISHED] {
        let path = folder.join(name);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            return Err(DataDirError::Link { path });
        }
    }
    Ok(())
}

/// Replaces a file; a crash leaves the old one or the new one.
pub(super) fn replace(folder: &Path, name: &str, content: &[u8]) -> Result<(), DataDirError> {
    let path = folder.join(name);
    atomic_file::replace(&path, content).map_err(DataDirError::io(&path))
}

/// Removes a file if it exists. Durable after [`sync_folder`].
pub(super) fn remove(path: &Path) -> Result<(), DataDirError> {
    atomic_file::remove_if_exists(path).map_err(DataDirError::io(path))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), DataDirError> {
    atomic_file::sync_folder(folder).map_err(DataDirError::io(folder))
}
