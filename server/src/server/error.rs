//! Why a node cannot start.

use std::{io, net::SocketAddr};

use coffee_common::quic::EndpointError;

use crate::{
    config::{ConfigError, CredentialsError},
    node::raft::RaftError,
    storage::{disk::DataDirError, log::LogError, state::StateError},
};

/// Why a node cannot start. Nothing was changed, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificates or the key cannot be used, or are somebody else's.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// It cannot listen.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// It cannot listen for those who watch it.
    #[error("cannot listen on {address} (TCP) for metrics and health checks: {source}")]
    Admin {
        /// Where.
        address: SocketAddr,
        /// Why.
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
    /// Something that never fails did.
    #[error("{0}")]
    Internal(String),
}

impl StartError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> String {
        match self {
            Self::Config(error) => error.hint().to_owned(),
            Self::Credentials(error) => error.hint(),
            Self::DataDir(error) => error.hint().to_owned(),
            Self::Endpoint(error) => error.hint().to_owned(),
            Self::Admin { .. } => {
                "set admin.listen to another address, or take it out of the configuration".to_owned()
            }
            Self::Log(error) => error.hint().to_owned(),
            Self::State(error) => error.hint().to_owned(),
            Self::Raft(_) => "check the timers in the configuration".to_owned(),
            Self::Internal(_) => "start it again; if that does not help, report it".to_owned(),
        }
    }
}
