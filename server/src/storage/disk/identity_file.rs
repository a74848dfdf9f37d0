//! The identity of a node on disk, and the feature level that is noted in it.
//!
//! Guards that the level is noted durably before anything of that level reaches the log or the
//! state. An older version reads the identity first, and refuses the directory before it meets what
//! it would take for damage.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use coffee_common::feature_level::FeatureLevel;

use super::{DataDirError, IDENTITY, NodeIdentity, files};

/// The file with a node's identity. The data directory and the level marks share it.
#[derive(Debug)]
pub(super) struct IdentityFile {
    folder: PathBuf,
    current: Mutex<Option<NodeIdentity>>,
}

impl IdentityFile {
    pub(super) fn new(folder: &Path, current: Option<NodeIdentity>) -> Arc<Self> {
        Arc::new(Self { folder: folder.to_owned(), current: Mutex::new(current) })
    }

    /// The identity; `None` if the node never belonged to a cluster.
    pub(super) fn get(&self) -> Option<NodeIdentity> {
        self.lock().clone()
    }

    /// Writes what `change` makes of the identity, durably. Does nothing if that is `None`.
    pub(super) fn update(
        &self,
        change: impl FnOnce(Option<&NodeIdentity>) -> Option<NodeIdentity>,
    ) -> Result<(), DataDirError> {
        let mut current = self.lock();
        let Some(identity) = change(current.as_ref()) else { return Ok(()) };
        files::replace(&self.folder, IDENTITY, identity.to_text().as_bytes())?;
        *current = Some(identity);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<NodeIdentity>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the feature level of a node's data in its identity. Cheap to clone. The default notes
/// nothing: for data without a directory.
#[derive(Debug, Clone, Default)]
pub struct LevelMark(Option<Arc<IdentityFile>>);

impl LevelMark {
    pub(super) fn new(file: &Arc<IdentityFile>) -> Self {
        Self(Some(Arc::clone(file)))
    }

    /// Notes a level, unless it or a higher one is noted: durably, when this returns. Blocks on the
    /// disk.
    ///
    /// # Errors
    /// The identity cannot be written.
    pub(in crate::storage) fn raise(&self, level: FeatureLevel) -> io::Result<()> {
        let Some(file) = &self.0 else { return Ok(()) };
        let raised = |identity: Option<&NodeIdentity>| {
            let lower = identity.filter(|identity| identity.level < level)?;
            Some(NodeIdentity { level, ..lower.clone() })
        };
        file.update(raised).map_err(io::Error::other)
    }
}
