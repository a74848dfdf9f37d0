//! The file of a Unix socket, for its owner alone.
//!
//! Guards that no other user can open the socket at any time, that only a socket which another process has
//! left is replaced, and that the file goes with the proxy.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::Mode,
    process::{geteuid, umask},
};
use tokio::net::UnixListener;

use crate::{exit::ExitCode, failure::Failure, printer::escape};

/// The file of a socket. Dropping it removes the file, unless another one has its name by then.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Keeps the number of the inode from being reused for another file of this name.
    inode: File,
}

impl SocketFile {
    /// Creates a socket, with mode 0600 from the beginning.
    ///
    /// # Errors
    /// There is another file, a socket in use, or the socket cannot be created.
    pub(super) fn bind(path: PathBuf) -> Result<(UnixListener, Self), Failure> {
        let shown = escape::path(&path);
        let cannot = |error: io::Error| {
            Failure::new(ExitCode::Failed, format!("cannot create the socket {shown}: {error}"))
                .hint("name a path in a directory of your own, of up to 107 bytes: --unix PATH")
        };
        remove_stale(&path)?;
        let listener = bind_private(&path).map_err(cannot)?;
        let inode = pin(&path).map_err(cannot)?;
        Ok((listener, Self { path, inode }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let (own, named) = (self.inode.metadata(), fs::symlink_metadata(&self.path));
        if let (Ok(own), Ok(named)) = (own, named)
            && (own.dev(), own.ino()) == (named.dev(), named.ino())
        {
            // A file that is left is stale, and the next proxy replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens a file without its content: neither reads nor connects.
fn pin(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path)
}

/// Binds with a mask under which no other user gets access: a mode that is set later leaves a window.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    // The mask is the process's. A file that another thread creates meanwhile is private, too.
    let before = umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}

/// Removes a socket that no process listens on. Leaves everything else.
fn remove_stale(path: &Path) -> Result<(), Failure> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    let shown = escape::path(path);
    let refused = |why: &str| Failure::new(ExitCode::Refused, format!("{shown} {why}"));
    if !metadata.file_type().is_socket() {
        return Err(refused("exists and is not a socket").hint("name another path, or remove the file"));
    }
    // One that does not accept would keep this waiting.
    if metadata.uid() != geteuid().as_raw() {
        return Err(refused("is a socket of another user").hint("name a path in a directory of your own"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|error| refused(&format!("is stale and cannot be removed: {error}")).hint("remove it")),
        Ok(_) => {
            Err(refused("is in use: a process listens on it").hint("name another path, or end that process"))
        }
        Err(error) => {
            Err(refused(&format!("cannot be checked: {error}")).hint("name another path, or remove the file"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_socket_is_for_its_owner_and_ends_with_the_proxy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        let (_listener, file) = SocketFile::bind(path.clone()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn only_a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        let refusal = |path: &Path| {
            let failure = SocketFile::bind(path.to_owned()).unwrap_err();
            assert_eq!((failure.code(), failure.hints().len()), (ExitCode::Refused, 1), "{failure:?}");
            failure.message().to_owned()
        };
        fs::write(&path, "an order").unwrap();
        assert!(refusal(&path).ends_with("exists and is not a socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "an order");
        fs::remove_file(&path).unwrap();

        let (listener, first) = SocketFile::bind(path.clone()).unwrap();
        assert!(refusal(&path).contains("is in use"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(refusal(&link).ends_with("exists and is not a socket"));
        // As after a crash.
        drop(listener);
        let (_listener, _second) = SocketFile::bind(path.clone()).unwrap();
        drop(first);
        assert!(path.exists(), "it is another one's now");
    }
}
