//! The status of a node and of its cluster, as nodes report them.

use serde::{Deserialize, Serialize};

use crate::{
    bounded::at_most,
    command::NodeRecord,
    feature_level::FeatureLevel,
    id::{Address, ClusterId, NodeId, NodeName, Revision},
    limits::{CAS_MAX, CLUSTER_LISTS_MAX, NODES_MAX},
    protocol::{Identity, NodePace, Rejection},
    text,
};

/// More nodes than a cluster can have: it keeps a record of each, and members may have none yet.
const MEMBERS_MAX: usize = 2 * NODES_MAX;

/// More lists than a node can have: those of its file and those of the cluster.
const LISTS_MAX: usize = CAS_MAX + CLUSTER_LISTS_MAX;

/// The phase of a node's lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LifecyclePhase {
    /// Belongs to no cluster; waits for `boot`.
    Waiting,
    /// Asks to join, or catches up.
    Joining,
    /// Takes part in the cluster.
    Running,
    /// Shuts down.
    Stopping,
    /// Starts: opens its data. It shows its part in a cluster only afterwards.
    Opening,
}

/// A node's present role in Raft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RaftRole {
    /// Leads the cluster.
    Leader,
    /// Follows the leader and votes.
    Follower,
    /// Stands for election.
    Candidate,
    /// Follows the leader without a vote.
    Learner,
}

/// A node's own status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct NodeStatus {
    /// The node's name.
    pub name: NodeName,
    /// The address that the node advertises.
    pub address: Address,
    /// The node's version of coffeed.
    #[serde(deserialize_with = "text::word")]
    pub version: String,
    /// The phase of its lifecycle.
    pub phase: LifecyclePhase,
    /// The time since it started, in milliseconds.
    pub uptime_ms: u64,
    /// Its view of the cluster; `None` if it belongs to none.
    pub raft: Option<RaftStatus>,
    /// The certificate that it presents.
    pub certificate: CertificateStatus,
    /// When it started, by its own clock, in milliseconds since 1970. It differs between a process
    /// and its successor.
    pub started_at_ms: u64,
    /// Free disk space at the last check, in bytes.
    pub disk_free_bytes: Option<u64>,
    /// Why this node, as the leader, refuses writes that add data; `None` if it does not.
    #[serde(deserialize_with = "text::message_if_any")]
    pub writes_refused: Option<String>,
    /// How fast its disk, its processor and its links are.
    pub pace: NodePace,
    /// How it was left out of a restore or a recovery; `None` if it was not, as far as it knows.
    pub left_out: Option<LeftOut>,
    /// The revocation lists in force.
    #[serde(deserialize_with = "at_most::<_, _, LISTS_MAX>")]
    pub revocation_lists: Vec<RevocationListStatus>,
    /// The highest feature level that it knows.
    pub level: FeatureLevel,
    /// The time of its wall clock when it answered, in milliseconds since 1970; 0 if it is of a version
    /// that does not tell.
    pub clock_ms: u64,
}

/// How a node was left out of a restore or a recovery: its peers are in another cluster. It then
/// refuses reads and writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct LeftOut {
    /// The cluster of its peers.
    pub cluster: ClusterId,
    /// The address of one of them.
    pub from: Address,
    /// The peers that are there.
    #[serde(deserialize_with = "at_most::<_, _, MEMBERS_MAX>")]
    pub peers: Vec<NodeName>,
}

/// The serial number and expiry of a certificate in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct CertificateStatus {
    /// The serial number, in hexadecimal.
    #[serde(deserialize_with = "text::word")]
    pub serial: String,
    /// When it expires, in seconds since 1970.
    pub valid_until_s: u64,
}

/// A revocation list in force.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RevocationListStatus {
    /// The common name of its CA.
    #[serde(deserialize_with = "text::word")]
    pub ca: String,
    /// Its CRL number.
    pub number: u64,
}

/// A member's view of its cluster. Indexes are log indexes; 0 is before the first entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RaftStatus {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node's id.
    pub id: NodeId,
    /// The node's role.
    pub role: RaftRole,
    /// The node's term.
    pub term: u64,
    /// The leader that the node knows of.
    pub leader: Option<NodeId>,
    /// The last entry of its log.
    pub last_log: Revision,
    /// The last entry that it knows to be committed.
    pub committed: Revision,
    /// The last entry that it has applied.
    pub applied: Revision,
    /// The last entry in its latest snapshot.
    pub snapshot: Revision,
    /// The last entry that it has purged.
    pub purged: Revision,
    /// The voters; two sets during a membership change (joint consensus).
    #[serde(deserialize_with = "at_most::<_, _, MEMBERS_MAX>")]
    pub voters: Vec<Vec<NodeId>>,
    /// The members without a vote.
    #[serde(deserialize_with = "at_most::<_, _, MEMBERS_MAX>")]
    pub learners: Vec<NodeId>,
    /// On the leader, the last entry known to be in each member's log.
    #[serde(deserialize_with = "at_most::<_, _, MEMBERS_MAX>")]
    pub matched: Vec<(NodeId, Revision)>,
    /// On the leader, how long ago a quorum acknowledged it, in milliseconds; how long it leads, if
    /// none has yet.
    pub quorum_heard_ms: Option<u64>,
    /// On the leader, the nodes that ask to join and are not announced.
    #[serde(deserialize_with = "at_most::<_, _, MEMBERS_MAX>")]
    pub join_requests: Vec<NodeName>,
    /// The cluster's records of nodes.
    #[serde(deserialize_with = "at_most::<_, _, MEMBERS_MAX>")]
    pub nodes: Vec<NodeRecord>,
    /// The feature level of the cluster, as of the last entry that it has applied.
    pub level: FeatureLevel,
    /// The cluster's setting of this name, as of the same entry.
    pub disk_free_bytes_min: u64,
}

/// The outcome of reloading a node's configuration and certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// The node that reloaded.
    pub node: NodeName,
    /// The settings that changed, or whose files changed, such as `tls.cert`.
    #[serde(deserialize_with = "text::words")]
    pub changed: Vec<String>,
    /// The settings that changed and need a restart.
    #[serde(deserialize_with = "text::words")]
    pub needs_restart: Vec<String>,
    /// The peers whose connections were closed, since their certificates are no longer accepted.
    pub ended: Vec<Identity>,
    /// The certificate that the node presents now.
    pub certificate: CertificateStatus,
}

/// All nodes of a cluster, as one of them sees the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// The cluster; `None` if the asked node belongs to none.
    pub cluster: Option<ClusterId>,
    /// The asked node.
    pub asked: NodeName,
    /// The leader, if most reachable voters agree on one.
    pub leader: Option<NodeName>,
    /// The leader's term.
    pub term: u64,
    /// Whether a membership change is in progress (joint consensus).
    pub joint: bool,
    /// The number of voters.
    pub voters: u32,
    /// The number of voters that the asked node can reach.
    pub voters_in_reach: u32,
    /// The number of reachable voters that may fail before the quorum is lost.
    pub may_lose: u32,
    /// Why the leader refuses writes that add data; `None` if it does not.
    #[serde(deserialize_with = "text::message_if_any")]
    pub writes_refused: Option<String>,
    /// How long the leader has heard no quorum, in milliseconds, if that is longer than the lease;
    /// then no node may be lost.
    pub quorum_silent_ms: Option<u64>,
    /// The nodes that ask to join and are not announced.
    #[serde(deserialize_with = "at_most::<_, _, MEMBERS_MAX>")]
    pub join_requests: Vec<NodeName>,
    /// The nodes, ordered by id.
    #[serde(deserialize_with = "at_most::<_, _, MEMBERS_MAX>")]
    pub nodes: Vec<NodeView>,
    /// The feature level of the cluster, as the most advanced node reports it.
    pub level: Option<FeatureLevel>,
    /// The cluster's setting of this name, as the most advanced node reports it.
    pub disk_free_bytes_min: Option<u64>,
}

impl ClusterView {
    /// Returns the number of voters that are a majority.
    pub fn quorum(&self) -> u32 {
        self.voters / 2 + 1
    }

    /// Returns how many voters are in reach, how many may be lost, and which node leads: a line for people.
    pub fn strength(&self) -> String {
        let reach = format!("{} of {} voters in reach", self.voters_in_reach, self.voters);
        let lose = match self.may_lose {
            _ if self.voters_in_reach < self.quorum() => "no quorum".to_owned(),
            _ if self.quorum_silent_ms.is_some() => "but the leader hears no quorum".to_owned(),
            0 => "none may be lost".to_owned(),
            n => format!("{n} more may be lost"),
        };
        let leader = match &self.leader {
            Some(name) => format!("leader {name}, term {}", self.term),
            None => "no leader".to_owned(),
        };
        let joint = if self.joint { "; a membership change is in progress" } else { "" };
        format!("{reach}, {lose}; {leader}{joint}")
    }

    /// Returns the rejection of a request that needs a quorum, if too few voters are in reach.
    pub fn no_quorum(&self) -> Option<Rejection> {
        let votes = |node: &&NodeView| node.role.is_some_and(|role| role != RaftRole::Learner);
        let reached = self.nodes.iter().filter(votes).map(|node| node.name.clone()).collect();
        let too_few = self.voters > 0 && self.voters_in_reach < self.quorum();
        too_few.then_some(Rejection::NoQuorum { reached, voters: self.voters })
    }
}

/// One node in a [`ClusterView`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct NodeView {
    /// The node's name.
    pub name: NodeName,
    /// The node's id; `None` if it has none yet.
    pub id: Option<NodeId>,
    /// The address at which it is reached.
    pub address: Address,
    /// Its role; `None` if it belongs to no cluster or is unknown.
    pub role: Option<RaftRole>,
    /// Its state, as the asked node sees it.
    pub state: NodeState,
    /// The number of entries by which its log lags the leader's; `None` if unknown.
    pub lag: Option<u64>,
    /// The last entry that it has applied; `None` if unknown.
    pub applied: Option<Revision>,
    /// The node's version of coffeed; `None` if unknown.
    #[serde(deserialize_with = "text::word_if_any")]
    pub version: Option<String>,
    /// When its certificate expires, in seconds since 1970; `None` if unknown.
    pub certificate_until_s: Option<u64>,
    /// Free disk space at its last check, in bytes; `None` if unknown.
    pub disk_free_bytes: Option<u64>,
    /// Its cluster, if that is another one than the asked node's.
    pub other_cluster: Option<ClusterId>,
    /// How fast its disk, its processor and its links are; `None` if unknown.
    pub pace: Option<NodePace>,
    /// The revocation lists in force there; none if it does not answer.
    #[serde(deserialize_with = "at_most::<_, _, LISTS_MAX>")]
    pub revocation_lists: Vec<RevocationListStatus>,
    /// The highest feature level that it knows; `None` if unknown.
    pub level: Option<FeatureLevel>,
}

/// The state of a node, as another node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// Reachable, and takes part.
    Up,
    /// Reachable; catches up before it gets a vote.
    Joining,
    /// Reachable; waits for `boot`.
    Waiting,
    /// Reachable; shuts down.
    Stopping,
    /// Not reachable.
    Unreachable,
    /// Shut down by an operator.
    Shutdown,
    /// Reachable; opens its data.
    Starting,
    /// Reachable, and belongs to another cluster than the asked node: it was left out of a restore
    /// or a recovery.
    OtherCluster,
    /// Not reachable; announced, so it is admitted when it asks.
    Announced,
}

crate::enveloped!(NodeStatus, LeftOut, CertificateStatus, RevocationListStatus, RaftStatus, NodeView);

impl NodeState {
    /// Whether a node in this state is not a member.
    pub fn is_outside(self) -> bool {
        matches!(self, Self::Shutdown | Self::Waiting | Self::Announced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frame, protocol::RoundTrip};

    fn view(nodes: Vec<NodeView>) -> ClusterView {
        ClusterView {
            cluster: None,
            asked: "ming".parse().expect("legal"),
            leader: None,
            term: 1,
            joint: false,
            voters: 1,
            voters_in_reach: 1,
            may_lose: 0,
            writes_refused: Some("\u{1b}[2J".to_owned()),
            disk_free_bytes_min: None,
            quorum_silent_ms: None,
            join_requests: Vec::new(),
            nodes,
            level: None,
        }
    }

    fn node(version: &str, round_trips: usize) -> NodeView {
        let round_trip = RoundTrip { peer: "hong".parse().expect("legal"), now_us: 1, worst_us: 1 };
        NodeView {
            name: "ming".parse().expect("legal"),
            id: None,
            address: "ming:7400".parse().expect("legal"),
            role: None,
            state: NodeState::Up,
            lag: None,
            applied: None,
            version: Some(version.to_owned()),
            certificate_until_s: None,
            disk_free_bytes: None,
            other_cluster: None,
            pace: Some(NodePace { round_trips: vec![round_trip; round_trips], ..NodePace::default() }),
            revocation_lists: Vec::new(),
            level: None,
        }
    }

    fn received(view: &ClusterView) -> Option<ClusterView> {
        let frame = frame::encode(view).expect("encodes");
        frame::decode(&frame[frame::HEADER_BYTES..]).ok()
    }

    #[test]
    fn text_of_other_nodes_controls_no_terminal() {
        let long = "9".repeat(100_000);
        for (version, shown) in
            [("0.1.0", "0.1.0"), ("\u{1b}]0;x\u{7}", "\u{fffd}]0;x\u{fffd}"), (&long, &long[..80])]
        {
            let view = received(&view(vec![node(version, 2)])).expect("decodes");
            assert_eq!(view.nodes[0].version.as_deref(), Some(shown));
            assert_eq!(view.writes_refused.as_deref(), Some("\u{fffd}[2J"));
        }
    }

    #[test]
    fn a_node_cannot_report_more_than_a_cluster_has() {
        assert!(received(&view(vec![node("0.1.0", NODES_MAX)])).is_some());
        assert!(received(&view(vec![node("0.1.0", 10_000)])).is_none());
        assert!(received(&view(vec![node("0.1.0", 0); 10_000])).is_none());
    }
}
