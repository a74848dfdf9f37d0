//! The status of a node and of its cluster, as nodes report them.

use serde::{Deserialize, Serialize};

use crate::{
    command::NodeRecord,
    id::{Address, ClusterId, NodeId, NodeName, Revision},
    protocol::{Identity, NodePace, Rejection},
};

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
pub struct NodeStatus {
    /// The node's name.
    pub name: NodeName,
    /// The address that the node advertises.
    pub address: Address,
    /// The node's version of coffeed.
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
    pub writes_refused: Option<String>,
    /// How fast its disk, its processor and its links are.
    pub pace: NodePace,
    /// How it was left out of a restore or a recovery; `None` if it was not, as far as it knows.
    pub left_out: Option<LeftOut>,
}

/// How a node was left out of a restore or a recovery: its peers are in another cluster. It then
/// refuses reads and writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The cluster of its peers.
    pub cluster: ClusterId,
    /// The address of one of them.
    pub from: Address,
    /// The peers that are there.
    pub peers: Vec<NodeName>,
}

/// The serial number and expiry of a certificate in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// The serial number, in hexadecimal.
    pub serial: String,
    /// When it expires, in seconds since 1970.
    pub valid_until_s: u64,
}

/// A member's view of its cluster. Indexes are log indexes; 0 is before the first entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub voters: Vec<Vec<NodeId>>,
    /// The members without a vote.
    pub learners: Vec<NodeId>,
    /// On the leader, the last entry known to be in each member's log.
    pub matched: Vec<(NodeId, Revision)>,
    /// On the leader, how long ago a quorum acknowledged it, in milliseconds; how long it leads, if
    /// none has yet.
    pub quorum_heard_ms: Option<u64>,
    /// The cluster's records of nodes.
    pub nodes: Vec<NodeRecord>,
}

/// The outcome of reloading a node's configuration and certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// The node that reloaded.
    pub node: NodeName,
    /// The settings that changed, or whose files changed, such as `tls.cert`.
    pub changed: Vec<String>,
    /// The settings that changed and need a restart.
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
    pub writes_refused: Option<String>,
    /// How long the leader has heard no quorum, in milliseconds, if that is longer than the lease;
    /// then no node may be lost.
    pub quorum_silent_ms: Option<u64>,
    /// The nodes, ordered by id.
    pub nodes: Vec<NodeView>,
}

impl ClusterView {
    /// Returns the rejection of a request that needs a quorum, if too few voters are in reach.
    pub fn no_quorum(&self) -> Option<Rejection> {
        let votes = |node: &&NodeView| node.role.is_some_and(|role| role != RaftRole::Learner);
        let reached = self.nodes.iter().filter(votes).map(|node| node.name.clone()).collect();
        let too_few = self.voters > 0 && self.voters_in_reach < self.voters / 2 + 1;
        too_few.then_some(Rejection::NoQuorum { reached, voters: self.voters })
    }
}

/// One node in a [`ClusterView`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub version: Option<String>,
    /// When its certificate expires, in seconds since 1970; `None` if unknown.
    pub certificate_until_s: Option<u64>,
    /// Free disk space at its last check, in bytes; `None` if unknown.
    pub disk_free_bytes: Option<u64>,
    /// Its cluster, if that is another one than the asked node's.
    pub other_cluster: Option<ClusterId>,
    /// How fast its disk, its processor and its links are; `None` if unknown.
    pub pace: Option<NodePace>,
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
}
