//! The error of a failed start.

use std::{io, net::SocketAddr};

use coffee_common::quic::EndpointError;

use crate::{
    config::{ConfigError, CredentialsError},
    node::raft::RaftError,
    storage::{
        disk::DataDirError,
        log::LogError,
        poison::{FailureKind, StorageFailure},
        state::StateError,
    },
};

/// The reason why a node cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is inconsistent.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificates or the key cannot be used or belong to another identity.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The node cannot listen for QUIC connections.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The node cannot listen for metrics and health checks.
    #[error("cannot listen on {address} (TCP) for metrics and health checks: {source}")]
    Admin {
        /// The configured address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The node cannot listen for HTTP.
    #[error("cannot listen on {address} (TCP) for HTTP: {source}")]
    Http {
        /// The configured address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// Consensus cannot be started.
    #[error(transparent)]
    Raft(#[from] RaftError),
    /// The storage failed while consensus was started.
    #[error("storage failed: {0}")]
    Storage(StorageFailure),
    /// A bug, or an error that is not expected.
    #[error("{0}")]
    Internal(String),
}

impl StartError {
    /// Whether the log or the state is damaged: a restart does not help.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Log(error) => error.is_damage(),
            Self::State(error) => error.is_damage(),
            Self::Storage(failure) => failure.kind == FailureKind::Damage,
            _ => false,
        }
    }

    /// Whether a newer version of coffeed wrote the data.
    pub fn is_newer(&self) -> bool {
        match self {
            Self::DataDir(error) => error.is_newer(),
            Self::Log(error) => error.is_newer(),
            Self::State(error) => error.is_newer(),
            Self::Storage(failure) => failure.kind == FailureKind::Newer,
            _ => false,
        }
    }

    /// A hint for the operator: the next command or change to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Config(error) => error.hint().to_owned(),
            Self::Credentials(error) => error.hint(),
            Self::DataDir(error) => error.hint().into_owned(),
            Self::Endpoint(error) => error.hint().to_owned(),
            Self::Admin { .. } => {
                "set admin.listen to another address or remove it from the configuration".to_owned()
            }
            Self::Http { .. } => {
                "set http.listen to another address or remove it from the configuration".to_owned()
            }
            Self::Log(error) => error.hint().to_owned(),
            Self::State(error) => error.hint().to_owned(),
            Self::Raft(RaftError::Timers(_)) => "check the timers in the configuration".to_owned(),
            Self::Raft(RaftError::Fatal(_)) => {
                "start it again; if that does not help, check the disk of the data directory".to_owned()
            }
            Self::Storage(failure) => failure.hint().to_owned(),
            Self::Internal(_) => "restart it; if that does not help, report a bug".to_owned(),
        }
    }
}
