//! The data directory: its owner and its lock.
//!
//! ```text
//! LOCK            held while the directory is in use
//! identity.toml   cluster, node, its member state, and the feature level of the data
//! log.wal         Raft's log
//! state.redb      the state
//! reserve         space for a start on a full disk
//! revocations.crl a copy of the revocation lists in the state
//! set-aside-N-ID  data of cluster ID that was set aside
//! unfinished.toml present while a restore or a recovery is in progress
//! ```
//!
//! All checks happen before a database is opened: a directory that belongs to
//! another node, has a newer format, is damaged or in use is rejected and left
//! unchanged.

mod error;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod identity;
mod identity_file;
mod owner;
mod rebuild;
mod reserve;
mod revocations;
mod space;
mod unfinished;
mod work;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use coffee_common::{command::MemberState, id::NodeName};

use self::{
    identity_file::IdentityFile,
    rebuild::{AsideKept, delete_replaced, move_away},
};

use super::private_file;

pub use self::{
    error::{DataDirError, FORMAT},
    identity::NodeIdentity,
    identity_file::LevelMark,
    rebuild::rebuild,
    reserve::keep_reserve,
    revocations::{load_revocation_lists, save_revocation_lists},
    space::{Space, SpaceProbe},
    unfinished::Unfinished,
    work::OfflineWork,
};

const IDENTITY: &str = "identity.toml";
const LOG: &str = "log.wal";
const STATE: &str = "state.redb";
const RESERVE: &str = "reserve";
const REVOCATIONS: &str = "revocations.crl";
/// The note of a restore or a recovery in progress.
const UNFINISHED: &str = "unfinished.toml";

/// A data directory, locked for this process.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
    identity: Arc<IdentityFile>,
}

impl DataDir {
    /// Opens the directory of the node `name`; creates it if it does not exist.
    ///
    /// # Errors
    /// The directory is another node's or another user's, in use, of a newer format, damaged, half
    /// restored, or cannot be read or written.
    pub fn open(path: &Path, name: &NodeName) -> Result<Self, DataDirError> {
        files::create_folder(path)?;
        owner::check_owner(path)?;
        owner::check_permissions(path)?;
        let lock = files::lock(path)?;
        unfinished::check_finished(path)?;
        let identity = Self::read_identity(path, name)?;
        // A member without its log has forgotten its vote: it must not start empty.
        if identity.as_ref().is_some_and(|identity| identity.standing == MemberState::Member) {
            check_not_empty(&path.join(LOG))?;
            check_not_empty(&path.join(STATE))?;
        }
        reserve::release_reserve(path);
        let data = Self::locked(path, lock, identity);
        data.delete_replaced();
        Ok(data)
    }

    /// Reads the identity in the directory of the node `name`, which may be in use; `None` if it holds
    /// no data. Changes nothing.
    ///
    /// # Errors
    /// The directory is another node's, of a newer version, damaged, half restored, or cannot be read.
    pub fn inspect(path: &Path, name: &NodeName) -> Result<Option<NodeIdentity>, DataDirError> {
        unfinished::check_finished(path)?;
        Self::read_identity(path, name)
    }

    fn locked(path: &Path, lock: File, identity: Option<NodeIdentity>) -> Self {
        let identity = IdentityFile::new(path, identity);
        Self { path: path.to_owned(), _lock: lock, identity }
    }

    fn read_identity(path: &Path, name: &NodeName) -> Result<Option<NodeIdentity>, DataDirError> {
        let file = path.join(IDENTITY);
        let text = match private_file::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let data = [LOG, STATE].iter().any(|name| path.join(name).exists());
                return if data { Err(DataDirError::NoIdentity { path: file }) } else { Ok(None) };
            }
            Err(error) => return Err(DataDirError::io(&file)(error)),
        };
        let identity = NodeIdentity::parse(&text, &file)?;
        if identity.name != *name {
            let (found, expected) = (identity.name, name.clone());
            return Err(DataDirError::OtherNode { path: path.to_owned(), found, expected });
        }
        Ok(Some(identity))
    }

    /// The node's identity; `None` if it never belonged to a cluster.
    pub fn identity(&self) -> Option<NodeIdentity> {
        self.identity.get()
    }

    /// Notes the feature level of the data in the identity.
    pub fn level_mark(&self) -> LevelMark {
        LevelMark::new(&self.identity)
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the log.
    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// The path of the state.
    pub fn state_path(&self) -> PathBuf {
        self.path.join(STATE)
    }

    /// Begins a new membership in a cluster that has admitted the node: sets the
    /// databases of an earlier membership aside, then writes the new identity. A
    /// crash between the two leaves a node that belongs to no cluster and waits
    /// to be admitted again. Any holder of a node's certificate can pretend to admit
    /// it, so they are kept until it is a member of the same cluster. Returns the
    /// folder that holds them, if there were any.
    ///
    /// # Errors
    /// The node had this id in this cluster before, or a file cannot be written.
    pub fn adopt(&mut self, identity: NodeIdentity) -> Result<Option<PathBuf>, DataDirError> {
        let NodeIdentity { cluster, id, .. } = identity;
        let before = self.identity.get();
        if before.as_ref().is_some_and(|old| (old.cluster, old.id) == (cluster, id)) {
            return Err(DataDirError::SameIdAgain { path: self.path.clone(), cluster, id });
        }
        self.set_standing(MemberState::Shutdown)?;
        let aside = match before {
            Some(old) => move_away(&self.path, old.cluster, AsideKept::UntilMember)?,
            None => None,
        };
        self.write(identity)?;
        Ok(aside)
    }

    /// Records the state of the node in its cluster. A member needs no data of this cluster that was
    /// set aside when it was admitted.
    ///
    /// # Errors
    /// The identity cannot be written.
    pub fn set_standing(&mut self, standing: MemberState) -> Result<(), DataDirError> {
        self.identity.update(|identity| {
            let identity = identity.filter(|identity| identity.standing != standing)?.clone();
            Some(NodeIdentity { standing, rejoin: Vec::new(), ..identity })
        })?;
        self.delete_replaced();
        Ok(())
    }

    /// A member needs no data of its cluster that was set aside when it was admitted again. If they
    /// cannot be deleted, they only take space.
    fn delete_replaced(&self) {
        if let Some(NodeIdentity { cluster, standing: MemberState::Member, .. }) = self.identity.get() {
            delete_replaced(&self.path, cluster);
        }
    }

    fn write(&mut self, identity: NodeIdentity) -> Result<(), DataDirError> {
        self.identity.update(|_| Some(identity))
    }
}

fn check_not_empty(file: &Path) -> Result<(), DataDirError> {
    let damaged = |what: &str| Err(DataDirError::Damaged { path: file.to_owned(), what: what.to_owned() });
    match fs::metadata(file) {
        Ok(found) if found.len() > 0 => Ok(()),
        Ok(_) => damaged("it is empty"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => damaged("it is missing"),
        Err(source) => Err(DataDirError::Io { path: file.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests;
