//! The data directory: whose it is, and that nobody else uses it.
//!
//! ```text
//! LOCK            held for as long as the directory is in use
//! identity.toml   which cluster, which node, what it is there
//! log.redb        Raft's log
//! state.redb      the state
//! ```
//!
//! Everything here is checked before a database is opened: a directory of
//! another node, of a newer version, or one that is damaged, is refused and
//! left as it is.

mod identity;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use coffee_common::{command::Standing, id::NodeName};

pub use self::identity::NodeIdentity;

const LOCK: &str = "LOCK";
const IDENTITY: &str = "identity.toml";
const LOG: &str = "log.redb";
const STATE: &str = "state.redb";

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
    /// A newer coffeed wrote it.
    #[error("{} has format {format}; this build knows format {known}", path.display(), known = identity::FORMAT)]
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
            Self::InUse { .. } => "stop the other coffeed first, or give this one its own data_dir",
            Self::OtherNode { .. } => "each node has its own data_dir: check name and data_dir",
            Self::Newer { .. } => "install the version of coffeed that wrote it, or a newer one",
            Self::Damaged { .. } | Self::NoIdentity { .. } => {
                "move the directory away, then start with an empty one and `join`: the node gets its data back \
                 from the others"
            }
        }
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

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
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(DataDirError::io(path))?;
        let lock = lock(path)?;
        let identity = Self::read_identity(path, name)?;
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
        // A member without its log has forgotten whom it voted for: it must not start empty.
        let missing = [LOG, STATE].into_iter().find(|name| !path.join(name).exists());
        match missing {
            Some(missing) if identity.standing == Standing::Member => {
                Err(DataDirError::Damaged { path: path.join(missing), what: "it is not there".to_owned() })
            }
            _ => Ok(Some(identity)),
        }
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

    /// Starts a life in a cluster: removes the databases of an earlier one,
    /// then says who the node is from now on. A crash between the two leaves a
    /// node that belongs to no cluster and waits to be let in anew.
    pub fn adopt(&mut self, identity: NodeIdentity) -> Result<(), DataDirError> {
        self.set_standing(Standing::Shutdown)?;
        for name in [LOG, STATE] {
            remove(&self.path.join(name))?;
        }
        sync_folder(&self.path)?;
        self.write(identity)
    }

    /// Notes what the node is in its cluster.
    pub fn set_standing(&mut self, standing: Standing) -> Result<(), DataDirError> {
        match self.identity.clone() {
            Some(identity) if identity.standing != standing => {
                self.write(NodeIdentity { standing, ..identity })
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, identity: NodeIdentity) -> Result<(), DataDirError> {
        replace(&self.path, IDENTITY, identity.to_text().as_bytes())?;
        self.identity = Some(identity);
        Ok(())
    }
}

fn lock(folder: &Path) -> Result<File, DataDirError> {
    let path = folder.join(LOCK);
    let io = DataDirError::io;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(io(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.take(20).read_to_string(&mut pid);
            let pid = Some(pid.trim().to_owned()).filter(|pid| !pid.is_empty());
            return Err(DataDirError::InUse { path: folder.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(DataDirError::Io { path, source }),
    }
    // For whoever finds the directory in use.
    file.set_len(0).map_err(io(&path))?;
    file.rewind().map_err(io(&path))?;
    writeln!(file, "{}", std::process::id()).map_err(io(&path))?;
    Ok(file)
}

/// Replaces a file so that a crash at any point leaves the old or the new one.
fn replace(folder: &Path, name: &str, content: &[u8]) -> Result<(), DataDirError> {
    let aside = folder.join(format!("{name}.new"));
    let write = || {
        let mut file = File::create(&aside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&aside, folder.join(name))
    };
    write().map_err(DataDirError::io(&aside))?;
    sync_folder(folder)
}

fn remove(path: &Path) -> Result<(), DataDirError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(DataDirError::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn sync_folder(folder: &Path) -> Result<(), DataDirError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(DataDirError::io(folder))
}

#[cfg(test)]
mod tests {
    use coffee_common::id::{ClusterId, NodeId};

    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).expect("legal")
    }

    fn identity() -> NodeIdentity {
        NodeIdentity {
            cluster: ClusterId(0xc0ffee),
            id: NodeId(7),
            name: name("hong"),
            standing: Standing::Joining,
        }
    }

    fn adopted(path: &Path) {
        DataDir::open(path, &name("hong")).and_then(|mut dir| dir.adopt(identity())).expect("is adopted");
    }

    #[test]
    fn what_was_adopted_is_found_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("new/data");
        assert!(DataDir::open(&path, &name("hong")).expect("is made").identity().is_none());
        adopted(&path);
        let mut dir = DataDir::open(&path, &name("hong")).expect("opens");
        assert_eq!(dir.identity(), Some(&identity()));
        dir.set_standing(Standing::Shutdown).expect("is noted");
        drop(dir);
        let dir = DataDir::open(&path, &name("hong")).expect("opens");
        assert_eq!(dir.identity().map(|identity| identity.standing), Some(Standing::Shutdown));
    }

    #[test]
    fn two_processes_cannot_share_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let _first = DataDir::open(dir.path(), &name("hong")).expect("opens");
        let error = DataDir::open(dir.path(), &name("hong")).expect_err("is in use");
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    }

    #[test]
    fn what_is_not_ours_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        adopted(dir.path());
        let file = dir.path().join(IDENTITY);
        let good = fs::read_to_string(&file).expect("is there");
        let open = |as_name: &str| DataDir::open(dir.path(), &name(as_name)).expect_err("is refused");
        assert!(matches!(open("ming"), DataDirError::OtherNode { .. }));
        for (bad, damaged) in [
            (good.replace("format = 1", "format = 9"), false),
            (good.replace("id = 7", "id = 8"), true),
            (good[..good.len() / 2].to_owned(), true),
            (String::new(), true),
        ] {
            fs::write(&file, &bad).expect("writes");
            let error = open("hong");
            assert_eq!(matches!(error, DataDirError::Damaged { .. }), damaged, "{error}");
            assert_eq!(matches!(error, DataDirError::Newer { .. }), !damaged, "{error}");
            assert_eq!(fs::read_to_string(&file).expect("is there"), bad);
        }
        fs::remove_file(&file).expect("removes");
        fs::write(dir.path().join(LOG), b"x").expect("writes");
        assert!(matches!(open("hong"), DataDirError::NoIdentity { .. }));
    }

    #[test]
    fn adopting_starts_empty() {
        let dir = tempfile::tempdir().expect("a folder");
        adopted(dir.path());
        fs::write(dir.path().join(STATE), b"old").expect("writes");
        adopted(dir.path());
        assert!(!dir.path().join(STATE).exists());
    }

    #[test]
    fn a_member_without_its_log_does_not_start() {
        let dir = tempfile::tempdir().expect("a folder");
        adopted(dir.path());
        let mut data = DataDir::open(dir.path(), &name("hong")).expect("a joining node may start empty");
        data.set_standing(Standing::Member).expect("is noted");
        drop(data);
        assert!(matches!(DataDir::open(dir.path(), &name("hong")), Err(DataDirError::Damaged { .. })));
    }

    #[test]
    fn a_file_in_its_place_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("data");
        fs::write(&path, b"").expect("writes");
        assert!(matches!(DataDir::open(&path, &name("hong")), Err(DataDirError::Io { .. })));
    }
}
