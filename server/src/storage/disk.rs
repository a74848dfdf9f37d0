//! The data directory: whose it is, and that nobody else uses it.
//!
//! ```text
//! LOCK            held for as long as the directory is in use
//! identity.toml   which cluster, which node, what it is there
//! log.wal         Raft's log
//! state.redb      the state
//! damaged-N       files that were set aside
//! unfinished.toml there while a restore or a recovery is under way
//! ```
//!
//! Everything here is checked before a database is opened: a directory of
//! another node, of a newer version, or one that is damaged, is refused and
//! left as it is.

mod error;
mod files;
mod identity;
mod rebuild;
mod space;
mod unfinished;
mod work;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use coffee_common::{command::MemberState, id::NodeName};

pub use self::{
    error::DataDirError,
    identity::NodeIdentity,
    rebuild::rebuild,
    space::{Space, SpaceProbe},
    unfinished::Unfinished,
    work::OfflineWork,
};

const IDENTITY: &str = "identity.toml";
const LOG: &str = "log.wal";
const STATE: &str = "state.redb";

/// A data directory, locked for this process.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
    identity: Option<NodeIdentity>,
}

impl DataDir {
    /// Opens the directory of the node `name`; makes it if it is not there.
    pub fn open(path: &Path, name: &NodeName) -> Result<Self, DataDirError> {
        files::create_folder(path)?;
        let lock = files::lock(path)?;
        unfinished::check_finished(path)?;
        let identity = Self::read_identity(path, name)?;
        // A member without its log has forgotten whom it voted for: it must not start empty.
        if identity.as_ref().is_some_and(|identity| identity.standing == MemberState::Member) {
            check_not_empty(&path.join(LOG))?;
            check_not_empty(&path.join(STATE))?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock, identity })
    }

    fn read_identity(path: &Path, name: &NodeName) -> Result<Option<NodeIdentity>, DataDirError> {
        let file = path.join(IDENTITY);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let data = [LOG, STATE].iter().any(|name| path.join(name).exists());
                return if data { Err(DataDirError::NoIdentity { path: file }) } else { Ok(None) };
            }
            Err(source) => return Err(DataDirError::Io { path: file, source }),
        };
        let identity = NodeIdentity::parse(&text, &file)?;
        if identity.name != *name {
            let (found, expected) = (identity.name, name.clone());
            return Err(DataDirError::OtherNode { path: path.to_owned(), found, expected });
        }
        Ok(Some(identity))
    }

    /// Who the node is, once it belongs to a cluster.
    pub fn identity(&self) -> Option<&NodeIdentity> {
        self.identity.as_ref()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the log.
    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// The file of the state.
    pub fn state_path(&self) -> PathBuf {
        self.path.join(STATE)
    }

    /// Starts a life in a cluster, which has let the node in: removes the
    /// databases of an earlier life, then says who the node is from now on. A
    /// crash between the two leaves a node that belongs to no cluster and waits
    /// to be let in anew.
    pub fn adopt(&mut self, identity: NodeIdentity) -> Result<(), DataDirError> {
        let NodeIdentity { cluster, id, .. } = identity;
        if self.identity.as_ref().is_some_and(|old| (old.cluster, old.id) == (cluster, id)) {
            return Err(DataDirError::SameIdAgain { path: self.path.clone(), cluster, id });
        }
        self.set_standing(MemberState::Shutdown)?;
        for name in [LOG, STATE] {
            files::remove(&self.path.join(name))?;
        }
        files::sync_folder(&self.path)?;
        self.write(identity)
    }

    /// Notes what the node is in its cluster.
    pub fn set_standing(&mut self, standing: MemberState) -> Result<(), DataDirError> {
        match self.identity.clone() {
            Some(identity) if identity.standing != standing => {
                self.write(NodeIdentity { standing, ..identity })
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, identity: NodeIdentity) -> Result<(), DataDirError> {
        files::replace(&self.path, IDENTITY, identity.to_text().as_bytes())?;
        self.identity = Some(identity);
        Ok(())
    }
}

fn check_not_empty(file: &Path) -> Result<(), DataDirError> {
    let damaged = |what: &str| Err(DataDirError::Damaged { path: file.to_owned(), what: what.to_owned() });
    match fs::metadata(file) {
        Ok(found) if found.len() > 0 => Ok(()),
        Ok(_) => damaged("it is empty"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => damaged("it is not there"),
        Err(source) => Err(DataDirError::Io { path: file.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests;
