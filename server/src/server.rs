//! A node as one object: start it, query it, stop it.
//!
//! The composition root: no other module knows all parts. `start` starts a node,
//! `lifecycle` runs it, `shutdown` stops it. Guards that the host program stays in
//! control: the library installs no log subscriber, signal handler, panic hook or
//! process-wide crypto provider, and never ends the process.

mod accept;
mod builder;
mod error;
mod join;
mod lifecycle;
mod listeners;
mod memory;
mod mode;
mod monitor;
mod reload;
mod replica_runtime;
mod shutdown;
mod start;
#[cfg(test)]
mod tests;
mod waiting_peers;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use coffee_client::Client;
use coffee_common::{
    id::{Address, ClusterId},
    protocol::{NodeStatus, Rejection, Reload, Response},
    quic::EndpointOptions,
    tls::Credentials,
};
use futures_util::future::BoxFuture;
use tokio::{sync::watch, time::Instant};

use self::reload::Reloading;
pub use self::{builder::Builder, error::StartError, reload::ReloadError};
use crate::{
    api::admin::Admin,
    config::Config,
    node::{
        Node,
        audit_log::{AuditEvent, AuditOutcome},
        replica::Replica,
    },
    ops::{
        membership::MembershipManager,
        status::{
            self,
            ready::{self, ReadinessResult},
        },
    },
    storage::corruption::{NEWER, REBUILD},
};

/// How long founding a cluster may take. It writes a few files and wins an election.
const FOUNDED_WITHIN: Duration = Duration::from_secs(30);

/// A running node.
///
/// Dropping it begins a [`Server::shutdown`] in the background.
pub struct Server {
    node: Arc<Node>,
    membership: MembershipManager,
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    http_address: Option<SocketAddr>,
    options: EndpointOptions,
    reloading: Arc<Reloading>,
    stop: watch::Sender<bool>,
    closed: watch::Receiver<Option<Closed>>,
}

/// How a node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The host program stopped it. After a restart it continues as a member.
    Stopped,
    /// The cluster removed it. After a restart it waits to be booted.
    Removed,
    /// It failed for this reason. Acknowledged writes are safe on a quorum of the
    /// other nodes, and on this node as far as its disk allows.
    Failed(Arc<str>),
    /// Its data is damaged, as described. A restart does not help, even where it
    /// succeeds. Acknowledged writes are safe on a quorum of the other nodes.
    Damaged(Arc<str>),
    /// A newer version of coffeed wrote its data, or leads its cluster at a feature level
    /// that this build does not know. Acknowledged writes are safe.
    Newer(Arc<str>),
}

impl Closed {
    /// How the node ends, as an event.
    fn sentence(&self) -> String {
        match self {
            Self::Stopped => "stops as planned".to_owned(),
            Self::Removed => "stops: the cluster has removed it".to_owned(),
            Self::Failed(why) | Self::Damaged(why) | Self::Newer(why) => format!("stops: {why}"),
        }
    }

    /// A hint for the operator after a failure: the next step.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Stopped | Self::Removed => None,
            Self::Failed(_) => Some("acknowledged writes are safe; read the node's log, then start it again"),
            Self::Damaged(_) => Some(REBUILD),
            Self::Newer(_) => Some(NEWER),
        }
    }
}

impl Server {
    /// Returns a builder for a node with this configuration.
    pub fn builder(config: Config) -> Builder {
        Builder::new(config)
    }

    /// The UDP address that the node listens on, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The TCP address that serves metrics and health checks, if configured.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The TCP address that serves clients over HTTP, if configured.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// The address where other nodes and clients reach it.
    pub fn advertised(&self) -> &Address {
        self.node.address()
    }

    /// Founds a new cluster with this node as its first member. Returns its id once the
    /// node leads. Without effect on a node that founded its cluster.
    ///
    /// Call it once in the life of a cluster: after the loss of its disk, a node must join
    /// the others again (`Config::join`, or `coffeectl boot`).
    ///
    /// # Errors
    ///
    /// [`Rejection::Refused`] unless the data directory was empty when the node started,
    /// and for a node that belongs to a cluster which it did not found.
    pub async fn found(&self) -> Result<ClusterId, Rejection> {
        let deadline = Instant::now() + FOUNDED_WITHIN;
        let result = boxed_found(&self.membership, deadline).await;
        let changed =
            result.as_ref().map(|founded| matches!(founded, Response::Founded { changed: true, .. }));
        self.log_act("init", changed);
        match result? {
            Response::Founded { cluster, .. } => Ok(cluster),
            _ => Err(Rejection::Unknown("an unexpected response (bug)".to_owned())),
        }
    }

    /// The node's own status. Needs no quorum.
    pub fn status(&self) -> NodeStatus {
        status::own(&self.node)
    }

    /// The node's metrics in Prometheus' text format, version 0.0.4: the content of
    /// `/metrics` without the process metrics, which belong to the host program.
    pub async fn metrics(&self) -> String {
        Admin::new(Arc::clone(&self.node)).metrics().await
    }

    /// The results of the readiness checks, as `/readyz` shows them.
    pub async fn readiness(&self) -> Vec<ReadinessResult> {
        boxed_readiness(&self.node).await
    }

    /// The node's replica, while it belongs to a cluster. For the simulator.
    #[doc(hidden)]
    pub fn replica(&self) -> Option<Arc<Replica>> {
        self.node.replica()
    }

    /// Probes liveness: returns once consensus has responded and the log's disk has
    /// completed a request. Does not return while one of them hangs, so call it with a
    /// timeout. Returns `false` if consensus has stopped. A node that belongs to no
    /// cluster has neither and returns `true` at once.
    pub async fn pulse(&self) -> bool {
        match self.node.replica() {
            Some(replica) => boxed_pulse(&replica).await,
            None => true,
        }
    }

    /// Returns a client that asks this node, and no other, with the node's own credentials. Here
    /// they permit what an admin may do; elsewhere the certificate of a node is not an admin's.
    ///
    /// # Errors
    ///
    /// Fails if the client's endpoint cannot be created.
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
            .follow_leader(false)
            .build()
    }

    /// Reloads the configuration (see [`Builder::config_source`]) and the files that
    /// it names: certificate, key, CAs, revocation list, limits and the log level (see
    /// [`Builder::log_control`]). New connections use the new certificates and CAs.
    /// Existing connections continue, except those of peers that the new credentials
    /// would reject. The result names the changed settings that need a restart.
    ///
    /// # Errors
    ///
    /// [`ReloadError`] if the configuration or the credentials cannot be used. Then
    /// nothing has changed.
    pub async fn reload(&self) -> Result<Reload, ReloadError> {
        let result = self.reloading.reload(None, false).await;
        self.log_act("reload", result.as_ref().map(|reload| !reload.changed.is_empty()));
        result
    }

    /// Like [`Server::reload`], with this configuration.
    ///
    /// # Errors
    ///
    /// As for [`Server::reload`].
    pub async fn reload_with(&self, config: Config) -> Result<Reload, ReloadError> {
        let result = self.reloading.reload(Some(config), false).await;
        self.log_act("reload", result.as_ref().map(|reload| !reload.changed.is_empty()));
        result
    }

    /// Like [`Server::reload`], with credentials that the host program has in memory.
    /// They must be this node's.
    ///
    /// # Errors
    ///
    /// [`ReloadError`] if the credentials cannot be used. Then nothing has changed.
    pub async fn renew(&self, credentials: Credentials) -> Result<Reload, ReloadError> {
        let result = self.reloading.renew(credentials).await;
        self.log_act("reload", result.as_ref().map(|reload| !reload.changed.is_empty()));
        result
    }

    /// Logs an act of the host program.
    fn log_act(&self, verb: &'static str, changed: Result<bool, &impl std::fmt::Display>) {
        self.node.audit_log().act(&AuditEvent {
            actor: None,
            verb,
            object: None,
            outcome: changed
                .as_ref()
                .map_or(AuditOutcome::Refused, |changed| AuditOutcome::Done { changed: *changed }),
            reason: changed.err().map(|error| error.to_string().into()),
        });
    }

    /// Stops the node cleanly: hands leadership over, finishes requests in flight,
    /// makes the state durable, and unlocks the data directory. The membership does
    /// not change. Returns how the node ended, which may have been earlier.
    pub async fn shutdown(&self) -> Closed {
        self.stop.send_replace(true);
        self.closed().await
    }

    /// Waits until the node begins to stop, for any reason.
    pub async fn stopping(&self) {
        self.node.stopping().await;
    }

    /// Waits until the node has ended, for any reason, and returns how.
    pub async fn closed(&self) -> Closed {
        match self.closed.clone().wait_for(Option::is_some).await.as_deref() {
            Ok(Some(closed)) => closed.clone(),
            _ => Closed::Failed("the node's lifecycle task panicked".into()),
        }
    }
}

fn boxed_found(
    membership: &MembershipManager,
    deadline: Instant,
) -> BoxFuture<'_, Result<Response, Rejection>> {
    Box::pin(membership.found(None, deadline))
}

fn boxed_readiness(node: &Arc<Node>) -> BoxFuture<'_, Vec<ReadinessResult>> {
    Box::pin(ready::readiness(node))
}

fn boxed_pulse(replica: &Replica) -> BoxFuture<'_, bool> {
    Box::pin(replica.pulse())
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
