//! Disk space that is kept for a start on a full disk.
//!
//! Opening the databases writes to them, so a node whose disk is full could not
//! start, not even to serve reads and deletes. A running member keeps a file of
//! zeros, and a start with less free space than that deletes it first.

use std::{fs, io, path::Path};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::RESERVE;
use crate::storage::private_file;

/// Allocates the reserve of a data directory if it is missing. Blocks on the disk.
///
/// # Errors
/// There is too little space, or the file system cannot allocate.
pub fn keep_reserve(folder: &Path, bytes: u64) -> io::Result<()> {
    let path = folder.join(RESERVE);
    let file = match private_file::create(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    };
    fallocate(&file, FallocateFlags::empty(), 0, bytes).map_err(|error| {
        let _ = fs::remove_file(&path);
        error.into()
    })
}

/// Deletes the reserve if less space is free than it holds. Failures are left to
/// the open that follows.
pub(super) fn release_reserve(folder: &Path) {
    let path = folder.join(RESERVE);
    let (Ok(reserve), Ok(found)) = (fs::symlink_metadata(&path), statvfs(folder)) else { return };
    let free_bytes = found.f_bavail.saturating_mul(found.f_frsize);
    if free_bytes < reserve.len() && fs::remove_file(&path).is_ok() {
        tracing::warn!(
            free_bytes,
            reserve_bytes = reserve.len(),
            "disk is full: the node starts with the space that it had reserved; \
             hint: free space on the file system of the data directory"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_stays_while_there_is_space() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(RESERVE);
        for _ in 0..2 {
            keep_reserve(folder.path(), 1 << 20).expect("allocated");
            assert_eq!(fs::metadata(&path).expect("there").len(), 1 << 20);
        }
        release_reserve(folder.path());
        assert!(path.exists());
    }

    #[test]
    fn a_reserve_is_given_up_when_less_is_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(RESERVE);
        // Larger than any disk, and sparse.
        fs::File::create(&path).and_then(|file| file.set_len(1 << 43)).expect("made");
        release_reserve(folder.path());
        assert!(!path.exists());
        release_reserve(folder.path());
        assert!(keep_reserve(folder.path(), 1 << 60).is_err());
        assert!(!path.exists());
    }
}
