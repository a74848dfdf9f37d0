//! Combines the statuses of the nodes into a view of the cluster.
//!
//! Pure. Guards that the view claims nothing that no node reported: a leader
//! counts only if it is reachable and most reachable voters follow it.

use std::collections::{BTreeMap, BTreeSet};

use coffee_common::{
    command::{MemberState, NodeRecord},
    feature_level::FeatureLevel,
    id::{Address, ClusterId, NodeId, NodeName},
    protocol::{ClusterView, LifecyclePhase, NodeState, NodeStatus, NodeView, RaftRole, RaftStatus},
};

/// A node that the asked node knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterNode {
    /// Its latest id.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// The address where other nodes reach it.
    pub address: Address,
    /// Its state on record; `None` if it is not on record yet.
    pub standing: Option<MemberState>,
}

impl ClusterNode {
    pub(super) fn of_record(record: NodeRecord) -> Self {
        let NodeRecord { id, name, address, standing, .. } = record;
        Self { id, name, address, standing: Some(standing) }
    }
}

type StatusByName = BTreeMap<NodeName, NodeStatus>;

/// Composes the view from the nodes that the asked node knows and the statuses of
/// the reachable ones. `known` is ordered by id; `reached` includes the asked node.
pub(super) fn compose(asked: &NodeStatus, known: Vec<ClusterNode>, reached: &StatusByName) -> ClusterView {
    let raft = asked.raft.as_ref();
    let snapshot = ClusterSnapshot::of(raft, &known, reached);
    let leader = snapshot.leader();
    let mut nodes: Vec<NodeView> = known.iter().map(|node| snapshot.view(node, leader)).collect();
    if raft.is_none() {
        nodes.push(alone(asked));
    }
    let (voters_in_reach, may_lose) = snapshot.strength();
    let quorum_silent_ms = snapshot.quorum_silent_ms(leader);
    // A quorum that answers this node and not the leader bears no loss.
    let may_lose = if quorum_silent_ms.is_some() { 0 } else { may_lose };
    ClusterView {
        cluster: raft.map(|raft| raft.cluster),
        asked: asked.name.clone(),
        leader: leader.map(|(name, _)| name.clone()),
        term: snapshot.term(leader),
        joint: snapshot.voters().len() > 1,
        voters: count(snapshot.all_voters().len()),
        voters_in_reach: count(voters_in_reach),
        may_lose: count(may_lose),
        quorum_silent_ms,
        join_requests: leader.map_or_else(Vec::new, |(_, raft)| raft.join_requests.clone()),
        writes_refused: leader.and_then(|(name, _)| reached.get(name)?.writes_refused.clone()),
        nodes,
        level: snapshot.level(),
        disk_free_bytes_min: snapshot.latest().map(|raft| raft.disk_free_bytes_min),
    }
}

/// The statuses of the members.
struct ClusterSnapshot<'a> {
    asked: Option<&'a RaftStatus>,
    /// The nodes that answered under the id on record.
    members: BTreeMap<NodeId, (&'a NodeName, &'a RaftStatus)>,
    reached: &'a StatusByName,
}

type LeaderAnswer<'a> = (&'a NodeName, &'a RaftStatus);

impl<'a> ClusterSnapshot<'a> {
    fn of(asked: Option<&'a RaftStatus>, known: &[ClusterNode], reached: &'a StatusByName) -> Self {
        let answers = known.iter().filter_map(|node| {
            let (name, status) = reached.get_key_value(&node.name)?;
            let raft = status.raft.as_ref()?;
            (raft.id == node.id && Some(raft.cluster) == asked.map(|asked| asked.cluster))
                .then_some((node.id, (name, raft)))
        });
        Self { asked, members: answers.collect(), reached }
    }

    /// The view of the most advanced node.
    fn latest(&self) -> Option<&'a RaftStatus> {
        let views = self.members.values().map(|(_, raft)| *raft).chain(self.asked);
        views.max_by_key(|raft| (raft.applied, raft.last_log))
    }

    fn voters(&self) -> &'a [Vec<NodeId>] {
        self.latest().map_or(&[], |raft| &raft.voters)
    }

    /// The feature level of the cluster: that of the node that has applied it first.
    fn level(&self) -> Option<FeatureLevel> {
        self.members.values().map(|(_, raft)| raft.level).max()
    }

    fn all_voters(&self) -> BTreeSet<NodeId> {
        self.voters().iter().flatten().copied().collect()
    }

    /// The node that claims leadership in the highest term, if most reachable voters follow it.
    fn leader(&self) -> Option<LeaderAnswer<'a>> {
        let leaders = self.members.values().filter(|(_, raft)| raft.role == RaftRole::Leader);
        let leader = *leaders.max_by_key(|(_, raft)| raft.term)?;
        let voters = self.all_voters();
        let in_reach = || self.members.iter().filter(|(id, _)| voters.contains(id));
        let follow = in_reach().filter(|(_, (_, raft))| raft.leader == Some(leader.1.id)).count();
        (2 * follow > in_reach().count()).then_some(leader)
    }

    fn term(&self, leader: Option<LeaderAnswer<'_>>) -> u64 {
        let highest = self.members.values().map(|(_, raft)| raft.term).max().unwrap_or(0);
        leader.map_or(highest, |(_, raft)| raft.term)
    }

    /// The number of reachable voters, and how many of them may fail.
    fn strength(&self) -> (usize, usize) {
        let there = |id: &NodeId| self.members.contains_key(id);
        let spare = self.voters().iter().map(|set| {
            let in_reach = set.iter().filter(|id| there(id)).count();
            in_reach.saturating_sub(set.len() / 2 + 1)
        });
        (self.all_voters().iter().filter(|id| there(id)).count(), spare.min().unwrap_or(0))
    }

    /// How long the leader has heard no quorum, in milliseconds, if that is longer than the lease.
    fn quorum_silent_ms(&self, leader: Option<LeaderAnswer<'_>>) -> Option<u64> {
        let (name, raft) = leader?;
        let lease_ms = self.reached.get(name)?.pace.timers.election_timeout_max_ms;
        // A single voter is a quorum, and hears none.
        raft.quorum_heard_ms.filter(|ms| *ms > lease_ms && self.all_voters().len() > 1)
    }

    fn view(&self, node: &ClusterNode, leader: Option<LeaderAnswer<'_>>) -> NodeView {
        let status = self.reached.get(&node.name);
        let raft = self.members.get(&node.id).map(|(_, raft)| *raft);
        let votes = self.all_voters().contains(&node.id);
        let other_cluster = status.and_then(|status| self.other_cluster(status));
        NodeView {
            name: node.name.clone(),
            id: (node.standing != Some(MemberState::Announced)).then_some(node.id),
            address: node.address.clone(),
            role: raft.map(|raft| role(raft.role, votes)),
            state: state(node, status, raft.is_some(), votes, other_cluster.is_some()),
            lag: leader.and_then(|(_, leader)| lag(leader, node.id)),
            applied: raft.map(|raft| raft.applied),
            version: status.map(|status| status.version.clone()),
            level: status.map(|status| status.level),
            pace: status.map(|status| status.pace.clone()),
            revocation_lists: status.map(|status| status.revocation_lists.clone()).unwrap_or_default(),
            certificate_until_s: status.map(|status| status.certificate.valid_until_s),
            disk_free_bytes: status.and_then(|status| status.disk_free_bytes),
            other_cluster,
        }
    }

    /// The node's cluster, if it differs from the asked node's.
    fn other_cluster(&self, status: &NodeStatus) -> Option<ClusterId> {
        let (own, theirs) = (self.asked?.cluster, status.raft.as_ref()?.cluster);
        (theirs != own).then_some(theirs)
    }
}

/// Returns a node's role. A new voter may not know yet that it is one.
fn role(own: RaftRole, votes: bool) -> RaftRole {
    match own {
        RaftRole::Learner if votes => RaftRole::Follower,
        own => own,
    }
}

fn state(
    node: &ClusterNode,
    status: Option<&NodeStatus>,
    takes_part: bool,
    votes: bool,
    is_elsewhere: bool,
) -> NodeState {
    let Some(status) = status else {
        return match node.standing {
            Some(MemberState::Shutdown) => NodeState::Shutdown,
            Some(MemberState::Announced) => NodeState::Announced,
            _ => NodeState::Unreachable,
        };
    };
    match status.phase {
        LifecyclePhase::Stopping => NodeState::Stopping,
        LifecyclePhase::Opening => NodeState::Starting,
        LifecyclePhase::Waiting => NodeState::Waiting,
        LifecyclePhase::Joining | LifecyclePhase::Running if is_elsewhere => NodeState::OtherCluster,
        // It is a voter and has not recorded that yet.
        LifecyclePhase::Joining if takes_part && votes => NodeState::Up,
        LifecyclePhase::Joining => NodeState::Joining,
        // A removed node that does not know it yet.
        LifecyclePhase::Running
            if matches!(node.standing, Some(MemberState::Shutdown | MemberState::Announced)) =>
        {
            NodeState::Stopping
        }
        LifecyclePhase::Running if takes_part => NodeState::Up,
        LifecyclePhase::Running => NodeState::Joining,
    }
}

fn lag(leader: &RaftStatus, id: NodeId) -> Option<u64> {
    if id == leader.id {
        return Some(0);
    }
    let matched = leader.matched.iter().find(|(node, _)| *node == id);
    matched.map(|(_, matched)| leader.last_log.0.saturating_sub(matched.0))
}

/// The view of a node that belongs to no cluster.
fn alone(asked: &NodeStatus) -> NodeView {
    NodeView {
        name: asked.name.clone(),
        id: None,
        address: asked.address.clone(),
        role: None,
        state: match asked.phase {
            LifecyclePhase::Opening => NodeState::Starting,
            LifecyclePhase::Waiting => NodeState::Waiting,
            LifecyclePhase::Joining | LifecyclePhase::Running => NodeState::Joining,
            LifecyclePhase::Stopping => NodeState::Stopping,
        },
        lag: None,
        applied: None,
        version: Some(asked.version.clone()),
        level: Some(asked.level),
        pace: Some(asked.pace.clone()),
        revocation_lists: asked.revocation_lists.clone(),
        certificate_until_s: Some(asked.certificate.valid_until_s),
        disk_free_bytes: asked.disk_free_bytes,
        other_cluster: None,
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
