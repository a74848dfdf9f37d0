//! The file in which a watch keeps its place: a revision, and the cluster that it is of.
//!
//! Guards that a crash leaves the old place or the new one, that the new one is there once a change
//! counts as told, and that a place is of one cluster and moved by one process. The lock is on a file of its
//! own, which stays, since the place is replaced by another file.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use coffee_common::id::{ClusterId, Revision};

use crate::{exit::ExitCode, failure::Failure, printer::escape};

/// A place, and the file that has it.
pub(super) struct CursorFile {
    path: PathBuf,
    place: Option<CursorPlace>,
    _lock: File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CursorPlace {
    revision: Revision,
    /// Missing in files of earlier builds.
    cluster: Option<ClusterId>,
}

impl CursorFile {
    /// Locks and reads the place; a file that does not exist has none yet.
    pub(super) fn open(path: PathBuf) -> Result<Self, Failure> {
        let lock = lock(&path)?;
        let place = match fs::read_to_string(&path) {
            Ok(text) => Some(CursorPlace::parse(&text).ok_or_else(|| {
                wrong(&path, &"it is not a revision")
                    .hint("put the revision there, or delete it to skip all changes so far")
            })?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(wrong(&path, &error)),
        };
        Ok(Self { path, place, _lock: lock })
    }

    pub(super) fn revision(&self) -> Option<Revision> {
        self.place.map(|place| place.revision)
    }

    /// Refuses a cluster other than that of the place.
    pub(super) fn check_cluster(&self, asked: Option<ClusterId>) -> Result<(), Failure> {
        match (self.place.and_then(|place| place.cluster), asked) {
            (Some(known), Some(asked)) if known != asked => Err(Failure::new(
                ExitCode::Refused,
                format!("the cursor {} is of cluster {known}, not {asked}", escape::path(&self.path)),
            )
            .hint(
                "name endpoints of that cluster, or another --cursor; if this one was restored or recovered from it, \
                 read the keys again and delete the cursor",
            )),
            _ => Ok(()),
        }
    }

    /// Moves the place, durably.
    pub(super) fn save(&mut self, revision: Revision, cluster: Option<ClusterId>) -> Result<(), Failure> {
        let cluster = cluster.or(self.place.and_then(|place| place.cluster));
        let place = CursorPlace { revision, cluster };
        if self.place == Some(place) {
            return Ok(());
        }
        replace(&self.path, place.line().as_bytes()).map_err(|error| {
            Failure::new(
                ExitCode::Failed,
                format!("the cursor {} cannot be written: {error}", escape::path(&self.path)),
            )
            .hint("the changes of the last revision will be told again")
        })?;
        self.place = Some(place);
        Ok(())
    }
}

impl CursorPlace {
    fn parse(text: &str) -> Option<Self> {
        let (revision, cluster) = match text.trim().split_once(' ') {
            None => (text.trim(), None),
            Some((revision, cluster)) => (revision, Some(cluster.parse().ok()?)),
        };
        Some(Self { revision: Revision(revision.parse().ok()?), cluster })
    }

    fn line(&self) -> String {
        let cluster = self.cluster.map(|cluster| format!(" {cluster}")).unwrap_or_default();
        format!("{}{cluster}\n", self.revision)
    }
}

/// Keeps other processes from the place as long as the returned file is open.
fn lock(path: &Path) -> Result<File, Failure> {
    let of_lock = beside(path, ".lock");
    let file = File::options().write(true).create(true).truncate(false).open(&of_lock);
    let file = file.map_err(|error| wrong(&of_lock, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::new(
            ExitCode::Refused,
            format!("another process watches with the cursor {}", escape::path(path)),
        )
        .hint("end it first, or give each watch its own --cursor")),
        Err(TryLockError::Error(error)) => {
            Err(wrong(&of_lock, &error).hint("keep the cursor on a file system that can lock files"))
        }
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = beside(path, ".new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The path of a file beside another one.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn wrong(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("the cursor {}: {why}", escape::path(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: ClusterId = ClusterId(0xc0ffee);

    fn opened(path: &Path) -> CursorFile {
        CursorFile::open(path.to_owned()).unwrap_or_else(|failure| panic!("{failure:?}"))
    }

    #[test]
    fn a_place_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.cursor");
        assert_eq!(opened(&path).revision(), None);
        for revision in [7, 4711, 4711] {
            opened(&path).save(Revision(revision), Some(CLUSTER)).unwrap();
            assert_eq!(opened(&path).revision(), Some(Revision(revision)));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "4711 00000000000000000000000000c0ffee\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "it and its lock");
        for text in ["soon", "7 shops", "7 00000000000000000000000000c0ffee 8", ""] {
            fs::write(&path, text).unwrap();
            let failure = CursorFile::open(path.clone()).err().unwrap();
            assert!(failure.message().ends_with("orders.cursor: it is not a revision"), "{failure:?}");
        }
    }

    #[test]
    fn a_place_is_of_one_cluster() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursor");
        // As earlier builds wrote it.
        fs::write(&path, "4711\n").unwrap();
        let mut cursor = opened(&path);
        cursor.check_cluster(Some(ClusterId(7))).unwrap();
        cursor.save(Revision(4711), Some(CLUSTER)).unwrap();
        cursor.check_cluster(Some(CLUSTER)).unwrap();
        cursor.check_cluster(None).unwrap();
        let failure = cursor.check_cluster(Some(ClusterId(7))).unwrap_err();
        assert_eq!(failure.code(), ExitCode::Refused);
        assert!(
            failure.message().contains("is of cluster 00000000000000000000000000c0ffee, not"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_place_is_moved_by_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursor");
        let mut cursor = opened(&path);
        for _ in 0..2 {
            let failure = CursorFile::open(path.clone()).err().unwrap();
            assert_eq!(failure.code(), ExitCode::Refused);
            assert!(failure.message().starts_with("another process watches with the cursor "), "{failure:?}");
            cursor.save(Revision(7), None).unwrap();
        }
        drop(cursor);
        assert_eq!(opened(&path).revision(), Some(Revision(7)));
        let failure = CursorFile::open("/nowhere/cursor".into()).err().unwrap();
        assert_eq!(failure.code(), ExitCode::Usage);
    }
}
