//! Detects a damaged database file.
//!
//! Until its pages are verified, a file may hold anything, and redb panics on
//! some kinds of damage. Guards that such a panic is reported as damage of the
//! file, not as a bug in coffeed.

use std::{
    cell::Cell,
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The hint for a damaged database.
pub(crate) const REBUILD: &str = "if the disk is healthy, run `coffeed rebuild` with this node's configuration: it sets the \
     damaged data aside, and at its next start the node gets all data from the others";

/// The hint for data that a newer version of coffeed wrote.
pub(crate) const NEWER: &str =
    "install the version of coffeed that wrote it, or a newer one; nothing was changed";

thread_local! {
    static READS_UNVERIFIED: Cell<bool> = const { Cell::new(false) };
}

/// The database panicked while it read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Whether this thread is reading a file that is not verified yet. A panic is
/// then caught, and must not end the process.
pub fn reads_unverified() -> bool {
    READS_UNVERIFIED.get()
}

/// Runs `read` on a file that may hold anything.
pub(super) fn reading_unverified<T>(read: impl FnOnce() -> T) -> Result<T, Unreadable> {
    let before = READS_UNVERIFIED.replace(true);
    // The panic drops what `read` has opened, so nothing half done is used again.
    let result = catch_unwind(AssertUnwindSafe(read));
    READS_UNVERIFIED.set(before);
    result.map_err(|_| Unreadable)
}

/// Describes the damage if this database error means that the file is damaged.
pub(super) fn damage(error: &redb::Error) -> Option<String> {
    match error {
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableIsNotMultimap(_)
        | redb::Error::TableDoesNotExist(_) => Some(error.to_string()),
        redb::Error::Io(io) if matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            Some(io.to_string())
        }
        _ => None,
    }
}
