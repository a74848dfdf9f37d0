//! A directory in which a restore or a recovery makes a new cluster.
//!
//! Such work changes several files, and a crash may happen between any two
//! changes. Guards that a node never starts with half of them: a note is present
//! from before the first change until after the last, a directory with a note is
//! rejected, and only the same work continues from it. The note names the new
//! cluster, so work that is continued makes the same one.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use coffee_common::{
    command::MemberState,
    id::{ClusterId, NodeName},
};
use serde::Deserialize;

use super::{
    DataDir, DataDirError, IDENTITY, LOG, NodeIdentity, REVOCATIONS, STATE, UNFINISHED, check_not_empty,
    files, owner, work::OfflineWork,
};
use crate::storage::private_file;

/// Files that a directory may hold and still count as empty: a restore takes the revocation lists up.
const NOTHING: [&str; 3] = ["LOCK", "lost+found", REVOCATIONS];

/// The note: the work, and the new cluster that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The work that was begun.
    pub work: OfflineWork,
    /// The new cluster.
    pub cluster: ClusterId,
    /// The index of the new cluster's first entry.
    pub first: u64,
    /// The term of that entry.
    pub term: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnfinishedFields {
    work: String,
    cluster: String,
    first: u64,
    term: u64,
    checksum: String,
}

impl Unfinished {
    fn to_text(&self) -> String {
        let Self { work, cluster, first, term } = self;
        format!(
            "# Written by coffeed, and removed when the work is done: run the same command again.\n\
             work = \"{}\"\ncluster = \"{cluster}\"\nfirst = {first}\nterm = {term}\nchecksum = \"{}\"\n",
            work.verb(),
            self.checksum()
        )
    }

    fn parse(text: &str, path: &Path) -> Result<Self, DataDirError> {
        let damaged = |what: String| DataDirError::Damaged { path: path.to_owned(), what };
        let fields: UnfinishedFields =
            toml::from_str(text).map_err(|error| damaged(error.message().to_owned()))?;
        let work =
            [OfflineWork::Restore, OfflineWork::Recover].into_iter().find(|work| work.verb() == fields.work);
        let unfinished = Self {
            work: work.ok_or_else(|| damaged("the work is unknown".into()))?,
            cluster: fields
                .cluster
                .parse()
                .map_err(|_| damaged("the cluster is not a valid identifier".into()))?,
            first: fields.first,
            term: fields.term,
        };
        match unfinished.checksum() == fields.checksum {
            true => Ok(unfinished),
            false => Err(damaged("its checksum does not match".into())),
        }
    }

    fn checksum(&self) -> String {
        let Self { work, cluster, first, term } = self;
        format!("{:08x}", crc32c::crc32c(format!("{} {cluster} {first} {term}", work.verb()).as_bytes()))
    }
}

/// Reads the note in a directory, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<Unfinished>, DataDirError> {
    let file = path.join(UNFINISHED);
    match private_file::read_to_string(&file) {
        Ok(text) => Unfinished::parse(&text, &file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DataDirError::io(&file)(error)),
    }
}

/// Rejects a directory with a note.
pub(super) fn check_finished(path: &Path) -> Result<(), DataDirError> {
    match read(path)? {
        None => Ok(()),
        Some(Unfinished { work, .. }) => Err(DataDirError::Unfinished { path: path.to_owned(), work }),
    }
}

impl DataDir {
    /// Opens a directory for a restore: an empty one, which is created if it does
    /// not exist, or one in which a restore was interrupted. Removes what that
    /// one has left.
    ///
    /// # Errors
    /// The directory is not empty, in use, or cannot be written.
    pub fn open_to_restore(path: &Path) -> Result<Self, DataDirError> {
        files::create_folder(path)?;
        owner::check_owner(path)?;
        owner::check_permissions(path)?;
        let lock = files::lock(path)?;
        match read(path)? {
            Some(Unfinished { work: OfflineWork::Restore, .. }) => {}
            Some(Unfinished { work, .. }) => {
                return Err(DataDirError::Unfinished { path: path.to_owned(), work });
            }
            None => check_empty(path)?,
        }
        for name in [IDENTITY, LOG, STATE] {
            files::remove(&path.join(name))?;
        }
        files::sync_folder(path)?;
        Ok(Self::locked(path, lock, None))
    }

    /// Opens the directory of the node `name` for a recovery. Returns the note of
    /// an earlier recovery that was interrupted.
    ///
    /// # Errors
    /// The directory holds no data of this node, is in use or damaged, or its
    /// node was removed from its cluster.
    pub fn open_to_recover(path: &Path, name: &NodeName) -> Result<(Self, Option<Unfinished>), DataDirError> {
        Self::open_survivor(path, name, files::lock)
    }

    /// Like [`DataDir::open_to_recover`], and changes nothing.
    ///
    /// # Errors
    /// As [`DataDir::open_to_recover`].
    pub fn open_to_inspect(path: &Path, name: &NodeName) -> Result<(Self, Option<Unfinished>), DataDirError> {
        Self::open_survivor(path, name, files::lock_to_read)
    }

    fn open_survivor(
        path: &Path,
        name: &NodeName,
        lock: fn(&Path) -> Result<File, DataDirError>,
    ) -> Result<(Self, Option<Unfinished>), DataDirError> {
        let empty = || DataDirError::Empty { path: path.to_owned() };
        if !path.join(IDENTITY).exists() && !path.join(UNFINISHED).exists() {
            return Err(empty());
        }
        owner::check_owner(path)?;
        let lock = lock(path)?;
        let left = read(path)?;
        if let Some(Unfinished { work: OfflineWork::Restore, .. }) = left {
            return Err(DataDirError::Unfinished { path: path.to_owned(), work: OfflineWork::Restore });
        }
        let identity = Self::read_identity(path, name)?.ok_or_else(empty)?;
        if identity.standing == MemberState::Shutdown {
            return Err(DataDirError::Removed { path: path.to_owned() });
        }
        check_not_empty(&path.join(LOG))?;
        check_not_empty(&path.join(STATE))?;
        Ok((Self::locked(path, lock, Some(identity)), left))
    }

    /// Writes the note. Nothing may be changed before.
    ///
    /// # Errors
    /// The note cannot be written.
    pub fn begin(&self, unfinished: &Unfinished) -> Result<(), DataDirError> {
        files::replace(&self.path, UNFINISHED, unfinished.to_text().as_bytes())
    }

    /// Ends the work: writes the new identity, then removes the note.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(&mut self, identity: NodeIdentity) -> Result<(), DataDirError> {
        self.write(identity)?;
        remove_note(&self.path)
    }

    /// Abandons a failed restore: empties the directory.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn give_up(self) -> Result<(), DataDirError> {
        for name in [IDENTITY, LOG, STATE] {
            files::remove(&self.path.join(name))?;
        }
        files::sync_folder(&self.path)?;
        remove_note(&self.path)
    }
}

/// Removes the note, durably.
pub(super) fn remove_note(path: &Path) -> Result<(), DataDirError> {
    files::remove(&path.join(UNFINISHED))?;
    files::sync_folder(path)
}

fn check_empty(path: &Path) -> Result<(), DataDirError> {
    let failed = DataDirError::io(path);
    let entries: io::Result<Vec<fs::DirEntry>> = fs::read_dir(path).and_then(Iterator::collect);
    let entries = entries.map_err(failed)?;
    let something = entries.iter().any(|entry| !NOTHING.iter().any(|name| entry.file_name() == *name));
    if something { Err(DataDirError::NotEmpty { path: path.to_owned() }) } else { Ok(()) }
}
