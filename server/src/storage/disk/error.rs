//! Why a data directory cannot be used, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use coffee_common::id::{ClusterId, NodeId, NodeName};

use super::work::OfflineWork;
use crate::storage::corruption;

/// The format of the data directory that this build writes and reads.
pub(super) const FORMAT: u64 = 1;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The file system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else is in its place.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// Where.
        path: PathBuf,
    },
    /// Somebody else uses it.
    #[error("{} is in use by another process{}", path.display(), pid.as_ref().map(|pid| format!(" ({pid})")).unwrap_or_default())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who, if that is known.
        pid: Option<String>,
    },
    /// It is another node's.
    #[error("{} holds the data of the node {found}, not of {expected}", path.display())]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: NodeName,
        /// Who asks.
        expected: NodeName,
    },
    /// There is something in it where nothing should be.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// Something was begun in it, and is not done.
    #[error("{} is half done: coffeed {} broke off in it", path.display(), work.verb())]
    Unfinished {
        /// The directory.
        path: PathBuf,
        /// What was begun.
        work: OfflineWork,
    },
    /// Its node was taken out of its cluster.
    #[error("{} holds the data of a node that was taken out of its cluster", path.display())]
    Removed {
        /// The directory.
        path: PathBuf,
    },
    /// There is nothing in it to set aside.
    #[error("{} holds no data of a node", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// A newer coffeed wrote it.
    #[error("{} has format {format}; this build knows format {FORMAT}", path.display())]
    Newer {
        /// The identity file.
        path: PathBuf,
        /// Its format.
        format: u64,
    },
    /// The identity is not what was written.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The identity file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The node was this already, and would forget whom it voted for.
    #[error("{} was node {id} of cluster {cluster} before", path.display())]
    SameIdAgain {
        /// The directory.
        path: PathBuf,
        /// The cluster.
        cluster: ClusterId,
        /// The id.
        id: NodeId,
    },
    /// There are databases, but nothing says whose.
    #[error("{} is not there, but data is", path.display())]
    NoIdentity {
        /// The identity file.
        path: PathBuf,
    },
}

impl DataDirError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space on that file system and start again; nothing was lost"
            }
            Self::Io { .. } => {
                "the directory has to exist or be creatable, and be writable for coffeed's user"
            }
            Self::NotADirectory { .. } => {
                "give data_dir the path of a directory, or one that does not exist yet"
            }
            Self::InUse { .. } => "stop the other coffeed first, or give this one its own data_dir",
            Self::OtherNode { .. } => "each node has its own data_dir: check name and data_dir",
            Self::Newer { .. } => "install the version of coffeed that wrote it, or a newer one",
            Self::SameIdAgain { .. } => "start the node again: it asks the cluster for another id",
            Self::Empty { .. } => "there is nothing to work on: check name and data_dir",
            Self::NotEmpty { .. } => {
                "a backup is restored into an empty directory: move away what is in it, or name another data_dir"
            }
            Self::Unfinished { work: OfflineWork::Restore, .. } => {
                "run the same `coffeed restore` again: it begins anew"
            }
            Self::Unfinished { work: OfflineWork::Recover, .. } => {
                "run `coffeed recover --yes` again: it goes on where it broke off"
            }
            Self::Removed { .. } => {
                "it may be far behind: recover from a member that is left, or restore a backup"
            }
            Self::Damaged { path, .. }
                if path.extension().is_some_and(|kind| kind == "redb" || kind == "wal") =>
            {
                corruption::REBUILD
            }
            Self::Damaged { .. } | Self::NoIdentity { .. } => {
                "move the directory away and let the node join again with an empty one (`join`, not `bootstrap`): \
                 it gets its data back from the others"
            }
        }
    }

    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
