//! The output of a backup: a file or standard output.
//!
//! Guards that a file of the requested name is a complete backup: it is written
//! under another name, synced and then renamed; an incomplete one is removed.
//! Only its owner can read it. Writes may block on a disk or a pipe, so they run
//! on a blocking thread and do not delay the connection.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use bytes::Bytes;

use crate::{exit::ExitCode, failure::Failure, printer::escape};

/// How often an unfinished backup of this name may be replaced by others while it is opened.
const ATTEMPTS: usize = 8;

/// Suffix of an unfinished backup.
const ENDING: &str = ".partial";

/// Returns whether a file of this name exists.
pub(super) fn is_there(path: &Path) -> Result<bool, Failure> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(_) => Err(Failure::usage(format!("{} is not a regular file", escape::path(path)))
            .hint("name a file, or use - for standard output")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unwritable(path, &error)),
    }
}

/// A file that gets its name once it is complete. Removed if dropped before that.
pub(super) struct FileAside {
    aside: PathBuf,
    path: PathBuf,
    file: File,
    whole: bool,
}

impl FileAside {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let mut aside = path.to_owned().into_os_string();
        aside.push(ENDING);
        let aside = PathBuf::from(aside);
        let file = create(&aside)?;
        Ok(Self { aside, path: path.to_owned(), file, whole: false })
    }

    fn finish(mut self) -> Result<(), Failure> {
        let finish = || {
            self.file.sync_all()?;
            fs::rename(&self.aside, &self.path)?;
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        finish().map_err(|error| unwritable(&self.path, &error))?;
        self.whole = true;
        Ok(())
    }
}

/// Creates the file, and locks it against another backup to it. The file of a crash is replaced,
/// not written to: it may belong to another user, or be open elsewhere.
fn create(aside: &Path) -> Result<File, Failure> {
    let options = |options: &mut OpenOptions| options.mode(0o600).custom_flags(libc::O_NOFOLLOW).open(aside);
    for _ in 0..ATTEMPTS {
        let (file, is_new) = match options(OpenOptions::new().write(true).create_new(true)) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match options(OpenOptions::new().read(true)) {
                    Ok(file) => (file, false),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(unwritable(aside, &error)),
                }
            }
            Err(error) => return Err(unwritable(aside, &error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(another_backup(aside)),
            Err(TryLockError::Error(error)) => return Err(unwritable(aside, &error)),
        }
        // Before it was locked, another backup may have replaced it.
        match is_at(&file, aside).map_err(|error| unwritable(aside, &error))? {
            true if is_new => return Ok(file),
            true => fs::remove_file(aside).map_err(|error| unwritable(aside, &error))?,
            false => {}
        }
    }
    Err(another_backup(aside))
}

/// Whether a path still leads to an open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn another_backup(aside: &Path) -> Failure {
    Failure::new(ExitCode::Failed, format!("another backup is writing {}", escape::path(aside)))
        .hint("wait for it, or use another name")
}

impl Drop for FileAside {
    fn drop(&mut self) {
        if !self.whole {
            // If this fails, the suffix still marks the file as incomplete.
            let _ = fs::remove_file(&self.aside);
        }
    }
}

/// The destination of a backup.
pub(super) enum Output {
    /// A file.
    Aside(FileAside),
    /// Standard output.
    Standard(File),
}

impl Output {
    /// Opens standard output.
    pub(super) fn standard() -> Result<Self, Failure> {
        let own = io::stdout().as_fd().try_clone_to_owned();
        own.map(|own| Self::Standard(File::from(own))).map_err(|error| unwritable(Path::new("-"), &error))
    }

    fn write(&mut self, piece: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Aside(aside) => {
                aside.file.write_all(piece).map_err(|error| unwritable(&aside.aside, &error))
            }
            Self::Standard(file) => file.write_all(piece).map_err(|error| unwritable(Path::new("-"), &error)),
        }
    }

    /// Syncs the file and gives it its name.
    pub(super) async fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Aside(aside) => apart(move || aside.finish()).await,
            Self::Standard(_) => Ok(()),
        }
    }
}

/// Writes pieces in order on a blocking thread.
pub(super) struct Sink {
    output: Option<Output>,
    bytes: u64,
}

impl Sink {
    pub(super) fn new(output: Output) -> Self {
        Self { output: Some(output), bytes: 0 }
    }

    /// Returns the number of bytes written.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        let Some(mut output) = self.output.take() else { return Err(lost()) };
        self.bytes += piece.len() as u64;
        let output = apart(move || output.write(&piece).map(|()| output)).await?;
        self.output = Some(output);
        Ok(())
    }

    pub(super) fn into_output(self) -> Result<Output, Failure> {
        self.output.ok_or_else(lost)
    }
}

async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(lost()))
}

fn lost() -> Failure {
    Failure::new(ExitCode::Failed, "cannot write the backup")
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let name = match path.as_os_str().as_encoded_bytes() {
        b"-" => "standard output".to_owned(),
        _ => escape::path(path),
    };
    Failure::new(ExitCode::Failed, format!("cannot write {name}: {error}"))
        .hint("the partial file was removed; free disk space or choose another path, and retry")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |file: io::Result<fs::DirEntry>| file.unwrap().file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_file_has_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.backup");
        fs::write(folder.path().join("a.backup.partial"), "from an earlier crash, and longer").unwrap();
        let mut sink = Sink::new(Output::Aside(FileAside::create(&path).unwrap()));
        sink.write(Bytes::from_static(b"latte")).await.unwrap();
        assert_eq!(names(folder.path()), ["a.backup.partial"]);
        assert!(FileAside::create(&path).is_err_and(|failure| failure.message().contains("another backup")));
        sink.into_output().unwrap().finish().await.unwrap();
        assert_eq!(names(folder.path()), ["a.backup"]);
        assert_eq!(fs::read(&path).unwrap(), b"latte");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// Another user may have put it there, and read on.
    #[test]
    fn a_file_that_is_there_is_replaced_and_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (path, left) = (folder.path().join("a.backup"), folder.path().join("a.backup.partial"));
        fs::write(&left, "left").unwrap();
        let open = File::open(&left).unwrap();
        let mut aside = FileAside::create(&path).unwrap();
        aside.file.write_all(b"latte").unwrap();
        assert_eq!(io::read_to_string(open).unwrap(), "left");
        drop(aside);

        let victim = folder.path().join("victim");
        fs::write(&victim, "of root").unwrap();
        symlink(&victim, &left).unwrap();
        assert!(FileAside::create(&path).is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "of root");
    }

    #[tokio::test]
    async fn what_broke_off_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.backup");
        fs::write(&path, "the one before").unwrap();
        let mut sink = Sink::new(Output::Aside(FileAside::create(&path).unwrap()));
        sink.write(Bytes::from_static(b"lat")).await.unwrap();
        drop(sink);
        assert_eq!(names(folder.path()), ["a.backup"]);
        assert_eq!(fs::read(&path).unwrap(), b"the one before");
    }

    #[test]
    fn only_a_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_there(folder.path()).is_err_and(|failure| failure.code() == ExitCode::Usage));
        assert_eq!(is_there(&folder.path().join("a")), Ok(false));
    }
}
