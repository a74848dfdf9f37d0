//! Errors of the data directory, with hints.

use std::{
    borrow::Cow,
    io,
    path::{Path, PathBuf},
};

use coffee_common::{
    feature_level::{FeatureLevel, LEVEL_MAX},
    id::{ClusterId, NodeId, NodeName},
};

use super::work::OfflineWork;
use crate::storage::{corruption, no_space::no_space_hint, private_file};

/// The format of the data directory that this build writes and reads.
pub const FORMAT: u64 = 3;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is a symbolic link: none is followed.
    #[error("{} is a symbolic link", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// This process is root's, and the directory is not.
    #[error("{} belongs to {user}, and this is root", path.display())]
    OtherOwner {
        /// The directory.
        path: PathBuf,
        /// The name of its owner, or the number of one without a name.
        user: String,
    },
    /// Every user may replace its files.
    #[error("{} can be written by every user", path.display())]
    WritableByAll {
        /// The directory.
        path: PathBuf,
    },
    /// The path is not a directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Another process uses it.
    #[error("{} is in use by another process{}", path.display(), pid.as_ref().map(|pid| format!(" ({pid})")).unwrap_or_default())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process id, if it is known.
        pid: Option<String>,
    },
    /// It belongs to another node.
    #[error("{} holds the data of the node {found}, not of {expected}", path.display())]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// The node it belongs to.
        found: NodeName,
        /// The node of the configuration.
        expected: NodeName,
    },
    /// It must be empty and is not.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A restore or a recovery in it was interrupted.
    #[error("{} is incomplete: coffeed {} was interrupted in it", path.display(), work.verb())]
    Unfinished {
        /// The directory.
        path: PathBuf,
        /// The interrupted work.
        work: OfflineWork,
    },
    /// Its node was removed from its cluster.
    #[error("{} holds the data of a node that was removed from its cluster", path.display())]
    Removed {
        /// The directory.
        path: PathBuf,
    },
    /// It holds no data to work on.
    #[error("{} holds no data of a node", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// A newer version of coffeed wrote it.
    #[error("{} was written by a newer version of coffeed (format {format}; this build knows {FORMAT})", path.display())]
    Newer {
        /// The identity file.
        path: PathBuf,
        /// The format of the directory.
        format: u64,
    },
    /// A newer version of coffeed wrote it: its cluster is at a level that this build does not know.
    #[error("{} was written by a newer version of coffeed (level {level}; this build knows {LEVEL_MAX})", path.display())]
    NewerLevel {
        /// The identity file.
        path: PathBuf,
        /// The level of the data.
        level: FeatureLevel,
    },
    /// A version of coffeed before the first release wrote it.
    #[error("{} has format {format}, of a version before the first release; this build knows format {FORMAT}", path.display())]
    Older {
        /// The identity file.
        path: PathBuf,
        /// The format of the directory.
        format: u64,
    },
    /// A file does not hold what was written.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The check that failed.
        what: String,
    },
    /// The node had this id before, and would forget its vote.
    #[error("{} was node {id} of cluster {cluster} before", path.display())]
    SameIdAgain {
        /// The directory.
        path: PathBuf,
        /// The cluster.
        cluster: ClusterId,
        /// The id.
        id: NodeId,
    },
    /// There are databases, but no identity.
    #[error("{} is missing, but there is data", path.display())]
    NoIdentity {
        /// The identity file.
        path: PathBuf,
    },
}

impl DataDirError {
    /// The next step for the operator.
    pub fn hint(&self) -> Cow<'static, str> {
        let hint = match self {
            Self::Io { source, .. } => no_space_hint(source.kind())
                .unwrap_or("create the directory, or let coffeed's user write to it"),
            Self::Link { .. } => {
                "put the file itself into the data directory; the directory may be a link, its files may not"
            }
            Self::OtherOwner { user, .. } => {
                return format!("run it as that user: runuser -u {user} -- coffeed ...").into();
            }
            Self::WritableByAll { .. } => "make it its owner's alone: chmod 700 DIRECTORY",
            Self::NotADirectory { .. } => "set data_dir to a directory, or to a path that does not exist yet",
            Self::InUse { .. } => "stop the other coffeed first, or give this one its own data_dir",
            Self::OtherNode { .. } => "each node has its own data_dir: check name and data_dir",
            Self::Newer { .. } | Self::NewerLevel { .. } => corruption::NEWER,
            Self::Older { .. } => {
                "read the keys with the version that wrote it, and set them in a new cluster"
            }
            Self::SameIdAgain { .. } => "start the node again: it asks the cluster for another id",
            Self::Empty { .. } => "check name and data_dir",
            Self::NotEmpty { .. } => {
                "a backup is restored into an empty directory: move its content away, or set another data_dir"
            }
            Self::Unfinished { work: OfflineWork::Restore, .. } => {
                "run the same `coffeed restore` again: it starts over"
            }
            Self::Unfinished { work: OfflineWork::Recover, .. } => {
                "run `coffeed recover --yes` again: it continues where it was interrupted"
            }
            Self::Removed { .. } => {
                "its data may be old: recover from a remaining member, or restore a backup"
            }
            Self::Damaged { path, .. }
                if path.extension().is_some_and(|kind| kind == "redb" || kind == "wal") =>
            {
                corruption::REBUILD
            }
            Self::Damaged { .. } | Self::NoIdentity { .. } => {
                "move the directory away and let the node join again with an empty one (`join`, or `coffeectl boot`): \
                 it gets its data back from the others"
            }
        };
        hint.into()
    }

    /// Whether a newer version of coffeed wrote the directory.
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Newer { .. } | Self::NewerLevel { .. })
    }

    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match private_file::is_link(&source) {
            true => Self::Link { path },
            false => Self::Io { path, source },
        }
    }
}
