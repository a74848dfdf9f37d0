//! Why the log cannot be used, in words for people.

use std::{
    fmt::Display,
    io::{self, ErrorKind},
};

use crate::storage::soundness;

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database cannot be opened, read or written.
    #[error("{file}: {source}")]
    Database {
        /// Which file.
        file: String,
        /// Why.
        source: Box<redb::Error>,
    },
    /// What is in it is not what was written.
    #[error("{file} is damaged: {what}")]
    Damaged {
        /// Which file.
        file: String,
        /// What does not fit.
        what: String,
    },
    /// The thread that writes cannot be started.
    #[error("the log writer cannot be started: {0}")]
    Thread(#[source] io::Error),
}

impl LogError {
    /// The entry at `index` is damaged.
    pub(super) fn damaged(file: &str, index: u64, what: impl Display) -> Self {
        Self::Damaged { file: file.to_owned(), what: format!("log entry {index}: {what}") }
    }

    /// The database failed.
    pub(super) fn database(file: &str, error: impl Into<redb::Error>) -> Self {
        let (file, source) = (file.to_owned(), error.into());
        match soundness::damage(&source) {
            Some(what) => Self::Damaged { file, what },
            None => Self::Database { file, source: Box::new(source) },
        }
    }

    /// Whether the file is not what was written: starting again is of no use.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        let full = |error: &io::Error| error.kind() == ErrorKind::StorageFull;
        match self {
            Self::Damaged { .. } => soundness::REBUILD,
            Self::Database { source, .. } if matches!(&**source, redb::Error::Io(error) if full(error)) => {
                "free some space on that file system and start again; nothing that was acknowledged is lost"
            }
            Self::Database { source, .. } if matches!(**source, redb::Error::DatabaseAlreadyOpen) => {
                "stop the other process that uses it first"
            }
            Self::Database { .. } => {
                "check the disk and the permissions of the data directory, then start again"
            }
            Self::Thread(_) => "check the limits on threads and memory of coffeed, then start again",
        }
    }
}
