//! Whether a database file is what was written.
//!
//! Until its pages are verified, a file may hold anything, and redb panics on
//! some kinds of damage. Guards that such a panic is an error of the file, and
//! not taken for a defect of coffeed.

use std::{
    cell::Cell,
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What to do about a damaged database.
pub(super) const REBUILD: &str = "if the disk is sound, run `coffeed rebuild` with this node's configuration: it sets \
     the damaged data aside, and when the node starts again it gets everything from the others";

thread_local! {
    static READS_UNVERIFIED: Cell<bool> = const { Cell::new(false) };
}

/// The database panicked over what is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Whether this thread reads a file that is not verified yet: a panic is then
/// caught, and is to end nothing by itself.
pub fn reads_unverified() -> bool {
    READS_UNVERIFIED.get()
}

/// Runs `read` on a file that may hold anything.
pub(super) fn reading_unverified<T>(read: impl FnOnce() -> T) -> Result<T, Unreadable> {
    let before = READS_UNVERIFIED.replace(true);
    // What it has opened is dropped with it: nothing half done is seen again.
    let result = catch_unwind(AssertUnwindSafe(read));
    READS_UNVERIFIED.set(before);
    result.map_err(|_| Unreadable)
}

/// What is wrong with a file, if this error of the database means that it is damaged.
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
