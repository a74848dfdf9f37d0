//! The parts of the applied state that are looked at often, or watched.

use std::sync::{
    PoisonError, RwLock,
    atomic::{AtomicU32, Ordering},
};

use coffee_common::{command::Command, feature_level::FeatureLevel, setting::ClusterSettings};
use tokio::sync::watch;

use crate::storage::state::{Database, StateError};

#[derive(Default)]
pub(super) struct WatchedState {
    /// The feature level of the cluster.
    level: AtomicU32,
    /// The settings in force.
    settings: RwLock<ClusterSettings>,
    /// Signalled when the revocation lists may have changed.
    revocations: watch::Sender<()>,
}

impl WatchedState {
    /// Whether a command may change any of these.
    pub(super) fn may_change_by(command: &Command) -> bool {
        matches!(command, Command::RaiseLevel(_) | Command::ChangeSetting(_) | Command::SetRevocationList(_))
    }

    /// Takes them from the applied state, whose level this build must know.
    pub(super) fn look(&self, database: &Database) -> Result<(), StateError> {
        self.level.store(database.level()?.0, Ordering::Release);
        let set = database.store()?.settings().map_err(|error| database.fail(error))?;
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = ClusterSettings::of(set);
        self.revocations.send_replace(());
        Ok(())
    }

    pub(super) fn level(&self) -> FeatureLevel {
        FeatureLevel(self.level.load(Ordering::Acquire))
    }

    pub(super) fn settings(&self) -> ClusterSettings {
        *self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn revocations(&self) -> watch::Receiver<()> {
        self.revocations.subscribe()
    }
}
