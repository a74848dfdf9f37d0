//! Options of a node that its host program sets before it starts.

use std::sync::Arc;

use coffee_common::{
    quic::{Endpoint, EndpointOptions},
    tls::Credentials,
};

use super::{
    Server, StartError,
    start::{self, Setup},
};
use crate::{
    config::{Config, ConfigError, LogLevel},
    storage::state::Databases,
};

/// Configures and starts a [`Server`]; created by [`Server::builder`].
#[must_use]
pub struct Builder {
    setup: Setup,
}

impl Builder {
    pub(super) fn new(config: Config) -> Self {
        Self { setup: Setup::new(config) }
    }

    /// Uses these credentials instead of the files that the configuration names.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.setup.credentials = Some(credentials);
        self
    }

    /// Sets the options of the node's QUIC endpoint.
    pub fn endpoint_options(mut self, options: EndpointOptions) -> Self {
        self.setup.options = options;
        self
    }

    /// Listens and dials with this endpoint instead of a new one. It must have
    /// been created with the node's credentials. A simulation brings an endpoint
    /// on its own network.
    #[doc(hidden)]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.setup.endpoint = Some(endpoint);
        self
    }

    /// Keeps log and state in these databases instead of the data directory,
    /// which then holds only the identity. A simulation brings databases on its
    /// own disk.
    #[doc(hidden)]
    pub fn databases(mut self, databases: Arc<dyn Databases>) -> Self {
        self.setup.databases = Some(databases);
        self
    }

    /// Sets the function that reads the configuration again for
    /// [`Server::reload`] and `coffeectl reload`. Without it the node keeps the
    /// configuration that it started with and reads only the files named there.
    ///
    /// The function runs on a thread that may block.
    pub fn config_source(
        mut self,
        source: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
    ) -> Self {
        self.setup.source = Some(Arc::new(source));
        self
    }

    /// Lets an operator read and change the log level remotely (`coffeectl
    /// log-level`). The library installs no logger, so only the host program
    /// can do this: `control` sets the level if one is given, and returns the
    /// level that was in force before. Without it `coffeectl log-level` is
    /// rejected as not supported.
    pub fn log_control(
        mut self,
        control: impl Fn(Option<LogLevel>) -> LogLevel + Send + Sync + 'static,
    ) -> Self {
        self.setup.log_control = Some(Arc::new(control));
        self
    }

    /// Starts the node. Returns once it listens and, if it has
    /// data, is a member of its cluster. A node that joins continues to
    /// join in the background.
    ///
    /// Must be called within a tokio runtime; the node's tasks run there.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the configuration, the credentials, the data directory
    /// or a port cannot be used.
    pub async fn start(self) -> Result<Server, StartError> {
        start::start(self.setup).await
    }
}
