//! The free space of a node's disk, and the sizes of its files.
//!
//! Guards that a hanging disk costs one thread only: a second probe waits for the
//! first, and each has a deadline.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::timeout};

use super::{LOG, STATE, keep_reserve};

/// How long the disk may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The space on a node's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that the node may still use.
    pub free_bytes: u64,
    /// The size of the file system, in bytes.
    pub total_bytes: u64,
    /// The size of the log, in bytes; `None` if there is none.
    pub log_bytes: Option<u64>,
    /// The size of the state, in bytes; `None` if there is none.
    pub state_bytes: Option<u64>,
    /// The bytes of the state that the file system has allocated.
    pub state_allocated_bytes: Option<u64>,
}

impl Space {
    /// Reads the space of a data directory. Blocks on the disk.
    fn of(folder: &Path) -> io::Result<Self> {
        let found = rustix::fs::statvfs(folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let file = |name: &str| fs::metadata(folder.join(name)).ok();
        let state = file(STATE);
        Ok(Self {
            free_bytes: bytes(found.f_bavail),
            total_bytes: bytes(found.f_blocks),
            log_bytes: file(LOG).map(|found| found.len()),
            state_bytes: state.as_ref().map(fs::Metadata::len),
            // In units of 512 bytes, whatever the file system.
            state_allocated_bytes: state.map(|found| found.blocks() * 512),
        })
    }
}

/// Reads the space of a data directory without blocking a task.
#[derive(Debug)]
pub struct SpaceProbe {
    folder: PathBuf,
    permit: Arc<Semaphore>,
    last: Mutex<Option<Space>>,
}

impl SpaceProbe {
    /// Creates a probe of this directory.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, permit: Arc::new(Semaphore::new(1)), last: Mutex::default() }
    }

    /// Reads the space on a thread that may block on the disk.
    ///
    /// # Errors
    /// The file system failed, or did not answer in time.
    pub async fn look(&self) -> io::Result<Space> {
        let looking = async {
            let permit = Arc::clone(&self.permit).acquire_owned().await.map_err(io::Error::other)?;
            let folder = self.folder.clone();
            let look = move || {
                let found = Space::of(&folder);
                drop(permit);
                found
            };
            tokio::task::spawn_blocking(look).await.map_err(io::Error::from)?
        };
        let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer"));
        let found = timeout(ANSWER_WITHIN, looking).await.unwrap_or_else(late);
        *self.lock() = found.as_ref().ok().copied();
        found
    }

    /// Keeps a reserve of this many bytes; see [`keep_reserve`]. A hanging disk costs
    /// no further thread: a probe waits for it too.
    ///
    /// # Errors
    /// The space cannot be allocated.
    pub async fn keep_reserve(&self, bytes: u64) -> io::Result<()> {
        let permit = Arc::clone(&self.permit).acquire_owned().await.map_err(io::Error::other)?;
        let folder = self.folder.clone();
        let keep = move || {
            let kept = keep_reserve(&folder, bytes);
            drop(permit);
            kept
        };
        tokio::task::spawn_blocking(keep).await.map_err(io::Error::from)?
    }

    /// The result of the last probe; `None` if it failed. Does not block.
    pub fn last(&self) -> Option<Space> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Space>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_sees_the_files_and_the_free_space() {
        let folder = tempfile::tempdir().expect("a folder");
        let probe = SpaceProbe::new(folder.path().to_owned());
        let before = probe.look().await.expect("looked");
        assert_eq!((before.log_bytes, before.state_bytes), (None, None));
        assert!(before.free_bytes > 0 && before.free_bytes <= before.total_bytes, "{before:?}");
        fs::write(folder.path().join(LOG), [1; 1000]).expect("written");
        let after = probe.look().await.expect("looked");
        assert_eq!((after.log_bytes, after.state_bytes), (Some(1000), None));
        assert_eq!(probe.last(), Some(after));
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let probe = SpaceProbe::new(folder.path().join("missing"));
        assert!(probe.look().await.is_err());
        assert_eq!(probe.last(), None);
    }

    #[tokio::test]
    async fn a_disk_that_hangs_costs_one_thread() {
        let probe = SpaceProbe::new("/".into());
        let _hangs = Arc::clone(&probe.permit).acquire_owned().await.expect("a permit");
        let error = probe.look().await.expect_err("another probe waits already");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
