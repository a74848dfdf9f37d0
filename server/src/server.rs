//! A node as one object: started, asked how it is, stopped.
//!
//! The composition root: nobody else knows all the parts. How a node starts
//! is a story told in `start`, how it lives in `life`, how it stops in
//! `shutdown`. Guards that a host program keeps its own: no
//! subscriber, signal handler, panic hook or process-wide provider is
//! installed, and whatever happens, the process goes on.

mod accept;
mod builder;
mod error;
mod join;
mod lifecycle;
mod mode;
mod monitor;
mod reload;
mod replica_runtime;
mod shutdown;
mod start;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use coffee_client::Client;
use coffee_common::{
    id::Address,
    protocol::{NodeStatus, Reload},
    quic::EndpointOptions,
    tls::Credentials,
};
use tokio::sync::watch;

use self::reload::Reloading;
pub use self::{builder::Builder, error::StartError, reload::ReloadError};
use crate::{
    api::admin::Admin,
    config::Config,
    node::{Node, replica::Replica},
    ops::status::{
        self,
        ready::{self, ReadinessResult},
    },
};

/// A node that has been started.
///
/// Dropped, it stops as with [`Server::shutdown`], which nobody then waits for.
pub struct Server {
    node: Arc<Node>,
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    options: EndpointOptions,
    reloading: Arc<Reloading>,
    stop: watch::Sender<bool>,
    closed: watch::Receiver<Option<Closed>>,
}

/// How a node has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// It was asked to stop. Started again, it goes on.
    Stopped,
    /// The cluster has taken it out. Started again, it waits to be booted.
    Removed,
    /// It could not go on, for this reason. What it has acknowledged is safe:
    /// with a quorum of the others, and with itself as far as its disk allows.
    Failed(Arc<str>),
}

impl Server {
    /// Begins to set up a node.
    pub fn builder(config: Config) -> Builder {
        Builder::new(config)
    }

    /// The UDP address that it listens on, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The TCP address where those who watch it are answered, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Where other nodes reach it.
    pub fn advertised(&self) -> &Address {
        self.node.address()
    }

    /// Its view of itself.
    pub fn status(&self) -> NodeStatus {
        status::own(&self.node)
    }

    /// Its metrics in Prometheus' text format, version 0.0.4: what `/metrics`
    /// shows, but for those of the process, which are the host program's.
    pub async fn metrics(&self) -> String {
        Admin::new(Arc::clone(&self.node)).metrics().await
    }

    /// Whether it is ready to serve, and why or why not: what `/readyz` says.
    pub async fn readiness(&self) -> Vec<ReadinessResult> {
        ready::readiness(&self.node).await
    }

    /// Its part in its cluster, while it has one: for those who look inside, as
    /// a simulation does.
    pub fn replica(&self) -> Option<Arc<Replica>> {
        self.node.replica()
    }

    /// Shows that the node is alive: returns once its consensus has answered, and
    /// its log has come back from the disk. Does not return while one of them
    /// hangs, which is what to watch for. `false`: consensus has stopped.
    /// A node without a part in a cluster has neither, and answers at once.
    pub async fn pulse(&self) -> bool {
        match self.node.replica() {
            Some(replica) => replica.pulse().await,
            None => true,
        }
    }

    /// A client that begins with this node, and acts with the node's own credentials.
    pub fn local_client(&self) -> Result<Client, coffee_client::Error> {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        Client::builder()
            .endpoints([address.into()])
            .credentials(self.node.credentials())
            .endpoint_options(self.options.clone())
            .build()
    }

    /// Takes up what the configuration (see [`Builder::config_source`]) and the
    /// files that it names are by now: certificate, key, CAs and revocation
    /// list, limits, and the log level (see [`Builder::log_control`]). New connections show and believe what is new; those that exist go
    /// on, but for those of others who would not be let in any more. Names the
    /// settings that are others by now and count only after a restart.
    ///
    /// All of it takes effect, or nothing: with an error the node goes on with
    /// what it had.
    pub async fn reload(&self) -> Result<Reload, ReloadError> {
        self.reloading.reload(None).await
    }

    /// The same, with this configuration.
    pub async fn reload_with(&self, config: Config) -> Result<Reload, ReloadError> {
        self.reloading.reload(Some(config)).await
    }

    /// The same for credentials that the host program has in memory. They have
    /// to be this node's.
    pub async fn renew(&self, credentials: Credentials) -> Result<Reload, ReloadError> {
        self.reloading.renew(credentials).await
    }

    /// Stops in good order: hands leadership over, finishes what is in flight,
    /// makes the state durable, and lets go of the data directory. The
    /// membership does not change. Returns how the node has ended, which may
    /// have been before.
    pub async fn shutdown(&self) -> Closed {
        self.stop.send_replace(true);
        self.closed().await
    }

    /// Waits until the node has ended, for whatever reason, and says how.
    pub async fn closed(&self) -> Closed {
        match self.closed.clone().wait_for(Option::is_some).await.as_deref() {
            Ok(Some(closed)) => closed.clone(),
            _ => Closed::Failed("the node's own task was lost".into()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
