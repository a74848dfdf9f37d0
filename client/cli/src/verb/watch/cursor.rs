//! The file in which a watch keeps its place.
//!
//! Guards that a crash leaves the old place or the new one, and that the new one is there once a change
//! counts as told.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use coffee_common::id::Revision;

use crate::{exit::ExitCode, failure::Failure, printer::escape};

/// A place, and the file that has it.
pub(super) struct CursorFile {
    path: PathBuf,
    revision: Option<Revision>,
}

impl CursorFile {
    /// Reads the place; a file that does not exist has none yet.
    pub(super) fn open(path: PathBuf) -> Result<Self, Failure> {
        let revision = match fs::read_to_string(&path) {
            Ok(text) => Some(text.trim().parse().map(Revision).map_err(|_| {
                wrong(&path, &"it is not a revision").hint("delete it to begin with the present revision")
            })?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(wrong(&path, &error)),
        };
        Ok(Self { path, revision })
    }

    pub(super) fn revision(&self) -> Option<Revision> {
        self.revision
    }

    /// Moves the place, durably.
    pub(super) fn save(&mut self, revision: Revision) -> Result<(), Failure> {
        if self.revision == Some(revision) {
            return Ok(());
        }
        replace(&self.path, format!("{revision}\n").as_bytes()).map_err(|error| {
            Failure::new(
                ExitCode::Failed,
                format!("the cursor {} cannot be written: {error}", escape::path(&self.path)),
            )
            .hint("the changes of the last revision will be told again")
        })?;
        self.revision = Some(revision);
        Ok(())
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn wrong(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("the cursor {}: {why}", escape::path(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.cursor");
        let mut cursor = CursorFile::open(path.clone()).unwrap();
        assert_eq!(cursor.revision(), None);
        for revision in [7, 4711, 4711] {
            cursor.save(Revision(revision)).unwrap();
            assert_eq!(CursorFile::open(path.clone()).unwrap().revision(), Some(Revision(revision)));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "4711\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        fs::write(&path, "soon").unwrap();
        let failure = CursorFile::open(path).err().unwrap();
        assert!(failure.message().ends_with("orders.cursor: it is not a revision"), "{failure:?}");
    }
}
