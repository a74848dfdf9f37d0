//! One shop: a server that is open or not.

use std::time::Duration;

use coffee_client::cli::{exit::ExitCode, failure::Failure};
use coffee_common::{
    id::{Address, NodeName},
    protocol::LifecyclePhase,
};
use coffeed::{Closed, Config, Server};
use futures_util::FutureExt;

use super::premises::Place;

/// How long a shop that is closing may take.
const CLOSING: Duration = Duration::from_secs(10);

/// A shop of the demo.
pub(super) struct Shop {
    place: Place,
    server: Option<Server>,
}

impl Shop {
    /// It is closed at first.
    pub(super) fn new(place: Place) -> Self {
        Self { place, server: None }
    }

    pub(super) fn name(&self) -> &NodeName {
        &self.place.name
    }

    pub(super) fn address(&self) -> Address {
        self.place.listen.into()
    }

    /// Whether it was ever open.
    pub(super) fn has_data(&self) -> bool {
        self.place.data_dir.exists()
    }

    pub(super) fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// Whether it serves. One that was taken down closes by itself.
    pub(super) fn is_open(&self) -> bool {
        self.server.as_ref().is_some_and(|server| {
            server.closed().now_or_never().is_none() && server.status().phase != LifecyclePhase::Stopping
        })
    }

    /// Waits until it has closed, if it is about to.
    pub(super) async fn settle(&self) {
        if let Some(server) = self.server.as_ref().filter(|_| !self.is_open()) {
            let _ = tokio::time::timeout(CLOSING, server.closed()).await;
        }
    }

    /// Lets go of a server that has ended; says why, if it was not meant to.
    pub(super) fn bury(&mut self) -> Option<String> {
        let ended = self.server.as_ref()?.closed().now_or_never()?;
        self.server = None;
        match ended {
            Closed::Failed(cause) => Some(format!("{} has failed: {cause}", self.place.name)),
            Closed::Stopped | Closed::Removed => None,
        }
    }

    /// Whether it is open, and belongs to no cluster.
    pub(super) fn waits(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.status().phase == LifecyclePhase::Waiting)
    }

    /// Opens it, unless it is open: with the data that it has, as the first of
    /// a new cluster, or waiting for somebody to bring it in.
    pub(super) async fn open(&mut self, first: bool) -> Result<(), Failure> {
        if self.is_open() {
            return Ok(());
        }
        self.close().await;
        let Place { name, listen, data_dir, tls } = self.place.clone();
        let config = Config { bootstrap: first, ..Config::new(name, listen, data_dir, tls) };
        let started = Server::builder(config).start().await;
        self.server = Some(started.map_err(|error| {
            Failure::new(ExitCode::Failed, format!("{} does not open: {error}", self.place.name))
                .hint(error.hint())
        })?);
        Ok(())
    }

    /// Closes it, or waits until it has closed. Its data stays.
    pub(super) async fn close(&mut self) {
        if let Some(server) = self.server.take() {
            // What it could not finish in time it finds in its data the next time.
            let _ = tokio::time::timeout(CLOSING, server.shutdown()).await;
        }
    }
}
