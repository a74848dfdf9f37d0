//! The leader's view of the cluster, on which it decides about leadership and membership.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use coffee_common::{
    command::NodeRecord,
    id::{Address, NodeId, NodeName},
};
use openraft::Instant;

use crate::node::replica::Metrics;

/// The cluster as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeaderView {
    /// The leader itself.
    pub(super) me: NodeId,
    /// Whether the membership has the leader's present address.
    pub(super) is_found: bool,
    /// The voters: two sets during a change.
    pub(super) voters: Vec<BTreeSet<NodeId>>,
    /// The learners.
    pub(super) learners: BTreeSet<NodeId>,
    /// The names of all members.
    pub(super) names: BTreeMap<NodeId, NodeName>,
    /// The time since the last contact with each other member.
    pub(super) last_contact: BTreeMap<NodeId, Duration>,
    /// The last log index at which each other member matches the leader.
    pub(super) matched: BTreeMap<NodeId, u64>,
    /// The last index of the leader's log.
    pub(super) last_log: u64,
    /// A node with contact within this time counts as alive.
    pub(super) recent: Duration,
    /// A node with contact within this time has answered since the operation began.
    /// No operation may depend on a node that has not: a node that lost power a
    /// moment ago also had recent contact.
    pub(super) since_asked: Duration,
}

impl LeaderView {
    /// Builds the view from the leader's metrics. `own` is the leader's present address, `since_asked`
    /// the time since the operation began.
    pub(super) fn of(metrics: &Metrics, own: &Address, recent: Duration, since_asked: Duration) -> Self {
        let membership = metrics.membership_config.membership();
        let heartbeat = metrics.heartbeat.iter().flatten();
        let replication = metrics.replication.iter().flatten();
        Self {
            me: metrics.id,
            is_found: membership.get_node(&metrics.id).is_none_or(|member| member.address == *own),
            voters: membership.get_joint_config().clone(),
            learners: membership.learner_ids().collect(),
            names: membership.nodes().map(|(id, member)| (*id, member.name.clone())).collect(),
            last_contact: heartbeat.filter_map(|(id, at)| Some((*id, (*at)?.elapsed()))).collect(),
            matched: replication.filter_map(|(id, log)| Some((*id, (*log)?.index))).collect(),
            last_log: metrics.last_log_index.unwrap_or(0),
            recent,
            since_asked: since_asked.min(recent),
        }
    }

    /// Whether a node is alive: the leader had contact with it recently.
    pub(super) fn is_there(&self, id: NodeId) -> bool {
        self.contact_within(id, self.recent)
    }

    /// Whether a node has answered since the operation began.
    pub(super) fn answers(&self, id: NodeId) -> bool {
        self.contact_within(id, self.since_asked)
    }

    fn contact_within(&self, id: NodeId, time: Duration) -> bool {
        id == self.me || self.last_contact.get(&id).is_some_and(|ago| *ago <= time)
    }

    /// The views that may follow soon: contact with all nodes, or with all but one. An
    /// objection that holds in all of these will not go away by waiting.
    pub(super) fn possible_views(&self) -> Vec<Self> {
        let others: Vec<NodeId> = self.names.keys().filter(|id| **id != self.me).copied().collect();
        let mut all_there = self.clone();
        all_there.last_contact = others.iter().map(|id| (*id, Duration::ZERO)).collect();
        for id in &others {
            all_there.matched.entry(*id).or_insert(self.last_log);
        }
        let all_but = |gone: &NodeId| {
            let mut view = all_there.clone();
            view.last_contact.remove(gone);
            view
        };
        let mut views: Vec<Self> = others.iter().map(all_but).collect();
        views.push(all_there);
        views
    }

    /// Whether a node is a voter.
    pub(super) fn votes(&self, id: NodeId) -> bool {
        self.voters.iter().any(|set| set.contains(&id))
    }

    /// Whether a node belongs to the cluster.
    pub(super) fn is_member(&self, id: NodeId) -> bool {
        self.votes(id) || self.learners.contains(&id)
    }

    /// The voters once the change in progress is settled.
    pub(super) fn settled_voters(&self) -> BTreeSet<NodeId> {
        self.voters.last().cloned().unwrap_or_default()
    }

    /// Returns the id of the member with this name.
    pub(super) fn member(&self, name: &NodeName) -> Option<NodeId> {
        self.names.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
    }

    /// Returns a node's name for messages.
    pub(super) fn name(&self, id: NodeId) -> String {
        self.names.get(&id).map_or_else(|| format!("node {id}"), ToString::to_string)
    }

    /// The number of entries by which a node's log lags the leader's, if known.
    pub(super) fn lag(&self, id: NodeId) -> Option<u64> {
        let matched = if id == self.me { Some(self.last_log) } else { self.matched.get(&id).copied() };
        matched.map(|matched| self.last_log.saturating_sub(matched))
    }
}

/// Finds the record of a node by name.
pub(super) fn find<'a>(records: &'a [NodeRecord], name: &NodeName) -> Option<&'a NodeRecord> {
    records.iter().find(|record| record.name == *name)
}
