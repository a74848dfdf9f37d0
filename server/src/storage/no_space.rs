//! Lack of space, as the operating system reports it.

use std::io::ErrorKind;

/// Whether a write failed for lack of space: on the file system, or in the quota of
/// the user.
pub(super) fn lacks_space(kind: ErrorKind) -> bool {
    no_space_hint(kind).is_some()
}

/// The next step after a write that failed for lack of space; `None` if it failed
/// for another reason.
pub(super) fn no_space_hint(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::StorageFull => {
            Some("free some space on that file system and start again; nothing that was acknowledged is lost")
        }
        ErrorKind::QuotaExceeded => Some(
            "raise the disk quota of coffeed's user, or free some of it, and start again; nothing that was \
             acknowledged is lost",
        ),
        _ => None,
    }
}
