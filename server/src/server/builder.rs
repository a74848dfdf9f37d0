//! Sets a node up: what a host program may say before it starts one.

use std::sync::Arc;

use coffee_common::{
    quic::{Endpoint, EndpointOptions},
    tls::Credentials,
};

use super::{Server, StartError, reload::ConfigSource};
use crate::{
    config::{Config, ConfigError, LogLevel},
    node::LogControl,
    storage::databases::Databases,
};

/// Sets a [`Server`] up; made by [`Server::builder`].
///
/// A simulation brings its own credentials, which need no files, its own
/// endpoint, over a network of its own, and databases on a disk of its own.
pub struct Builder {
    pub(super) config: Config,
    pub(super) credentials: Option<Credentials>,
    pub(super) options: EndpointOptions,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) databases: Option<Arc<dyn Databases>>,
    pub(super) source: Option<ConfigSource>,
    pub(super) log_control: Option<LogControl>,
}

impl Builder {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            credentials: None,
            options: EndpointOptions::default(),
            endpoint: None,
            databases: None,
            source: None,
            log_control: None,
        }
    }

    /// Takes these credentials instead of the files that the configuration names.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// How the QUIC endpoint behaves.
    #[must_use]
    pub fn endpoint_options(mut self, options: EndpointOptions) -> Self {
        self.options = options;
        self
    }

    /// Listens and dials with this endpoint, instead of one of its own. Has to
    /// have been made with the node's credentials.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Keeps log and state here, instead of in the data directory, which then
    /// holds the identity alone.
    #[must_use]
    pub fn databases(mut self, databases: Arc<dyn Databases>) -> Self {
        self.databases = Some(databases);
        self
    }

    /// Where the configuration is read again for [`Server::reload`], and when
    /// an operator asks for it from afar. Without it, the one that the node was
    /// started with stays, and the files that it names are read again. Called on
    /// a thread that may wait for a disk.
    #[must_use]
    pub fn config_source(
        mut self,
        source: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
    ) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Lets an operator change how much is logged from afar (`coffeectl
    /// log-level`). The library installs no logger, so that only the host
    /// program can do it: `control` changes the level, if one is given, and
    /// returns the one that was in force before. Without it the operator hears
    /// that it is not supported.
    #[must_use]
    pub fn log_control(
        mut self,
        control: impl Fn(Option<LogLevel>) -> LogLevel + Send + Sync + 'static,
    ) -> Self {
        self.log_control = Some(Arc::new(control));
        self
    }

    /// Starts the node. Returns once it listens, and takes part if it has data
    /// or bootstraps; a node that joins goes on with that by itself.
    ///
    /// To be called within a tokio runtime, which the node then lives in.
    pub async fn start(self) -> Result<Server, StartError> {
        super::start::start(self).await
    }
}
