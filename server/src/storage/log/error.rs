//! Errors of the log, with hints.

use std::{
    fmt::Display,
    io::{self, ErrorKind},
};

use super::{records::RecordFault, wal::LogFault};
use crate::storage::{corruption, no_space::no_space_hint};

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be opened, read or written.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// The cause.
        source: io::Error,
    },
    /// The file does not hold what was written.
    #[error("{file} is damaged: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// The check that failed.
        what: String,
    },
    /// A newer version of coffeed wrote the file.
    #[error("{file} was written by a newer version of coffeed: {what}")]
    Newer {
        /// The file.
        file: String,
        /// The part that this build does not know.
        what: String,
    },
    /// The writer thread cannot be started.
    #[error("the log writer cannot be started: {0}")]
    Thread(#[source] io::Error),
}

impl LogError {
    /// The entry at `index` is damaged.
    pub(super) fn damaged(file: &str, index: u64, what: impl Display) -> Self {
        Self::Damaged { file: file.to_owned(), what: format!("log entry {index}: {what}") }
    }

    /// The entry at `index` cannot be read.
    pub(super) fn record(file: &str, index: u64, fault: &RecordFault) -> Self {
        match fault.is_newer() {
            true => Self::Newer { file: file.to_owned(), what: format!("log entry {index}: {fault}") },
            false => Self::damaged(file, index, fault),
        }
    }

    /// The file cannot be used.
    pub(super) fn fault(file: &str, fault: impl Into<LogFault>) -> Self {
        let file = file.to_owned();
        match fault.into() {
            LogFault::Damage(what) => Self::Damaged { file, what },
            LogFault::Newer(what) => Self::Newer { file, what },
            LogFault::Io(source) if source.kind() == ErrorKind::UnexpectedEof => {
                Self::Damaged { file, what: "it is cut short".to_owned() }
            }
            LogFault::Io(source) => Self::Io { file, source },
        }
    }

    /// Whether the file is damaged: a restart does not help.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Whether a newer version of coffeed wrote the file.
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Newer { .. })
    }

    /// The next step for the operator.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => corruption::REBUILD,
            Self::Newer { .. } => corruption::NEWER,
            Self::Io { source, .. } if source.kind() == ErrorKind::ResourceBusy => {
                "stop the other process that uses it first"
            }
            Self::Io { source, .. } => no_space_hint(source.kind())
                .unwrap_or("check the disk and the permissions of the data directory, then start again"),
            Self::Thread(_) => "check the limits on threads and memory of coffeed, then start again",
        }
    }
}
