//! What a leader sees when it decides about leadership and membership.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use coffee_common::{
    command::NodeRecord,
    id::{NodeId, NodeName},
};
use openraft::Instant;

use crate::node::replica::Metrics;

/// The cluster in the eyes of its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeaderView {
    /// The leader itself.
    pub(super) me: NodeId,
    /// Who votes. Two sets while a change is under way.
    pub(super) voters: Vec<BTreeSet<NodeId>>,
    /// Who follows without a vote.
    pub(super) learners: BTreeSet<NodeId>,
    /// The names of them all.
    pub(super) names: BTreeMap<NodeId, NodeName>,
    /// How long ago each of the others was heard.
    pub(super) heard: BTreeMap<NodeId, Duration>,
    /// How far the log of each of the others matches.
    pub(super) matched: BTreeMap<NodeId, u64>,
    /// The last entry of the leader's log.
    pub(super) last_log: u64,
    /// Whoever was heard within this time is not lost.
    pub(super) lately: Duration,
    /// Whoever was heard within this time has answered since the question came
    /// up: nothing may hang on one who has not, since a node that lost its power a
    /// moment ago was heard lately too.
    pub(super) since_asked: Duration,
}

impl LeaderView {
    /// What the leader's metrics say, on a question that came up so long ago.
    pub(super) fn of(metrics: &Metrics, lately: Duration, since_asked: Duration) -> Self {
        let membership = metrics.membership_config.membership();
        let heartbeat = metrics.heartbeat.iter().flatten();
        let replication = metrics.replication.iter().flatten();
        Self {
            me: metrics.id,
            voters: membership.get_joint_config().clone(),
            learners: membership.learner_ids().collect(),
            names: membership.nodes().map(|(id, member)| (*id, member.name.clone())).collect(),
            heard: heartbeat.filter_map(|(id, at)| Some((*id, (*at)?.elapsed()))).collect(),
            matched: replication.filter_map(|(id, log)| Some((*id, (*log)?.index))).collect(),
            last_log: metrics.last_log_index.unwrap_or(0),
            lately,
            since_asked: since_asked.min(lately),
        }
    }

    /// Whether a node was heard lately.
    pub(super) fn is_there(&self, id: NodeId) -> bool {
        self.heard_within(id, self.lately)
    }

    /// Whether a node has answered since the question came up.
    pub(super) fn answers(&self, id: NodeId) -> bool {
        self.heard_within(id, self.since_asked)
    }

    fn heard_within(&self, id: NodeId, time: Duration) -> bool {
        id == self.me || self.heard.get(&id).is_some_and(|ago| *ago <= time)
    }

    /// The view as it may look in a while: everybody heard, or everybody but
    /// one. What stands against something in all of these will not go away by
    /// waiting.
    pub(super) fn possible_views(&self) -> Vec<Self> {
        let others: Vec<NodeId> = self.names.keys().filter(|id| **id != self.me).copied().collect();
        let mut all_there = self.clone();
        all_there.heard = others.iter().map(|id| (*id, Duration::ZERO)).collect();
        for id in &others {
            all_there.matched.entry(*id).or_insert(self.last_log);
        }
        let all_but = |gone: &NodeId| {
            let mut view = all_there.clone();
            view.heard.remove(gone);
            view
        };
        let mut possible_views: Vec<Self> = others.iter().map(all_but).collect();
        possible_views.push(all_there);
        possible_views
    }

    /// Whether a node has a vote.
    pub(super) fn votes(&self, id: NodeId) -> bool {
        self.voters.iter().any(|set| set.contains(&id))
    }

    /// Whether a node belongs to the cluster.
    pub(super) fn is_member(&self, id: NodeId) -> bool {
        self.votes(id) || self.learners.contains(&id)
    }

    /// Who votes once no change is under way any more.
    pub(super) fn settled_voters(&self) -> BTreeSet<NodeId> {
        self.voters.last().cloned().unwrap_or_default()
    }

    /// The member of this name.
    pub(super) fn member(&self, name: &NodeName) -> Option<NodeId> {
        self.names.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
    }

    /// What people call a node.
    pub(super) fn name(&self, id: NodeId) -> String {
        self.names.get(&id).map_or_else(|| format!("node {id}"), ToString::to_string)
    }

    /// How many entries a node's log is behind the leader's, if that is known.
    pub(super) fn lag(&self, id: NodeId) -> Option<u64> {
        let matched = if id == self.me { Some(self.last_log) } else { self.matched.get(&id).copied() };
        matched.map(|matched| self.last_log.saturating_sub(matched))
    }
}

/// The record of a name.
pub(super) fn find<'a>(records: &'a [NodeRecord], name: &NodeName) -> Option<&'a NodeRecord> {
    records.iter().find(|record| record.name == *name)
}

/// The record of an id.
pub(super) fn find_id(records: &[NodeRecord], id: NodeId) -> Option<&NodeRecord> {
    records.iter().find(|record| record.id == id)
}
