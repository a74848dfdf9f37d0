//! Opens the files of the data directory: never through a symbolic link, and new
//! ones readable by their owner only.
//!
//! The directory belongs to the daemon's user. With links followed, that user could
//! have another one, such as root, truncate or copy any file on the machine.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// Creates a file, to read and write. Fails if there is something of this name.
pub(super) fn create(path: &Path) -> io::Result<File> {
    options().read(true).write(true).create_new(true).open(path)
}

/// Opens a file to read and write; creates an empty one if there is none.
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    options().read(true).write(true).create(true).truncate(false).open(path)
}

/// Opens an existing file to read and write.
pub(super) fn open(path: &Path) -> io::Result<File> {
    options().read(true).write(true).open(path)
}

/// Opens an existing file to read.
pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
    options().read(true).open(path)
}

/// Reads a whole small file.
pub(super) fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_to_read(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Whether an operation failed because the file is a symbolic link.
pub(super) fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    #[test]
    fn no_link_is_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (link, victim) = (folder.path().join("link"), folder.path().join("victim"));
        fs::write(&victim, "of another user").expect("writes");
        symlink(&victim, &link).expect("a link");
        for error in [open(&link), open_or_create(&link), open_to_read(&link)] {
            assert!(is_link(&error.expect_err("a link")));
        }
        assert!(read_to_string(&link).is_err());
        assert_eq!(create(&link).expect_err("a link").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_to_string(&victim).expect("reads"), "of another user");
    }

    #[test]
    fn new_files_are_their_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, made) in [("one", create as fn(&Path) -> _), ("other", open_or_create)] {
            let file = made(&folder.path().join(name)).expect("made");
            assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        }
    }
}
