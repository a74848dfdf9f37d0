//! The copy of the cluster's revocation lists: read before the node accepts anyone.
//!
//! The lists are signed, so the file needs no checksum.

use std::{
    io::{ErrorKind, Read},
    path::Path,
};

use coffee_common::limits::{CLUSTER_LISTS_MAX, REVOCATION_LIST_BYTES_MAX};

use super::{DataDirError, REVOCATIONS, files};
use crate::storage::private_file;

/// The most bytes that are read.
const BYTES_MAX: u64 = (CLUSTER_LISTS_MAX * REVOCATION_LIST_BYTES_MAX) as u64;

/// Reads the copy; empty if there is none that can be read.
pub fn load_revocation_lists(folder: &Path) -> Vec<u8> {
    let path = folder.join(REVOCATIONS);
    let mut lists = Vec::new();
    let read =
        private_file::open_to_read(&path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut lists));
    match read {
        Ok(_) => lists,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read the copy of the revocation lists");
            Vec::new()
        }
    }
}

/// Replaces the copy.
///
/// # Errors
/// It cannot be written.
pub fn save_revocation_lists(folder: &Path, lists: &[u8]) -> Result<(), DataDirError> {
    files::replace(folder, REVOCATIONS, lists)
}
