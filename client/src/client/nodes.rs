//! Calls about the cluster and its nodes.

use coffee_common::{
    id::{Address, ClusterId, NodeId, NodeName},
    protocol::{
        ChangedSetting, ClusterView, LogLevel, NodeEvents, NodeState, NodeStatus, NodeView, RaisedLevel,
        Rejection, Reload, Removal, Request, Response, SettingView,
    },
    setting::{Setting, SettingName},
};
use tokio::time::{Instant, timeout};

use super::Client;
use crate::{channel::Health, error::Error};

/// A node that was made a voter, or announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booted {
    /// The node's id; `None` if it does not answer: then it is announced, and is admitted when it asks.
    pub id: Option<NodeId>,
    /// Whether it became a voter, or was announced, with this call.
    pub changed: bool,
    /// Whether it was a voter, and is reached at another address since this call.
    pub moved: bool,
    /// Duration in milliseconds.
    pub took_ms: u64,
}

/// A transfer of leadership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// The previous leader.
    pub from: NodeName,
    /// The current leader: another than asked for if that one lost the election.
    pub to: NodeName,
    /// The current term.
    pub term: u64,
    /// Whether the leader changed.
    pub changed: bool,
    /// Duration in milliseconds.
    pub took_ms: u64,
}

/// Whether a node can be stopped without losing the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanStop {
    /// Whether the node can be stopped.
    pub yes: bool,
    /// The reason for the verdict.
    pub reason: String,
}

/// A revocation list that the cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterList {
    /// Its CRL number.
    pub number: u64,
    /// Whether the cluster has it because of this call.
    pub changed: bool,
}

/// The log level of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLogLevel {
    /// The node.
    pub node: NodeName,
    /// Its log level.
    pub level: LogLevel,
    /// Whether the call changed the level.
    pub changed: bool,
}

/// A cluster that a node founded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundedCluster {
    /// The cluster.
    pub cluster: ClusterId,
    /// Whether this call founded it.
    pub changed: bool,
}

impl Client {
    /// Makes the node found a new cluster. It must be the first endpoint, have no data
    /// and belong to no cluster. Meant for a client of one node: see [`Client::at`].
    /// Check first that no other node belongs to a cluster, as `coffeectl init` does.
    ///
    /// # Errors
    /// [`Error::Refused`] if the node has or had data, or belongs to a cluster that it
    /// did not found; [`Error::Denied`] if the role does not allow it; otherwise as
    /// [`Client::boot`].
    pub async fn found(&self, node: NodeName) -> Result<FoundedCluster, Error> {
        match self.ask(Request::Found { node }).await? {
            Response::Founded { cluster, changed } => Ok(FoundedCluster { cluster, changed }),
            _ => Err(Error::misfit()),
        }
    }

    /// Returns all nodes of the cluster, as seen by the first reachable endpoint. Works
    /// without a quorum.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Identity`] if no node can be reached.
    pub async fn cluster(&self) -> Result<ClusterView, Error> {
        let Response::Cluster(view) = self.ask(Request::List).await? else { return Err(Error::misfit()) };
        let mut routes = self.shared.cache.routes();
        for node in view.nodes.iter().filter(|node| node.role.is_some()) {
            routes.learn(&node.name, &node.address);
        }
        Ok(*view)
    }

    /// Returns the status of the first reachable endpoint.
    ///
    /// # Errors
    /// As [`Client::cluster`].
    pub async fn status(&self) -> Result<NodeStatus, Error> {
        match self.ask(Request::Status).await? {
            Response::Status(status) => Ok(*status),
            _ => Err(Error::misfit()),
        }
    }

    /// Returns the latest events of the first reachable endpoint with a number above `after`, at most
    /// `limit`; 0 for all that it remembers. Meant for a client of one node: see [`Client::at`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the node runs an older version; otherwise as [`Client::cluster`].
    pub async fn events(&self, after: u64, limit: u32) -> Result<NodeEvents, Error> {
        match self.ask(Request::Events { after, limit }).await? {
            Response::Events(events) => Ok(events),
            _ => Err(Error::misfit()),
        }
    }

    /// Gives the cluster a revocation list (DER) that a trusted CA has signed. Every node puts it to
    /// use: connections of revoked certificates end. Idempotent. Requires the role `admin`.
    ///
    /// # Errors
    /// [`Error::Refused`] unless the list is valid and newer than the cluster's, and if too few voters
    /// would remain; [`Error::Denied`] if the role does not allow it; otherwise as [`Client::boot`].
    pub async fn revoke(&self, list: Vec<u8>) -> Result<ClusterList, Error> {
        match self.ask(Request::Revoke { list }).await? {
            Response::Revoked { number, changed } => Ok(ClusterList { number, changed }),
            _ => Err(Error::misfit()),
        }
    }

    /// Raises the feature level of the cluster to the highest one that all members know; with
    /// `dry_run` only reports it. No older version of coffeed can take part afterwards, and the level
    /// never falls. Idempotent. Requires the role `admin`.
    ///
    /// # Errors
    /// [`Error::Refused`] if a member knows less than another one, or does not answer;
    /// [`Error::Denied`] if the role does not allow it; otherwise as [`Client::boot`].
    pub async fn finish_upgrade(&self, dry_run: bool) -> Result<RaisedLevel, Error> {
        match self.ask(Request::FinishUpgrade { dry_run }).await? {
            Response::LevelRaised(raised) => Ok(raised),
            _ => Err(Error::misfit()),
        }
    }

    /// Returns all settings of the cluster, as the leader knows them: text for those that only newer
    /// nodes know.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn settings(&self) -> Result<Vec<SettingView>, Error> {
        match self.ask(Request::Settings).await? {
            Response::Settings(settings) => Ok(settings),
            _ => Err(Error::misfit()),
        }
    }

    /// Changes a setting of the cluster, which holds at every node as soon as it has applied the
    /// change. Idempotent. Requires the role `admin`.
    ///
    /// # Errors
    /// As [`Client::change_setting`].
    pub async fn set_setting(&self, setting: Setting) -> Result<ChangedSetting, Error> {
        self.change_setting(setting.name().as_str(), Some(&setting.value())).await
    }

    /// Gives a setting of the cluster its default again. Idempotent. Requires the role `admin`.
    ///
    /// # Errors
    /// As [`Client::change_setting`].
    pub async fn unset_setting(&self, name: SettingName) -> Result<ChangedSetting, Error> {
        self.change_setting(name.as_str(), None).await
    }

    /// Changes a setting of the cluster by its name, which may be one that only newer nodes know;
    /// without a value gives it its default again. Idempotent. Requires the role `admin`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no such setting, or it cannot have this value;
    /// [`Error::Refused`] below the feature level that brought it; [`Error::Denied`] if the role does
    /// not allow it; otherwise as [`Client::boot`].
    pub async fn change_setting(&self, name: &str, value: Option<&str>) -> Result<ChangedSetting, Error> {
        let request = Request::ChangeSetting { name: name.to_owned(), value: value.map(str::to_owned) };
        match self.ask(request).await? {
            Response::SettingChanged(changed) => Ok(changed),
            _ => Err(Error::misfit()),
        }
    }

    /// Writes the record of a node again. Returns whether it has one.
    ///
    /// # Errors
    /// [`Error::Refused`] below the feature level that brought it; otherwise as [`Client::boot`].
    #[cfg(coffee_future)]
    pub async fn future_touch(&self, node: NodeName) -> Result<bool, Error> {
        match self.ask(Request::FutureTouch(node)).await? {
            Response::Done { changed } => Ok(changed),
            _ => Err(Error::misfit()),
        }
    }

    /// Returns the log level of the first reachable endpoint; with a level, sets it
    /// until the next restart. Requires the role `admin`.
    ///
    /// # Errors
    /// [`Error::Denied`] if the role does not allow it; otherwise as
    /// [`Client::cluster`].
    pub async fn log_level(&self, level: Option<LogLevel>) -> Result<NodeLogLevel, Error> {
        match self.ask(Request::LogLevel { level }).await? {
            Response::LogLevel { node, level, changed } => Ok(NodeLogLevel { node, level, changed }),
            _ => Err(Error::misfit()),
        }
    }

    /// Adds a waiting, new or shut down node to the cluster and waits until it is a
    /// voter. Announces one that does not answer, so that it is admitted when it asks to join:
    /// without this no node is. The address may be omitted if the cluster has a record of it or the
    /// node asks to join. A voter that has moved to the address is reached there from then on.
    ///
    /// # Errors
    /// [`Error::Refused`] if a safety check forbids it, [`Error::NotFound`] if the node
    /// is unknown, [`Error::Denied`] if the role does not allow it,
    /// [`Error::Unavailable`] if nothing was done, [`Error::Unknown`] if something may
    /// have been.
    pub async fn boot(&self, node: NodeName, address: Option<Address>) -> Result<Booted, Error> {
        match self.ask(Request::Boot { node, address }).await? {
            Response::Booted { id, changed, moved, took_ms } => {
                Ok(Booted { id: Some(id), changed, moved, took_ms })
            }
            Response::Announced(changed) => Ok(Booted { id: None, changed, moved: false, took_ms: 0 }),
            _ => Err(Error::misfit()),
        }
    }

    /// Makes the cluster reach a node at another address, where it must answer already. Returns
    /// whether the cluster had another address for it.
    ///
    /// # Errors
    /// As [`Client::boot`].
    pub async fn move_node(&self, node: NodeName, address: Address) -> Result<bool, Error> {
        match self.ask(Request::Move { node, address }).await? {
            Response::Done { changed } => Ok(changed),
            _ => Err(Error::misfit()),
        }
    }

    /// Transfers leadership, to the most up-to-date node unless one is named.
    ///
    /// # Errors
    /// As [`Client::boot`].
    pub async fn transfer(&self, to: Option<NodeName>) -> Result<Transferred, Error> {
        match self.ask(Request::Transfer { to }).await? {
            Response::Transferred { from, to, term, changed, took_ms } => {
                Ok(Transferred { from, to, term, changed, took_ms })
            }
            _ => Err(Error::misfit()),
        }
    }

    /// Removes a node from the cluster and shuts it down; the leader, unless one is
    /// named. A dry run only reports what would happen.
    ///
    /// # Errors
    /// As [`Client::boot`].
    pub async fn down(&self, node: Option<NodeName>, dry_run: bool) -> Result<Removal, Error> {
        let begin = Instant::now();
        // Retrying "the leader" could remove two nodes; a name stays the same.
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

    /// Waits until the first endpoint closes its connection: the last thing that a node does when
    /// it stops. Returns at once if it cannot be reached. Meant for a client of one node: see
    /// [`Client::at`].
    pub async fn stopped(&self) {
        let targets = self.shared.cache.routes().targets();
        let Some(target) = targets.first() else { return };
        let expect = target.expect();
        let connecting = self.shared.pool.channel(&target.address, &expect);
        if let Ok(Ok(channel)) = timeout(self.timeout, connecting).await {
            let _ = channel.health().wait_for(|health| *health == Health::Ended).await;
        }
    }

    /// Removes a lost node from the cluster. A dry run only reports what would happen.
    ///
    /// # Errors
    /// As [`Client::boot`].
    pub async fn remove(&self, node: NodeName, dry_run: bool) -> Result<Removal, Error> {
        match self.ask(Request::Remove { node, dry_run }).await? {
            Response::Removed(removal) => Ok(removal),
            _ => Err(Error::misfit()),
        }
    }

    /// Returns whether a node can be stopped without losing the quorum.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the node is unknown; otherwise as [`Client::get`].
    pub async fn can_stop(&self, node: NodeName) -> Result<CanStop, Error> {
        match self.ask(Request::CanStop { node }).await? {
            Response::CanStop { yes, reason } => Ok(CanStop { yes, reason }),
            _ => Err(Error::misfit()),
        }
    }

    /// Makes the first reachable endpoint reload its configuration and certificates
    /// without dropping connections. Meant for a client of one node: see
    /// [`Client::at`]. With `force` it also takes up a CA file that rejects the
    /// certificates of voters in reach.
    ///
    /// # Errors
    /// [`Error::Refused`] if the configuration is not valid, or its CA file rejects the
    /// certificates of voters in reach; [`Error::Denied`] if the role does not allow it;
    /// otherwise as [`Client::cluster`].
    pub async fn reload(&self, force: bool) -> Result<Reload, Error> {
        match self.ask(Request::Reload { force }).await? {
            Response::Reloaded(reload) => Ok(*reload),
            _ => Err(Error::misfit()),
        }
    }

    async fn leader(&self) -> Result<NodeName, Error> {
        let view = self.cluster().await?;
        let is_waiting = |node: &NodeView| matches!(node.state, NodeState::Waiting);
        if view.cluster.is_none() && view.nodes.iter().all(is_waiting) {
            return Err(Error::rejected(Rejection::NoCluster { node: view.asked, joining: false }));
        }
        if let Some(no_quorum) = view.no_quorum() {
            return Err(Error::rejected(no_quorum));
        }
        view.leader.ok_or_else(|| Error::Unavailable("the reachable nodes do not agree on a leader".into()))
    }
}
