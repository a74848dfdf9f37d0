//! One shop: a server that is open or closed.

use std::time::Duration;

use coffee_common::{
    id::{Address, NodeName},
    protocol::LifecyclePhase,
    setting::Setting,
};
use coffeectl::{exit::ExitCode, failure::Failure};
use coffeed::{Closed, Config, Server};
use futures_util::FutureExt;

use super::premises::ShopConfig;

/// How long closing a shop may take.
const CLOSING: Duration = Duration::from_secs(10);

/// A demo writes little, and the disk of its folder may be memory.
const DISK_FREE_BYTES_MIN: u64 = 16 << 20;

/// A shop of the demo.
pub(super) struct Shop {
    config: ShopConfig,
    server: Option<Server>,
}

impl Shop {
    /// Returns a closed shop.
    pub(super) fn new(config: ShopConfig) -> Self {
        Self { config, server: None }
    }

    pub(super) fn name(&self) -> &NodeName {
        &self.config.name
    }

    pub(super) fn address(&self) -> Address {
        self.config.listen.into()
    }

    /// Whether it was ever open.
    pub(super) fn has_data(&self) -> bool {
        self.config.data_dir.exists()
    }

    pub(super) fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// Whether it serves. A removed node closes on its own.
    pub(super) fn is_open(&self) -> bool {
        self.server.as_ref().is_some_and(|server| {
            server.closed().now_or_never().is_none() && server.status().phase != LifecyclePhase::Stopping
        })
    }

    /// Waits until it has closed, if it is closing.
    pub(super) async fn settle(&self) {
        if let Some(server) = self.server.as_ref().filter(|_| !self.is_open()) {
            let _ = tokio::time::timeout(CLOSING, server.closed()).await;
        }
    }

    /// Drops a server that has ended; returns the cause if it failed.
    pub(super) fn reap(&mut self) -> Option<String> {
        let ended = self.server.as_ref()?.closed().now_or_never()?;
        self.server = None;
        match ended {
            Closed::Failed(cause) | Closed::Damaged(cause) | Closed::Newer(cause) => {
                Some(format!("{} has failed: {cause}", self.config.name))
            }
            Closed::Stopped | Closed::Removed => None,
        }
    }

    /// Whether it is open and belongs to no cluster.
    pub(super) fn waits(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.status().phase == LifecyclePhase::Waiting)
    }

    /// Opens it, unless it is open: with its data, or waiting to be booted.
    pub(super) async fn open(&mut self) -> Result<(), Failure> {
        if self.is_open() {
            return Ok(());
        }
        self.close().await;
        let ShopConfig { name, listen, data_dir, tls } = self.config.clone();
        let config = Config::new(name, listen, data_dir, tls);
        let started = Server::builder(config).start().await;
        self.server = Some(started.map_err(|error| {
            Failure::new(ExitCode::Failed, format!("{} failed to open: {error}", self.config.name))
                .hint(error.hint())
        })?);
        Ok(())
    }

    /// Founds the cluster, if it is open.
    pub(super) async fn found(&self) -> Result<(), Failure> {
        let Some(server) = &self.server else { return Ok(()) };
        let founded = server.found().await.map(|_| ());
        founded.map_err(|error| Failure::new(ExitCode::Failed, format!("no cluster is founded: {error}")))?;
        server.local_client()?.set_setting(Setting::DiskFreeBytesMin(DISK_FREE_BYTES_MIN)).await?;
        Ok(())
    }

    /// Closes it and waits for that. Its data stays.
    pub(super) async fn close(&mut self) {
        if let Some(server) = self.server.take() {
            // After the timeout, the next start continues from the data on disk.
            let _ = tokio::time::timeout(CLOSING, server.shutdown()).await;
        }
    }
}
