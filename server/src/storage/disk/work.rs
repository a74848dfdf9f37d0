//! The offline work that changes a data directory in several steps.

/// Work that may be found half done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfflineWork {
    /// Restoring a backup.
    Restore,
    /// Recovering a cluster that lost its quorum.
    Recover,
}

impl OfflineWork {
    /// The verb of coffeed that does it.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Recover => "recover",
        }
    }
}
