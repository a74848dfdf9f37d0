//! Calls about the cluster and its nodes.

use coffee_common::{
    id::{Address, NodeId, NodeName},
    protocol::{ClusterView, LogLevel, NodeStatus, Reload, Removal, Request, Response},
};
use tokio::time::Instant;

use super::Client;
use crate::error::Error;

/// A node that has a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booted {
    /// The node's id.
    pub id: NodeId,
    /// Whether it had no vote before.
    pub changed: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Leadership, handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// Who led.
    pub from: NodeName,
    /// Who leads.
    pub to: NodeName,
    /// Since which term.
    pub term: u64,
    /// Whether leadership moved.
    pub changed: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Whether a node can be stopped without losing the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanStop {
    /// Whether it can.
    pub yes: bool,
    /// Why, or why not.
    pub reason: String,
}

/// How much a node logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLogLevel {
    /// Which node.
    pub node: NodeName,
    /// How much it logs.
    pub level: LogLevel,
    /// Whether it was another level before.
    pub changed: bool,
}

impl Client {
    /// All nodes, as one of them can reach the others. Works without a quorum.
    pub async fn cluster(&self) -> Result<ClusterView, Error> {
        let Response::Cluster(view) = self.ask(Request::List).await? else { return Err(Error::misfit()) };
        let mut routes = self.shared.cache.routes();
        for node in view.nodes.iter().filter(|node| node.role.is_some()) {
            routes.learn(&node.name, &node.address);
        }
        Ok(*view)
    }

    /// The view that the first reachable endpoint has of itself.
    pub async fn status(&self) -> Result<NodeStatus, Error> {
        match self.ask(Request::Status).await? {
            Response::Status(status) => Ok(*status),
            _ => Err(Error::misfit()),
        }
    }

    /// How much the first reachable endpoint logs. With a level, it logs that
    /// much from now on, until it is started again. Takes the role admin.
    pub async fn log_level(&self, level: Option<LogLevel>) -> Result<NodeLogLevel, Error> {
        match self.ask(Request::LogLevel { level }).await? {
            Response::LogLevel { node, level, changed } => Ok(NodeLogLevel { node, level, changed }),
            _ => Err(Error::misfit()),
        }
    }

    /// Brings a waiting, new or shut down node in, and waits until it has a
    /// vote. The address may be left out if the cluster has a record of it.
    pub async fn boot(&self, node: NodeName, address: Option<Address>) -> Result<Booted, Error> {
        match self.ask(Request::Boot { node, address }).await? {
            Response::Booted { id, changed, took_ms } => Ok(Booted { id, changed, took_ms }),
            _ => Err(Error::misfit()),
        }
    }

    /// Hands leadership over, to the most caught-up node unless one is named.
    pub async fn transfer(&self, to: Option<NodeName>) -> Result<Transferred, Error> {
        match self.ask(Request::Transfer { to }).await? {
            Response::Transferred { from, to, term, changed, took_ms } => {
                Ok(Transferred { from, to, term, changed, took_ms })
            }
            _ => Err(Error::misfit()),
        }
    }

    /// Takes a node out of the cluster and shuts it down: the leader, unless
    /// one is named. A dry run only says what would be done.
    pub async fn down(&self, node: Option<NodeName>, dry_run: bool) -> Result<Removal, Error> {
        let begin = Instant::now();
        // Tried twice, "whoever leads" would be two nodes; a name stays the same.
        let node = match node {
            None if !dry_run => Some(self.leader().await?),
            named => named,
        };
        let rest = self.with_timeout(self.timeout.saturating_sub(begin.elapsed()));
        match rest.ask(Request::Down { node, dry_run }).await? {
            Response::Down(removal) => Ok(removal),
            _ => Err(Error::misfit()),
        }
    }

    /// Takes a node that is lost out of the cluster. A dry run only says what
    /// would be done.
    pub async fn remove(&self, node: NodeName, dry_run: bool) -> Result<Removal, Error> {
        match self.ask(Request::Remove { node, dry_run }).await? {
            Response::Removed(removal) => Ok(removal),
            _ => Err(Error::misfit()),
        }
    }

    /// Whether a node can be stopped without losing the quorum.
    pub async fn can_stop(&self, node: NodeName) -> Result<CanStop, Error> {
        match self.ask(Request::CanStop { node }).await? {
            Response::CanStop { yes, reason } => Ok(CanStop { yes, reason }),
            _ => Err(Error::misfit()),
        }
    }

    /// Has the first reachable endpoint take up what its configuration and
    /// certificates are by now, without a lost connection. Meant for
    /// [`Client::at`] one node.
    pub async fn reload(&self) -> Result<Reload, Error> {
        match self.ask(Request::Reload).await? {
            Response::Reloaded(reload) => Ok(*reload),
            _ => Err(Error::misfit()),
        }
    }

    async fn leader(&self) -> Result<NodeName, Error> {
        let view = self.cluster().await?;
        view.leader.ok_or_else(|| Error::Unavailable("the nodes in reach agree on no leader".into()))
    }
}
